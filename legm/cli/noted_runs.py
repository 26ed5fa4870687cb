"""What is noted about the runs of a configuration, in its folder or in a backend without folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm.analysis.selected_runs import SelectedRuns
    from legm.records import RunCounts, RunMarks

__all__ = ["marks_of_runs", "marks_of_selected_runs"]


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


def marks_of_selected_runs(
    folder: str | None, counts: Sequence[RunCounts], selected: SelectedRuns | None
) -> dict[str, RunMarks]:
    """By run id, what is noted about the selected runs of a configuration.

    Args:
        folder: the configuration's, with its run logs; None where the backend has no folders.
        counts: of its selected runs.
        selected: reads them; None where every run is selected.
    """
    found = marks_of_runs(folder, counts)
    if selected is None or not found:
        return found
    runs = (run for one in counts for run in selected.read(one.configuration, one.description, frozenset()))
    ids = {run.run.run_id for run in runs}
    return {run_id: marks for run_id, marks in found.items() if run_id in ids}
