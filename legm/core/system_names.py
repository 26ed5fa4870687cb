"""The names of system metrics, which are shown with a run and are not metrics of it.

Where MLflow has a name for the same quantity, this is the name.
"""

from __future__ import annotations

__all__ = ["SYSTEM_PREFIX", "is_system_name"]

SYSTEM_PREFIX = "system/"


def is_system_name(name: str) -> bool:
    """Whether a name is that of a system metric."""
    return name.startswith(SYSTEM_PREFIX)
