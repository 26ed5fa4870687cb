"""Changes what is noted about a run, as ``legm tag`` and ``legm note`` do."""

from __future__ import annotations

from collections.abc import Sequence

from legm.core.run_marks import changed_marks, marks_as_dict
from legm.delivery.marking import Marker, RunToMark
from legm.records import Plain
from legm.runlog.log_folder import LogFolder
from legm.ui.stored_runs import StoredRuns

__all__ = ["change_run_marks"]


def change_run_marks(
    stored: StoredRuns,
    experiment: str,
    fingerprint: str,
    run_id: str,
    *,
    add: Sequence[str],
    remove: Sequence[str],
    note: str | None,
) -> dict[str, Plain]:
    """Change the tags and the note of a run.

    Args:
        stored: where it is.
        experiment, fingerprint, run_id: which run.
        add, remove: tags.
        note: the new note; None for the same one.

    Returns:
        its tags and its note.

    Raises:
        InvalidName: one is not a tag.
        LegmError: the run is not there, or its marks cannot be changed.
    """
    of, result = stored.run(experiment, fingerprint, run_id)
    logs = None if of.folder is None else LogFolder.of(of.folder)
    path = None if logs is None else logs.find(run_id)
    if path is None and not stored.has_folders:
        logs = None  # only the backend has it
    run = RunToMark(run_id, logs, path, result, stored.client() if logs is None else None)
    marks = Marker().change(run, lambda before: changed_marks(before, add, remove, note))
    return marks_as_dict(marks)
