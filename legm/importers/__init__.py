"""Runs of other trackers, and of other root directories, become runs of legm's.

::

    a foreign store ──► Source.runs(): ForeignRun ──► translation ──► arrival: run log ──► backend
                                │                        ▲                                    │
                                └──► identity ──► review ┘             check ◄────────────────┘

:func:`import_runs` does it all; ``legm import`` is the same on the command line.
"""

from __future__ import annotations

from legm.importers.importing import Report, import_runs

__all__ = ["Report", "import_runs"]
