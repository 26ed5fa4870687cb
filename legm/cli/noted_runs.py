"""What is noted about the runs of a configuration, in its folder or in a backend without folders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm.records import RunCounts, RunMarks

__all__ = ["marks_of_runs"]


def marks_of_runs(folder: str | None, counts: Iterable[RunCounts]) -> dict[str, RunMarks]:
    """By run id, what is noted about the runs of a configuration.

    Args:
        folder: the configuration's, with its run logs; None where the backend has no folders.
        counts: of its runs.
    """
    if folder is None:
        return {run_id: marks for one in counts for run_id, marks in one.marks.items()}
    from legm.runlog.marks_files import marks_in_folder

    return marks_in_folder(folder)
