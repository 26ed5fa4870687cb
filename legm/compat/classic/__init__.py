"""The calls of the original legm, another package of this name, for projects that were written for it.

``from legm import ExperimentManager, LoggingMixin`` and ``legm.argparse_utils`` lead here. What is recorded
is what :class:`legm.ExperimentHandler` records; beside it are the files that the original wrote and that
scripts of such projects read. The page "From the original legm" has the table of calls, and what differs
on purpose.
"""

from __future__ import annotations

from legm.compat.classic.handler import ExperimentHandler
from legm.compat.classic.logging_mixin import LoggingMixin
from legm.compat.classic.manager import ExperimentManager

__all__ = ["ExperimentHandler", "ExperimentManager", "LoggingMixin"]
