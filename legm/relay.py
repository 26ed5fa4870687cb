"""Hands records on to the backend, remembers how far it has got, and catches up from the run log.

A backend of this machine gets records on the recorder's thread as they come (:class:`Delivery`). A
remote one has a thread of its own for each run (:class:`Courier`), which reads the run log behind the
recorder: the log is the queue, so that a server may hang or be away for as long as it likes without
costing the training a moment or a byte of memory. Whatever a backend could not take it gets from the
log later: by itself, at the next look at the configuration, or by ``legm sync``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from legm import runlog
from legm.credentials import redacted, redacted_run
from legm.errors import BackendError, CorruptFile, LegmError, NotSupported, StorageError
from legm.hooks import Backend, Capability
from legm.logs import LogFolder
from legm.naming import safe_name, shortened
from legm.progress import waiting
from legm.records import Configuration, Outcome, Plain, Points, Record, Run, RunResult, Status
from legm.registry import plugin_manager

__all__ = ["Courier", "Delivery", "Relay", "catch_up", "deliver_log"]

log = logging.getLogger(__name__)

_BATCH = 256 << 10  # bytes of the run log that a remote backend gets at once
_INTERVAL = 1.0  # seconds between two batches of a run that goes on
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries, doubled each time
_GRACE = 3.0  # seconds that log() waits for a backend that is in trouble
_LONGEST_CALL = 60.0  # seconds without an answer after which a backend is in trouble


class Relay:
    """The way to a backend's hooks.

    Args:
        backend: where the records go, and where reads come from.
        root: the root directory.
    """

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend = backend
        self.root = root
        manager = plugin_manager([backend])
        self._hooks: dict[str, Any] = {
            name: manager.subset_hook_caller(name, [])
            for name in dir(manager.hook)
            if name.startswith("legm_")
        }

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    @property
    def is_remote(self) -> bool:
        """Whether the backend may be slow or away, and is not this machine's."""
        return Capability.REMOTE in self.backend.capabilities

    @property
    def places(self) -> dict[str, dict[str, Plain]]:
        """By backend, what makes it again with the root directory; it holds no credentials."""
        return {self.name: dict(getattr(self.backend, "destination", {}))}

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook of the backend's; a remote one never sees a credential.

        Raises:
            LegmError: whatever the backend raises; what is no LegmError becomes a BackendError.
        """
        if self.is_remote:
            if isinstance(arguments.get("run"), Run):
                arguments["run"] = redacted_run(arguments["run"])
            if isinstance(arguments.get("result"), RunResult):
                result = arguments["result"]
                arguments["result"] = replace(result, run=redacted_run(result.run))
            if isinstance(arguments.get("configuration"), Configuration):
                arguments["configuration"] = redacted(arguments["configuration"])
        try:
            return self._hooks[hook](**arguments)
        except LegmError:
            raise
        except Exception as cause:
            raise BackendError(f"the backend {self.name!r} failed in {hook}: {cause!r}") from cause

    def folder(self, configuration: Configuration, *, create: bool) -> Path | None:
        """Where a configuration's run logs and files are.

        It is the backend's folder, or one below the root directory for a backend that has none.

        Raises:
            StorageError: it cannot be made.
        """
        if Capability.FOLDERS in self.backend.capabilities:
            place: Path | None = self.call("legm_folder", configuration=configuration, create=create)
            return place
        experiment = shortened(safe_name(configuration.experiment), configuration.fingerprint)
        folder = self.root / ".legm" / experiment / configuration.fingerprint
        if create:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as cause:
                raise runlog.storage_error("make the folder", folder, cause) from cause
        return folder if folder.exists() else None

    def require(self, capability: Capability, wanted: str) -> None:
        """Refuse what the backend cannot do.

        Raises:
            NotSupported: it lacks the capability.
        """
        if capability not in self.backend.capabilities:
            has = ", ".join(sorted(c.value for c in self.backend.capabilities)) or "none"
            raise NotSupported(
                f"{wanted} needs the capability {capability.value!r}, which the backend "
                f"{self.name!r} has not (it has: {has})"
            )

    def open(self, run: Run) -> int | None:
        """Begin a run, or go on with it.

        Returns:
            up to which byte of the run log the backend has it; None where it does not say.
        """
        position: int | None = self.call("legm_open_run", run=run)
        return position

    def begin(self, run: Run, writer: runlog.LogWriter) -> Delivery | Courier:
        """Begin to deliver a new run.

        Raises:
            LegmError: a backend of this machine could not begin it.
        """
        if self.is_remote:
            return Courier(self, run, writer)
        self.open(run)
        return Delivery(self, run, writer, writer.position)


class Delivery:
    """One run's records on their way to a backend of this machine, on the recorder's thread.

    Args:
        relay: where to.
        run: whose.
        writer: of the run's log, for what has to come again.
        delivered: up to which byte the backend has it already.
    """

    def __init__(self, relay: Relay, run: Run, writer: runlog.LogWriter, delivered: int) -> None:
        self._relay = relay
        self._run = run
        self._writer = writer
        self._delivered = delivered
        self._handed_on = writer.position
        self._troubled = False

    def __call__(self, records: Sequence[Record], position: int) -> Mapping[str, int]:
        """Hand on records that the log now has; an error is logged once, and made good later.

        Returns:
            the cursors: by backend, up to which byte it has the run.
        """
        try:
            self._write(self._owed(position) if self._delivered != self._handed_on else records, position)
            self._troubled = False
        except LegmError as error:
            if not self._troubled:
                log.error("%s. Training goes on; the run log keeps what is owed.", error)  # noqa: TRY400
            self._troubled = True
        self._handed_on = position
        return {self._relay.name: self._delivered}

    def _owed(self, position: int) -> list[Record]:
        """What the log has up to a position and the backend has not."""
        return _without_outcomes(runlog.read(self._writer.path, self._delivered, position).records)

    def _write(self, records: Sequence[Record], position: int) -> None:
        if records:
            self._relay.call("legm_write", run=self._run, records=records, position=position)
        self._delivered = position

    def close(self, result: RunResult, records: Sequence[Record]) -> bool:
        """Hand on what is owed, let the backend finish the run, and note in the log that it has all of it.

        Returns:
            true: it has.

        Raises:
            LegmError: it could not.
        """
        position = self._writer.position
        if self._delivered != self._handed_on:
            self._handed_on = position
            self._write(self._owed(position), position)
        self._delivered = self._handed_on = position
        self._relay.call("legm_close_run", run=self._run, result=result, records=records)
        self._writer.append(runlog.cursors_frame({self._relay.name: self._delivered}))
        return True

    def release(self, logs: LogFolder) -> None:  # noqa: ARG002 - it was settled when it was closed
        """Nothing more comes."""
        _release(self._relay, self._run)


class Courier:
    """One run's records on their way to a remote backend, on a thread of its own, read from the run log.

    Args:
        relay: where to.
        run: whose.
        writer: of the run's log; it is written by others.
    """

    def __init__(self, relay: Relay, run: Run, writer: runlog.LogWriter) -> None:
        self._relay = relay
        self._run = run
        self._writer = writer
        self._changed = threading.Condition()
        self._delivered = 0
        self._noted = 0  # what of it the log says
        self._closing: tuple[RunResult, Sequence[Record]] | None = None
        self._closed_at = -1  # the position when the backend finished the run
        self._troubled_since: float | None = None
        self._calling_since: float | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name=f"legm-{relay.name}", daemon=True)
        self._thread.start()

    # The run's side

    def __call__(self, records: Sequence[Record], position: int) -> Mapping[str, int]:  # noqa: ARG002
        """The log has more; nothing waits here.

        Returns:
            the cursor, where it moved: by backend, up to which byte it has the run.
        """
        if self._delivered == self._noted:
            return {}
        self._noted = self._delivered
        return {self._relay.name: self._noted}

    def close(self, result: RunResult, records: Sequence[Record]) -> bool:
        """Wait until the backend has the run and finished it, as long as it does not look like an outage.

        Returns:
            whether it has; otherwise the log says what is owed, and delivery goes on as long as this
            process lives.
        """
        with self._changed:
            self._closing = result, records
            self._changed.notify_all()
            with waiting(f"sending the run to {self._relay.name}"):
                while self._closing is not None and not self._is_away():
                    self._changed.wait(0.2)
            done = self._closing is None
        if done:
            self._writer.append(runlog.cursors_frame({self._relay.name: self._delivered}))
            return True
        owed = sum(
            len(record)
            for record in runlog.read(self._writer.path, self._delivered).records
            if isinstance(record, Points)
        )
        log.warning(
            "%s has not all of run %s yet: %d values are owed. They are kept in the run log, and are "
            "delivered when it answers again, at the latest by: legm sync %s",
            self._relay.name,
            self._run.run_id,
            owed,
            self._relay.root,
        )
        return False

    def _is_away(self) -> bool:
        now = time.monotonic()
        if self._troubled_since is not None and now - self._troubled_since > _GRACE:
            return True
        return self._calling_since is not None and now - self._calling_since > _LONGEST_CALL

    def release(self, logs: LogFolder) -> None:
        """Nothing more comes, and nobody waits: what is owed is delivered later.

        A run that was delivered after ``log()`` gave up waiting is settled now.
        """
        with self._changed:
            open_log = self._writer.path.parent == logs.open_folder
            if open_log and self._closing is None and self._closed_at == self._writer.position:
                logs.settle(self._writer)
            self._stopped = True
            self._changed.notify_all()

    # The thread's side

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        tail: runlog.LogTail | None = None
        while not self._stopped:
            try:
                if tail is None:
                    since = self._timed(lambda: self._relay.open(self._run))
                    tail = runlog.LogTail(self._writer.path, since or 0)
                    self._delivered = since or 0
                    self._recovered()
                    deliver_elsewhere(self._relay, self._writer.path)
                self._step(tail)
                self._recovered()
                pause = _FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 - the thread lives on, and the trouble is told
                if tail is not None:
                    tail.close()
                tail = None  # asked anew, the backend says what it has
                self._trouble(error)
                with self._changed:
                    if not self._stopped:
                        self._changed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        if tail is not None:
            tail.close()
        _release(self._relay, self._run)

    def _timed(self, act: Any) -> Any:
        self._calling_since = time.monotonic()
        try:
            return act()
        finally:
            self._calling_since = None

    def _step(self, tail: runlog.LogTail) -> None:
        """One batch; or the end of the run; or a moment's rest."""
        closing = self._closing
        records = _without_outcomes(tail.read(_BATCH))
        position = tail.position
        if records:
            self._timed(
                lambda: self._relay.call("legm_write", run=self._run, records=records, position=position)
            )
        moved, self._delivered = self._delivered != position, position
        if moved and position < self._writer.position:
            return
        if closing is not None:
            if position < self._writer.position:
                runlog.read(self._writer.path)  # says where it is damaged
            result, known = closing
            self._timed(
                lambda: self._relay.call("legm_close_run", run=self._run, result=result, records=known)
            )
            with self._changed:
                if self._closing is closing:
                    self._closing = None
                    self._closed_at = position
                self._changed.notify_all()
        with self._changed:
            if self._closing is None and not self._stopped:
                self._changed.wait(_INTERVAL)

    def _trouble(self, error: Exception) -> None:
        with self._changed:
            first = self._troubled_since is None
            if first:
                self._troubled_since = time.monotonic()
            self._changed.notify_all()
        if first:
            log.error("%s. Training goes on; the run log keeps what is owed.", error)

    def _recovered(self) -> None:
        if self._troubled_since is not None:
            log.warning("%s answers again; it gets what is owed", self._relay.name)
            self._troubled_since = None


def _release(relay: Relay, run: Run) -> None:
    try:
        relay.call("legm_release_run", run=run)
    except LegmError as error:
        log.error("%s", error)  # noqa: TRY400


def _without_outcomes(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if not isinstance(record, Outcome)]  # these come with close()


# Later


def catch_up(relay: Relay, logs: LogFolder) -> list[RunResult]:
    """Settle what was left by processes that are gone.

    A run that was completed is delivered whole; one that was not gets the outcome "interrupted". Logs
    that are damaged are reported and left alone.

    Returns:
        the results of the runs that were settled.
    """
    settled = []
    for path in logs.unsettled():
        try:
            result = deliver_log(relay, logs, path)
        except LegmError as error:
            log.error("%s. What is owed of the run stays in %s.", error, path)  # noqa: TRY400
        else:
            settled += [result] if result is not None else []
    return settled


def deliver_elsewhere(relay: Relay, own: Path) -> None:
    """Deliver what earlier runs of this root directory owe to the backend, but for one run."""
    for path in sorted(relay.root.glob(".legm/*/*/runs/open/*.log")):
        if path.name == own.name:
            continue
        try:
            if runlog.read_head(path).places == relay.places:
                deliver_log(relay, LogFolder(path.parents[1]), path)
        except LegmError as error:
            log.warning("%s. What is owed of the run stays in %s.", error, path)


def deliver_log(relay: Relay, logs: LogFolder, path: Path) -> RunResult | None:
    """Deliver the rest of a run whose process is gone, and settle its log.

    Returns:
        its result; None where a living process writes it, or it is not ours to write.

    Raises:
        CorruptFile: the log is damaged.
        LegmError: the backend could not take it; the log stays as it is.
    """
    try:
        writer = runlog.LogWriter(path, create=False)
    except CorruptFile:
        raise
    except StorageError:
        return None
    try:
        return _settle(relay, logs, writer)
    finally:
        writer.close()


def _settle(relay: Relay, logs: LogFolder, writer: runlog.LogWriter) -> RunResult:
    from legm import selection

    known = runlog.read(writer.path)
    if not any(isinstance(record, Outcome) for record in known.records):
        ended = writer.path.stat().st_mtime
        outcome = Outcome(Status.INTERRUPTED, ended, "the process ended without log()")
        writer.append(runlog.record_frame(outcome))
        known.records.append(outcome)
        log.warning("run %s was interrupted; what it holds is kept in %s", known.run.run_id, writer.path)
    result = selection.result(known.run, known.records)
    position = relay.open(known.run)
    try:
        tail = runlog.LogTail(writer.path, known.cursors.get(relay.name, 0) if position is None else position)
        try:
            before = -1
            while tail.position != before:  # a batch may hold no records, only what names their series
                before = tail.position
                given = _without_outcomes(tail.read(_BATCH))
                if given:
                    relay.call("legm_write", run=known.run, records=given, position=tail.position)
        finally:
            tail.close()
        relay.call("legm_close_run", run=known.run, result=result, records=known.records)
        writer.append(runlog.cursors_frame({relay.name: writer.position}))
    finally:
        _release(relay, known.run)
    logs.settle(writer)
    return result
