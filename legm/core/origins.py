"""What says where a run came from: keys in its environment, and the file with its code's changes."""

from __future__ import annotations

__all__ = ["CHANGES_FILE", "DROP_IN", "IMPORTED"]

IMPORTED = "imported"
"""The run was imported from another tracker's store."""

DROP_IN = "drop_in"
"""The run was logged through a stand-in for another tracker's library."""

CHANGES_FILE = "uncommitted-changes.patch"
"""The name of the file of a run that holds the changes which were not committed when it began."""
