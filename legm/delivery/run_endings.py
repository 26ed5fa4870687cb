"""Changes what became of a run after its process ended: completes it, marks it as failed, or deletes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from legm.delivery.backlog import (
    DeliveredLog,
    dead_run_outcome,
    deliver_pending_backlog,
    unchosen_backlog_problem,
)
from legm.delivery.client import BackendClient
from legm.delivery.registry import find_backend_by_stored_name, make_backend
from legm.delivery.trusted import is_trusted, trusted_target_text
from legm.errors import BackendError, LegmError, StateError
from legm.hooks import Capability
from legm.records import Outcome, Run, Status
from legm.runlog import log_frames, log_reader, log_writer
from legm.runlog.log_folder import LogFolder, find_run_log

__all__ = ["discard_stored_run", "end_stored_run"]


def end_stored_run(root: Path, run: str, status: Status, reason: str | None = None) -> list[DeliveredLog]:
    """Give a run that ended without ``log()`` another status: completed, so that it counts, or failed.

    Args:
        root: the root directory.
        run: the run's id, or the end of it.
        status: the new status.
        reason: why, where it is not completed; by default that a user marked it.

    Returns:
        the delivery to each of its backends.

    Raises:
        ParameterError: no run has this id, or several do.
        StateError: it is completed already, or has this status.
        StorageError: it is running, or its log cannot be written.
        CorruptFile: its log is damaged.
    """
    from legm.core import results  # needs NumPy

    path = find_run_log(root, run)
    ended = dead_run_outcome(path).time  # before it is opened for writing, which is noted as a change
    folder = LogFolder.containing(path)
    writer = log_writer.LogWriter(path, create=False)
    try:
        known = log_reader.read_log(path)
        earlier = results.result_outcome(known.records)
        if earlier is not None and earlier.status in {Status.COMPLETED, status}:
            raise StateError(f"the run {path.stem} is {earlier.status.value} already")
        reason = reason or f"marked as {status.value} by a user"
        error = None if status is Status.COMPLETED else reason
        outcome = Outcome(status, ended if earlier is None else earlier.time, error)
        _, last = results.result_end_records(known.run, known.records, outcome)
        if not folder.is_open(path):
            folder.create_folders()
            folder.reopen_log(writer)
        writer.append(*map(log_frames.record_frame, last))
        writer.sync()
    finally:
        writer.close()
    clients: dict[str, BackendClient] = {}
    delivered = []
    for name, options in known.backends.items():
        if is_trusted(name, options):
            delivered.append(deliver_pending_backlog(root, writer.path, name, options, clients))
        else:
            problem = unchosen_backlog_problem(trusted_target_text(name, options))
            delivered.append(DeliveredLog(writer.path, name, problem=problem))
    return delivered


def discard_stored_run(root: Path, run: str) -> Run:
    """Delete a run from every store that its log names, with its log and its files; there is no way back.

    Each backend must be able to delete runs, and answer, before anything is deleted. The primary backend
    comes first and the log last, so that a run that could not be deleted everywhere is deleted by a second
    call.

    Args:
        root: the root directory.
        run: the run's id, or the end of it.

    Returns:
        the run that was deleted.

    Raises:
        ParameterError: no run has this id, or several do.
        NotSupported: one of its backends cannot delete runs; nothing was deleted.
        BackendError: no user of this machine chose one of its backends, or one does not answer; nothing was
            deleted. Or one refuses to delete it: the message says what was deleted before.
        StorageError: it is running, its log is damaged, or something cannot be deleted.
    """
    path = find_run_log(root, run)
    writer = log_writer.LogWriter(path, create=False)  # locked, so that no process resumes it meanwhile
    try:
        known = log_reader.read_log(path)  # all of it: a process that resumed it may have added a backend
        clients = list[BackendClient]()
        for name, options in [*known.backends.items(), *known.earlier_backends]:
            if not is_trusted(name, options):
                raise BackendError(unchosen_backlog_problem(trusted_target_text(name, options)))
            backend = make_backend(find_backend_by_stored_name(name), root, options)
            clients.append(BackendClient(backend, root))
            clients[-1].require(Capability.DISCARD, f"deleting the run {path.stem}")
        _require_answers_before_ending(clients)
        _discard_run_from_each(clients, known.run)
        LogFolder.containing(path).delete_run_files(known.run.run_id)
    finally:
        writer.close()
    return known.run


def _require_answers_before_ending(clients: Sequence[BackendClient]) -> None:
    """Ask each backend something before one of them deletes anything."""
    for client in clients:
        if client.supports(Capability.EXPERIMENTS):
            client.experiments()


def _discard_run_from_each(clients: Sequence[BackendClient], run: Run) -> None:
    deleted: list[str] = []
    for client in clients:
        try:
            client.discard_run(run)
        except LegmError as cause:
            if not deleted:
                raise
            raise BackendError(
                f"the run {run.run_id} was deleted from {', '.join(deleted)}, but not from {client.name}: "
                f"{cause}. Repeat the command when that is repaired"
            ) from cause
        deleted.append(client.name)
