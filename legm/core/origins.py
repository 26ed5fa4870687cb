"""The keys in a run's environment that say where the run came from, unless a handler began it."""

from __future__ import annotations

__all__ = ["DROP_IN", "IMPORTED"]

IMPORTED = "imported"
"""The run was imported from another tracker's store."""

DROP_IN = "drop_in"
"""The run was logged through a stand-in for another tracker's library."""
