"""Changes what is noted about runs, as ``legm tag`` and ``legm note`` do."""

from __future__ import annotations

from collections.abc import Sequence

from legm.core.run_marks import changed_marks, marks_as_dict
from legm.delivery.marking import Marker, RunToMark
from legm.errors import StorageError
from legm.records import Plain, RunResult
from legm.runlog.log_folder import LogFolder
from legm.tables.sources import StoredConfiguration
from legm.ui.stored_runs import StoredRuns

__all__ = ["change_run_marks"]


def change_run_marks(
    stored: StoredRuns,
    experiment: str,
    fingerprint: str,
    run_ids: Sequence[str] | None,
    *,
    description: str = "",
    add: Sequence[str],
    remove: Sequence[str],
    note: str | None,
) -> dict[str, Plain]:
    """Change the tags and the note of runs of a configuration.

    Args:
        stored: where they are.
        experiment, fingerprint: which configuration.
        run_ids: which runs; None for all with a description.
        description: of those runs.
        add, remove: tags.
        note: the new note; None for the same one.

    Returns:
        by id, the tags and the note of each.

    Raises:
        InvalidName: one is not a tag.
        LegmError: there is no such run, or its marks cannot be changed.
    """
    of, results = stored.runs_of_configuration(experiment, fingerprint)
    chosen = [
        one
        for one in results
        if (one.run.description == description if run_ids is None else one.run.run_id in run_ids)
    ]
    if not chosen:
        which = f"run with the description {description!r}" if run_ids is None else f"run {run_ids[0]!r}"
        raise StorageError(f"the configuration {of.label!r} has no {which}")
    marker = Marker()
    return {
        one.run.run_id: marks_as_dict(
            marker.change(
                _run_to_mark(stored, of, one), lambda before: changed_marks(before, add, remove, note)
            )
        )
        for one in chosen
    }


def _run_to_mark(stored: StoredRuns, of: StoredConfiguration, result: RunResult) -> RunToMark:
    logs = None if of.folder is None else LogFolder.of(of.folder)
    path = None if logs is None else logs.find(result.run.run_id)
    if path is None and not stored.has_folders:
        logs = None  # only the backend has it
    return RunToMark(result.run.run_id, logs, path, result, stored.client() if logs is None else None)
