"""The module of this name of the original legm, another package, for projects that were written for it."""

from __future__ import annotations

from legm.compat.classic import ExperimentHandler, ExperimentManager

__all__ = ["ExperimentHandler", "ExperimentManager"]
