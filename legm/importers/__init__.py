"""Runs of other trackers, and of other root directories, become legm runs.

::

    external store ──► ImportSource.runs(): ExternalRun ──► translation ──► ingestion: run log ──► backend
                                     │                          ▲                                    │
                                     └──► identity ──► review ──┘          verification ◄────────────┘

:func:`import_runs` runs all steps; ``legm import`` is the same on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm.importers.pipeline import Report, import_runs

__all__ = ["Report", "import_runs"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'legm.importers' has no attribute {name!r}")
    from legm.importers import pipeline

    value: object = getattr(pipeline, name)
    return value


def __dir__() -> list[str]:
    return __all__
