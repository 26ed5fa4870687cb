"""Replaces what a backend has of a run from before the run was amended."""

from __future__ import annotations

from collections.abc import Sequence

from legm.core.run_marks import merged_marks
from legm.delivery.client import BackendClient
from legm.errors import BackendError
from legm.records import ChangeKind, Run, StoredChange
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import change_marks

__all__ = ["keep_marks_of_amended", "open_amended_run"]


def open_amended_run(
    client: BackendClient,
    run: Run,
    earlier: Sequence[Run],
    logs: LogFolder,
    *,
    make_folder: bool = False,
) -> int | None:
    """Open a run in a backend that may have it as it was before it was amended.

    What is there is changed in place, or deleted so that all of the run is delivered anew. It may be repeated
    after it was interrupted.

    Args:
        client: of the backend.
        run: the run as it is now.
        earlier: as the backend may have it, oldest first; empty for a run that it has as it is now.
        logs: where the run's log is, beside which its tags and notes are kept.
        make_folder: whether its configuration may have no folder yet.

    Returns:
        the byte of the run log up to which the backend has it; None where it does not say.

    Raises:
        BackendError: the backend cannot change the run.
        LegmError: the backend failed.
    """
    for before in earlier:
        planned = client.plan_change(before, run)
        if planned.kind is ChangeKind.ABSENT:
            continue
        if planned.problem:
            raise BackendError(f"the run {run.run_id} cannot be changed in {client.name}: {planned.problem}")
        if planned.kind is ChangeKind.AMENDED:
            client.amend_run(before, run)
        else:
            keep_marks_of_amended(planned, logs, run.run_id)
            client.discard_run(before)
    return client.open_run(run, make_folder=make_folder)


def keep_marks_of_amended(planned: StoredChange, logs: LogFolder, run_id: str) -> None:
    """Keep beside the log of a run what users noted about it in a backend, before it is deleted there.

    Args:
        planned: what the backend said about the run.
        logs: where the log is.
        run_id: the run.

    Raises:
        StorageError: it cannot be written.
    """
    there = planned.marks
    if there is not None and (there.tags or there.note or planned.sent_marks is not None):
        change_marks(logs, run_id, lambda own: merged_marks(own, there, planned.sent_marks))
