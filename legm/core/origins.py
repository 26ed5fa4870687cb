"""What says where a run came from: keys in its environment, and the file with its code's changes."""

from __future__ import annotations

__all__ = ["CHANGES_FILE", "CLASSES", "DROP_IN", "IMPORTED"]

IMPORTED = "imported"
"""The run was imported from another tracker's store."""

DROP_IN = "drop_in"
"""The run was logged through a stand-in for another tracker's library."""

CLASSES = "classes"
"""The classes of the objects among the run's parameters, by where they are.

Runs from before classes were compared, and those of other trackers, do not have it.
"""

CHANGES_FILE = "uncommitted-changes.patch"
"""The name of the file of a run that holds the changes which were not committed when it began."""
