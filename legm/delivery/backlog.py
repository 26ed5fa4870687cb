"""Delivers the backlog, the records that backends have not received yet, from the run logs, exactly once."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from legm.core.record_sequences import LazyRecords
from legm.delivery.amended_runs import open_amended_run
from legm.delivery.client import BackendClient
from legm.delivery.registry import backend_names, find_backend_by_stored_name, make_backend
from legm.delivery.trusted import is_trusted, trusted_target_text
from legm.errors import (
    BackendError,
    LegmError,
    LogInUse,
    StorageError,
    closest,
)
from legm.hooks import Capability
from legm.records import Artifact, Outcome, Plain, Record, RunResult, Status
from legm.runlog import log_frames, log_reader, log_writer
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.file_names import CONSOLE_FILE
from legm.runlog.log_folder import LogFolder, find_pending_logs
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.marks_files import result_with_marks
from legm.runlog.trashed import missing_folder_text
from legm.util.own_files import is_own_file

__all__ = [
    "BATCH",
    "DeliveredLog",
    "backends_with_backlog",
    "backlog_backend_key",
    "dead_run_outcome",
    "deliver_backlog_log",
    "deliver_pending_backlog",
    "finalize_backlog_log",
    "finalize_dead_runs",
    "flush_backlog",
    "replay_backlog",
    "sync_backlog",
    "unchosen_backlog_problem",
    "watch_backlog",
]

log = logging.getLogger(__name__)

BATCH = 256 << 10
"""Bytes of the run log that a remote backend receives in one batch."""

PAUSES = (1.0, 60.0)
"""Seconds between two passes of :func:`watch_backlog`: the first pause, and the longest."""


def finalize_dead_runs(client: BackendClient, logs: LogFolder) -> list[RunResult]:
    """Finalize the runs of one configuration whose process died.

    A completed run is delivered completely; any other run gets the outcome "interrupted". A run that the
    backend has, and for which only other backends still wait, is left alone, and so are logs that this user
    may not write: they are somebody else's. Damaged logs are reported and left unchanged.

    Returns:
        the results of the runs that were finalized.
    """
    finalized = []
    pending = logs.pending_logs()
    being_written = log_writer.logs_being_written(pending, recent=log_writer.RECENTLY)
    for path in pending:
        if path in being_written or not os.access(path, os.W_OK):
            continue
        try:
            result = (
                deliver_backlog_log(client, logs, path) if _is_backlog_to_finalize(client, path) else None
            )
        except LegmError as error:
            if path.exists():  # otherwise another process has just finalized it
                log.error("%s. The undelivered part of the run stays in %s.", error, path)  # noqa: TRY400
        else:
            finalized += [result] if result is not None else []
    return finalized


def _is_backlog_to_finalize(client: BackendClient, path: Path) -> bool:
    from legm.core import results  # needs NumPy

    if not _is_backlog_of_backend(client, path):
        return False
    known = read_log_in_pieces(path)
    is_stored = results.result_outcome(known.records) is not None and known.is_delivered_to(client.name)
    return not is_stored or all(known.is_delivered_to(name) for name in known.backends)


def _is_backlog_of_backend(client: BackendClient, path: Path) -> bool:
    return log_reader.read_log_head(path).backends.get(client.name) == client.options


def flush_backlog(client: BackendClient, except_for: Path) -> None:
    """Deliver what a backend has not received of earlier runs in its root directory.

    Args:
        client: of the backend.
        except_for: the log of the run that is being written.
    """
    for path in find_pending_logs(client.root):
        if path.name == except_for.name or not os.access(path, os.W_OK):
            continue
        try:
            if _is_backlog_of_backend(client, path):
                deliver_backlog_log(client, LogFolder.containing(path), path)
        except LegmError as error:
            if path.exists():
                log.warning("%s. The undelivered part of the run stays in %s.", error, path)


def deliver_backlog_log(client: BackendClient, logs: LogFolder, path: Path) -> RunResult | None:
    """Deliver the rest of a run whose process died, and finalize its log.

    Returns:
        its result; None where another process is writing the log, or has just finalized it.

    Raises:
        CorruptFile: the log is damaged.
        StorageError: the log cannot be written.
        LegmError: the backend could not accept it; the log is unchanged.
    """
    try:
        outcome = dead_run_outcome(path)  # before it is opened for writing, which is noted as a change
        writer = log_writer.LogWriter(path, create=False)
    except LogInUse:
        return None
    except (StorageError, FileNotFoundError):
        if path.exists():
            raise
        return None
    try:
        return finalize_backlog_log(client, logs, writer, outcome)
    finally:
        writer.close()


def dead_run_outcome(path: Path) -> Outcome:
    """The outcome of a run whose process died: it ended when its log was last written."""
    return Outcome(Status.INTERRUPTED, path.stat().st_mtime, "the process ended without log()")


def finalize_backlog_log(
    client: BackendClient,
    logs: LogFolder,
    writer: log_writer.LogWriter,
    interrupted: Outcome,
    result: RunResult | None = None,
) -> RunResult:
    """Deliver the rest of a run, and move its log out of ``open/`` once every backend has all of it.

    Args:
        client: of the backend to deliver to.
        logs: where the log is.
        writer: of the log.
        interrupted: the outcome for a run that has none.
        result: the run's result; None to compute it from the records.

    Raises:
        LegmError: the backend could not accept it; the log is unchanged.
    """
    from legm.core import results  # needs NumPy

    known = read_log_in_pieces(writer.path)
    console = artifacts_folder(logs.folder.parent, known.run.run_id) / CONSOLE_FILE
    if is_own_file(logs.folder.parent, console) and not any(
        isinstance(record, Artifact) and record.name == CONSOLE_FILE for record in known.records
    ):  # a killed process could not record it
        kept = Artifact(CONSOLE_FILE, str(console))
        known.content_end = writer.append(log_frames.record_frame(kept))
        known.records = LazyRecords.chained(known.records, [kept])
    if results.result_outcome(known.records) is None:
        known.content_end = writer.append(log_frames.record_frame(interrupted))
        known.records = LazyRecords.chained(known.records, [interrupted])
        log.warning("run %s was interrupted; its records are kept in %s", known.run.run_id, writer.path)
    if result is None:
        result = results.run_result(known.run, known.records)
    if not known.is_delivered_to(client.name) or all(known.is_delivered_to(name) for name in known.backends):
        replay_backlog(client, known, result)
        known.cursors[client.name] = writer.position
        writer.append(log_frames.cursors_frame({client.name: writer.position}))
    if all(known.is_delivered_to(name) for name in known.backends):
        logs.finalize_log(writer)
    return result


def replay_backlog(
    client: BackendClient,
    known: log_reader.Log,
    result: RunResult,
    amended: Callable[[Sequence[Record]], Sequence[Record]] = lambda records: records,
) -> None:
    """Deliver the records that a backend lacks of a run, and let it finish the run.

    Args:
        client: of the backend.
        known: the log, with all of the run's records.
        result: the run's result.
        amended: replaces records on their way to the backend.

    Raises:
        LegmError: the backend could not accept it.
    """
    logs = LogFolder.containing(known.path)
    earlier = () if client.supports(Capability.FOLDERS) else known.earlier.get(client.name, ())
    position = open_amended_run(client, known.run, earlier, logs, make_folder=True)
    try:
        tail = log_reader.LogTail(
            known.path, known.cursors.get(client.name, 0) if position is None else position
        )
        try:
            before = -1
            while tail.position != before:  # a batch may hold no records, only the names of their series
                before = tail.position
                client.write(known.run, amended(tail.read(BATCH)), tail.position)
        finally:
            tail.close()
        client.close_run(result_with_marks(result, logs), amended(known.records))
    finally:
        client.release_run(known.run)


@dataclass(frozen=True, slots=True)
class DeliveredLog:
    """The outcome of delivering one run's log to one backend.

    Args:
        path: where the log was.
        backend: the backend's name.
        result: the run; None where it was not delivered.
        problem: why it was not; "" where its own process is still delivering it.
    """

    path: Path
    backend: str
    result: RunResult | None = None
    problem: str = ""


def sync_backlog(root: Path, to: str | None = None) -> Iterator[DeliveredLog]:
    """Deliver each run below a root directory to the backends named in its log; a second call does nothing.

    A target is left out if no user of this machine chose it (:mod:`legm.delivery.trusted`).

    Args:
        root: the root directory.
        to: the only backend to deliver to, or the only target as
            :func:`~legm.delivery.trusted.trusted_target_text` has it, which is then delivered to whoever
            chose it; None for all.

    Raises:
        StorageError: there is no such folder.
        BackendError: no backend has the name ``to``.
    """
    if not root.is_dir():
        raise StorageError(missing_folder_text(root))
    logs = find_pending_logs(root)
    if to is not None:
        _require_backlog_of(to.partition(" ")[0], logs)
    clients: dict[str, BackendClient] = {}
    for path in logs:
        try:
            known = read_log_in_pieces(path)
        except LegmError as error:
            if path.exists():  # otherwise another process has just finalized it
                yield DeliveredLog(path, "", problem=str(error))
            continue
        for name in backends_with_backlog(known):
            options = known.backends[name]
            target = trusted_target_text(name, options)
            if to not in {None, name, target}:
                continue
            if to == target or is_trusted(name, options):
                yield deliver_pending_backlog(root, path, name, options, clients)
            else:
                yield DeliveredLog(path, name, problem=unchosen_backlog_problem(target))


def backends_with_backlog(known: log_reader.Log) -> list[str]:
    """The backends that lack something of a run; one where none does, so that the log is finalized."""
    undelivered = [name for name in known.backends if not known.is_delivered_to(name)]
    return undelivered or list(known.backends)[:1]


def _require_backlog_of(name: str, logs: Sequence[Path]) -> None:
    """Refuse the name of a backend that is neither installed nor in a run log."""
    known = backend_names()
    if name in known:
        return
    for path in logs:
        with contextlib.suppress(LegmError):  # a damaged log is reported later
            known += log_reader.read_log_head(path).backends
    if name not in known:
        raise BackendError(f"there is no backend {name!r}; {closest(name, sorted(set(known)))}")


def watch_backlog(root: Path, to: str | None = None) -> Iterator[DeliveredLog]:
    """Repeat :func:`sync_backlog` forever.

    The pause between two passes doubles, up to a minute, until something is delivered.

    Yields:
        each delivery, and each failed delivery once for each reason.

    Raises:
        StorageError: there is no such folder.
    """
    pause, known = PAUSES[0], set[DeliveredLog]()
    while True:
        pending, delivered = set[DeliveredLog](), False
        for one in sync_backlog(root, to):
            if one.result is not None:
                delivered = True
                yield one
            else:
                pending.add(one)
                if one not in known:
                    yield one
        known = pending
        pause = PAUSES[0] if delivered else min(2 * pause, PAUSES[1])
        time.sleep(pause)


def unchosen_backlog_problem(target: str) -> str:
    """Why a log is not delivered to a target that no user of this machine chose, and what to do."""
    return (
        f"no run was begun on this machine with the target that its log names, {target!r}; "
        f"if it is yours, give it: legm sync --to {shlex.quote(target)}"
    )


def backlog_backend_key(name: str, options: Mapping[str, Plain]) -> str:
    """A text that is the same for the same target."""
    return json.dumps([name, dict(options)], sort_keys=True)


def deliver_pending_backlog(
    root: Path, path: Path, name: str, options: dict[str, Plain], clients: dict[str, BackendClient]
) -> DeliveredLog:
    """Deliver one log to one of its backends; a problem is in the answer.

    Args:
        root: the root directory.
        path: the log.
        name: the backend's name.
        options: the backend's own.
        clients: those that were made before, by :func:`backlog_backend_key`, to which a new one is added.
    """
    key = backlog_backend_key(name, options)
    try:
        if key not in clients:
            clients[key] = BackendClient(make_backend(find_backend_by_stored_name(name), root, options), root)
        return DeliveredLog(path, name, deliver_backlog_log(clients[key], LogFolder.containing(path), path))
    except LegmError as error:
        return DeliveredLog(path, name, problem=str(error))
