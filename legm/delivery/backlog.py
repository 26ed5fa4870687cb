"""Delivers what runs still owe to a backend: from their logs, later, exactly once."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from legm.delivery.client import BackendClient
from legm.delivery.registry import make_backend
from legm.errors import CorruptFile, LegmError, StorageError
from legm.records import Outcome, Plain, Record, RunResult, Status
from legm.runlog import format as runlog
from legm.runlog.folder import LogFolder

__all__ = [
    "BATCH",
    "Delivered",
    "deliver_log",
    "finalize_dead_runs",
    "flush_backlog",
    "interruption",
    "replay",
    "sync",
    "watch",
]

log = logging.getLogger(__name__)

BATCH = 256 << 10
"""Bytes of the run log that a remote backend gets at once."""

PAUSES = (1.0, 60.0)
"""Seconds between two looks of :func:`watch`: the first, and the longest they grow to."""


def finalize_dead_runs(client: BackendClient, logs: LogFolder) -> list[RunResult]:
    """Settle what was left by processes that are gone.

    A run that was completed is delivered whole; one that was not gets the outcome "interrupted". Logs
    that are damaged are reported and left alone.

    Returns:
        the results of the runs that were settled.
    """
    settled = []
    pending = logs.pending_logs()
    being_written = runlog.logs_being_written(pending)
    for path in pending:
        if path in being_written:
            continue
        try:
            result = deliver_log(client, logs, path) if _goes_to(client, path) else None
        except LegmError as error:
            log.error("%s. What is owed of the run stays in %s.", error, path)  # noqa: TRY400
        else:
            settled += [result] if result is not None else []
    return settled


def _goes_to(client: BackendClient, path: Path) -> bool:
    return runlog.read_log_head(path).backends.get(client.name) == client.options


def flush_backlog(client: BackendClient, own: Path) -> None:
    """Deliver what earlier runs of this root directory owe to the backend, but for one run."""
    for path in _pending_logs(client.root):
        if path.name == own.name:
            continue
        try:
            if _goes_to(client, path):
                deliver_log(client, LogFolder(path.parents[1]), path)
        except LegmError as error:
            log.warning("%s. What is owed of the run stays in %s.", error, path)


def deliver_log(client: BackendClient, logs: LogFolder, path: Path) -> RunResult | None:
    """Deliver the rest of a run whose process is gone, and settle its log.

    Returns:
        its result; None where a live process writes it, or it is not ours to write.

    Raises:
        CorruptFile: the log is damaged.
        LegmError: the backend could not take it; the log stays as it is.
    """
    try:
        outcome = interruption(path)  # before it is opened for writing, which is noted as a change
        writer = runlog.LogWriter(path, create=False)
    except CorruptFile:
        raise
    except (StorageError, FileNotFoundError):
        return None
    try:
        return _settle(client, logs, writer, outcome)
    finally:
        writer.close()


def interruption(path: Path) -> Outcome:
    """The outcome of a run whose process is gone, by its log: it ended when that was written last."""
    return Outcome(Status.INTERRUPTED, path.stat().st_mtime, "the process ended without log()")


def _settle(
    client: BackendClient, logs: LogFolder, writer: runlog.LogWriter, interrupted: Outcome
) -> RunResult:
    from legm.core import results  # needs NumPy

    known = runlog.read_log(writer.path)
    if not any(isinstance(record, Outcome) for record in known.records):
        known.content_end = writer.append(runlog.record_frame(interrupted))
        known.records.append(interrupted)
        log.warning("run %s was interrupted; what it holds is kept in %s", known.run.run_id, writer.path)
    result = results.run_result(known.run, known.records)
    if not known.is_delivered_to(client.name) or all(known.is_delivered_to(name) for name in known.backends):
        replay(client, known, result)
        known.cursors[client.name] = writer.position
        writer.append(runlog.cursors_frame({client.name: writer.position}))
    if all(known.is_delivered_to(name) for name in known.backends):
        logs.finalize_log(writer)
    return result


def replay(
    client: BackendClient,
    known: runlog.Log,
    result: RunResult,
    amended: Callable[[Sequence[Record]], Sequence[Record]] = lambda records: records,
) -> None:
    """Hand a run's records on to a backend, from where it has them, and let it finish the run.

    Args:
        client: where to.
        known: the log, with all of the run's records.
        result: what the run came to.
        amended: what is handed on for some of the records.

    Raises:
        LegmError: the backend could not take it.
    """
    position = client.open_anywhere(known.run)
    try:
        tail = runlog.LogTail(known.path, known.cursors.get(client.name, 0) if position is None else position)
        try:
            before = -1
            while tail.position != before:  # a batch may hold no records, only what names their series
                before = tail.position
                client.write(known.run, amended(tail.read(BATCH)), tail.position)
        finally:
            tail.close()
        client.call("legm_close_run", run=known.run, result=result, records=amended(known.records))
    finally:
        client.release(known.run)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one run's log.

    Args:
        path: where the log was.
        backend: where it was to go.
        result: the run; None where it was not delivered.
        problem: why not; "" where a live process delivers it itself.
    """

    path: Path
    backend: str
    result: RunResult | None = None
    problem: str = ""


def sync(root: Path, to: str | None = None) -> Iterator[Delivered]:
    """Deliver each run below a root directory to the backends its log names; a second time does nothing.

    Args:
        root: the root directory.
        to: only to this backend.

    Raises:
        StorageError: there is no such folder.
    """
    if not root.is_dir():
        raise StorageError(f"there is no folder {root}")
    clients: dict[str, BackendClient] = {}
    for path in _pending_logs(root):
        try:
            known = runlog.read_log(path)
        except LegmError as error:
            yield Delivered(path, "", problem=str(error))
            continue
        owed = [name for name in known.backends if not known.is_delivered_to(name)]
        for name in owed or list(known.backends)[:1]:  # a log that owes nothing is settled
            if to in {None, name}:
                yield _deliver(root, path, name, known.backends[name], clients)


def watch(root: Path, to: str | None = None) -> Iterator[Delivered]:
    """:func:`sync` again and again, without an end.

    The pauses between two looks double, up to a minute, until something was delivered.

    Yields:
        each delivery, and what could not be delivered once for each reason.

    Raises:
        StorageError: there is no such folder.
    """
    pause, known = PAUSES[0], set[Delivered]()
    while True:
        owed, delivered = set[Delivered](), False
        for one in sync(root, to):
            if one.result is not None:
                delivered = True
                yield one
            else:
                owed.add(one)
                if one not in known:
                    yield one
        known = owed
        pause = PAUSES[0] if delivered else min(2 * pause, PAUSES[1])
        time.sleep(pause)


def _pending_logs(root: Path) -> list[Path]:
    """The logs that are not settled, below the folders of configurations and where a backend has none."""
    return sorted([*root.glob(".legm/*/*/runs/open/*.log"), *root.glob("*/*/runs/open/*.log")])


def _deliver(
    root: Path, path: Path, name: str, options: dict[str, Plain], clients: dict[str, BackendClient]
) -> Delivered:
    key = json.dumps([name, options], sort_keys=True)
    try:
        if key not in clients:
            clients[key] = BackendClient(make_backend(name, root, options), root)
        return Delivered(path, name, deliver_log(clients[key], LogFolder(path.parents[1]), path))
    except LegmError as error:
        return Delivered(path, name, problem=str(error))
