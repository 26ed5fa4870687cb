"""Delivers one run's records to its backends while the run is running.

A backend on this machine receives records on the recorder's thread as they arrive (:class:`InlineWriter`).
A remote backend, and every mirror, has its own thread for each run (:class:`BackgroundUploader`), which
reads the run log behind the recorder. The log is the queue: a server may hang or be unreachable for any
length of time without slowing the training or using memory. What a backend could not accept is delivered
from the log later, by the same thread or by :mod:`legm.delivery.backlog`.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from legm.core.texts import counted
from legm.delivery.amended_runs import open_amended_run
from legm.delivery.backlog import BATCH, flush_backlog
from legm.delivery.client import BackendClient
from legm.delivery.registry import is_registered_backend
from legm.errors import BackendError, LegmError
from legm.hooks import Capability
from legm.records import Points, Record, Run, RunResult
from legm.runlog import log_frames, log_reader, log_writer
from legm.runlog.log_folder import LogFolder
from legm.util.progress import show_progress_line, show_waiting_progress

__all__ = ["BackgroundUploader", "DeliverySet", "InlineWriter", "begin_delivery"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_CHECK_INTERVAL = 0.2  # seconds between two checks whether a backend is away
_INTERVAL = 1.0  # seconds between two batches of a running run
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two attempts, doubled each time
_GRACE = 3.0  # seconds that log() waits for a backend that fails
_LAST_MOMENT = 0.2  # seconds that release() waits for a backend that is finishing the run


def begin_delivery(
    client: BackendClient,
    run: Run,
    writer: log_writer.LogWriter,
    resumed: log_reader.Log | None = None,
) -> DeliverySet:
    """Begin to deliver a run to the primary backend and its mirrors.

    Args:
        client: of the primary backend.
        run: the run.
        writer: of the run's log.
        resumed: for a resumed run, what is in its log; None for a new run.

    Raises:
        LegmError: a primary backend on this machine could not begin the run.
    """
    known = resumed.cursors if resumed else {}
    earlier = resumed.earlier if resumed else {}
    targets: list[InlineWriter | BackgroundUploader] = []
    if not client.is_remote:
        its = () if client.supports(Capability.FOLDERS) else earlier.get(client.name, ())
        position = open_amended_run(client, run, its, LogFolder.containing(writer.path))
        resumed_at = None if resumed is None else known.get(client.name, 0) if position is None else position
        targets.append(InlineWriter(client, run, writer, resumed_at))
    remote = client.with_mirrors if client.is_remote else client.mirrors
    targets += [
        BackgroundUploader(one, run, writer, known.get(one.name, 0), earlier.get(one.name, ()))
        for one in remote
    ]
    return DeliverySet(client, run, writer, targets)


class DeliverySet:
    """Delivers one run's records to every backend, the primary first.

    Args:
        client: of the primary backend.
        run: the run.
        writer: of the run's log.
        targets: one for each backend.
    """

    def __init__(
        self,
        client: BackendClient,
        run: Run,
        writer: log_writer.LogWriter,
        targets: Sequence[InlineWriter | BackgroundUploader],
    ) -> None:
        self._client = client
        self._run = run
        self._writer = writer
        self.targets = tuple(targets)
        self._reported = ""

    def __call__(self, records: Sequence[Record], position: int) -> Mapping[str, int]:
        """Deliver records that were written to the log.

        Returns:
            the cursors that moved: by backend, the byte up to which it has the run.
        """
        return {name: at for target in self.targets for name, at in target(records, position).items()}

    def wait_until_delivered(self, position: int, timeout: float) -> bool:
        """Wait until every backend has the run up to a position of its log.

        Args:
            position: in bytes.
            timeout: seconds.

        Returns:
            whether they have.
        """
        until = time.monotonic() + timeout
        while any(target.delivered < position for target in self.targets):
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True

    def begin_again(self) -> None:
        """Deliver all of the run again to a backend on this machine, whose folder was moved or deleted.

        Raises:
            LegmError: the backend could not begin the run.
        """
        for target in self.targets:
            if isinstance(target, InlineWriter):
                target.begin_again()

    def close(self, result: RunResult, records: Sequence[Record]) -> bool:
        """Let every backend finish the run, and write to the log which of them did.

        Returns:
            whether all did; the log says what is undelivered to the others.

        Raises:
            LegmError: a primary backend on this machine could not; with ``strict``, any backend could not.
        """
        for target in self.targets:
            target.finish(result, records)
        undelivered = {target.name: target.wait() for target in self.targets}
        done = {target.name: target.delivered for target in self.targets if not undelivered[target.name]}
        if done:
            self._writer.append(log_frames.cursors_frame(done))
        if len(self.targets) > 1:
            self._report("; ".join(f"{name}: {what or 'complete'}" for name, what in undelivered.items()))
        missing = [
            f"{name} has not received all of run {self._run.run_id}: {what}"
            for name, what in undelivered.items()
            if what
        ]
        if missing and self._client.strict:
            raise BackendError("; ".join(missing))
        return not missing

    def _report(self, states: str) -> None:
        """Show what each backend has, once for each change, to a user who did not configure logging too."""
        text = f"delivery of run {self._run.run_id}: {states}"
        if text == self._reported:
            return
        self._reported = text
        if log.isEnabledFor(logging.INFO):
            log.info("%s", text)
        else:
            show_progress_line(text)

    def release(self, logs: LogFolder) -> None:
        """Release every backend, and finalize a run that was delivered after ``log()`` stopped waiting."""
        for target in self.targets:
            target.release()
        if self._writer.path.parent == logs.open_folder and all(target.is_done for target in self.targets):
            logs.finalize_log(self._writer)


class InlineWriter:
    """Delivers one run's records to a backend on this machine, on the recorder's thread.

    Args:
        client: of the backend.
        run: the run.
        writer: of the run's log, from which undelivered records are read again.
        resumed_at: the byte up to which the backend has a resumed run; None for a new run.
    """

    def __init__(
        self,
        client: BackendClient,
        run: Run,
        writer: log_writer.LogWriter,
        resumed_at: int | None = None,
    ) -> None:
        self.name = client.name
        self.delivered = writer.position if resumed_at is None else resumed_at  # what the backend has
        self.is_done = False  # whether the backend has all of the run, and finished it
        self._client = client
        self._run = run
        self._writer = writer
        self._handed_on = writer.position
        self._troubled = False

    def __call__(self, records: Sequence[Record], position: int) -> Mapping[str, int]:
        """Deliver records that were written to the log; an error is logged once, and delivery retried later.

        Returns:
            the cursors: by backend, the byte up to which it has the run.
        """
        self.is_done = False
        try:
            pending = self._undelivered(position) if self.delivered != self._handed_on else records
            self._write(pending, position)
            self._troubled = False
        except LegmError as error:
            if not self._troubled:
                log.error("%s. Training continues; undelivered records stay in the run log.", error)  # noqa: TRY400
            self._troubled = True
        self._handed_on = position
        return {self._client.name: self.delivered}

    def begin_again(self) -> None:
        """Begin the run again; all of it is delivered with the next records, or when it is finished."""
        self._client.release_run(self._run)
        self._client.open_run(self._run)
        self.delivered = 0

    def _undelivered(self, position: int) -> Sequence[Record]:
        """The records that are in the log up to a position, and not in the backend."""
        return log_reader.read_log(self._writer.path, self.delivered, position).records

    def _write(self, records: Sequence[Record], position: int) -> None:
        self._client.write(self._run, records, position)
        self.delivered = position

    def finish(self, result: RunResult, records: Sequence[Record]) -> None:
        """Deliver what is undelivered, and let the backend finish the run.

        Raises:
            LegmError: the backend could not.
        """
        position = self._writer.position
        if self.delivered != self._handed_on:
            self._handed_on = position
            self._write(self._undelivered(position), position)
        self.delivered = self._handed_on = position
        self._client.close_run(result, records)
        self.is_done = True

    def wait(self) -> str:
        """Return "": a finished inline delivery is complete."""
        return ""

    def release(self) -> None:
        """Release the backend: nothing more is written."""
        self._client.release_run(self._run)


class BackgroundUploader:
    """Delivers one run's records to a remote backend from the run log, on its own thread.

    Args:
        client: of the backend.
        run: the run.
        writer: of the run's log; others write to it.
        delivered: the byte up to which the backend has the run, unless it says otherwise.
        earlier: the run as the backend may have it from before it was amended.
    """

    def __init__(
        self,
        client: BackendClient,
        run: Run,
        writer: log_writer.LogWriter,
        delivered: int = 0,
        earlier: Sequence[Run] = (),
    ) -> None:
        self.name = client.name
        self.delivered = delivered  # the byte up to which the backend has the run
        self._client = client
        self._run = run
        self._earlier = earlier
        self._writer = writer
        self._changed = threading.Condition()
        self._logged_up_to = 0
        self._reported = 0  # the cursor that was last returned for the log
        self._closing: tuple[RunResult, Sequence[Record]] | None = None
        self._closed_at = -1  # the position when the backend finished the run; -1 while it has not
        self._breaker = client.breaker
        self._failing_since: float | None = None
        self._was_opened = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"legm-{client.name}", daemon=True)
        self._thread.start()

    # The run's side

    def __call__(self, records: Sequence[Record], position: int) -> Mapping[str, int]:  # noqa: ARG002
        """Note that the log has grown, without waiting.

        Returns:
            the cursor, where it moved: by backend, the byte up to which it has the run.
        """
        self._logged_up_to = position
        if self.delivered == self._reported:
            return {}
        self._reported = self.delivered
        return {self._client.name: self._reported}

    def finish(self, result: RunResult, records: Sequence[Record]) -> None:
        """Ask the thread to finish the run; :meth:`wait` waits for it."""
        with self._changed:
            self._closing = result, records
            self._changed.notify_all()

    def wait(self) -> str:
        """Wait until the backend has all of the run and finished it, unless there seems to be an outage.

        Returns:
            a description of what is undelivered; "" where nothing is. Delivery continues as long as this
            process lives.
        """
        with self._changed, show_waiting_progress(f"sending the run to {self.name}"):
            while self._closing is not None and not self._is_away():
                self._changed.wait(_CHECK_INTERVAL)
            if self._closing is None:
                return ""
        count = sum(
            len(record)
            for record in log_reader.read_log(self._writer.path, self.delivered).records
            if isinstance(record, Points)
        )
        undelivered = (
            f"{counted(count, 'value is', 'values are')} undelivered"
            if count
            else "the end of the run is undelivered"
        )
        by_others = f": legm sync {self._client.root}"
        log.warning(
            "%s has not received all of run %s yet: %s. The undelivered part stays in the run log, and is "
            "delivered when the backend answers again, or by%s",
            self.name,
            self._run.run_id,
            undelivered,
            by_others if is_registered_backend(self._client.backend) else " the next run with this backend",
        )
        return undelivered

    @property
    def is_done(self) -> bool:
        """Whether the backend has all of the run, and finished it."""
        return self._closing is None and self._closed_at >= self._logged_up_to

    def _is_away(self) -> bool:
        """Whether waiting is of no use: the backend does not answer, or has been failing for a while.

        What an earlier run has found out counts too, once this run has tried.
        """
        if self._breaker.is_open or not self._thread.is_alive():
            return True
        known = [self._failing_since, self._breaker.failing_since]
        since = min((one for one in known if one is not None), default=math.inf)
        return self._failing_since is not None and time.monotonic() - since > _GRACE

    def release(self) -> None:
        """Stop the thread; what is undelivered is delivered later."""
        with self._changed:
            self._stopped.set()
            self._changed.notify_all()
        # The backend may be finishing the run. A dropped run may be released in that very thread.
        if self._closing is not None and self._thread is not threading.current_thread():
            self._thread.join(_LAST_MOMENT)

    # The thread's side

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        tail: log_reader.LogTail | None = None
        while not self._stopped.is_set():
            try:
                if tail is None:
                    since = self._watched(self._open)
                    self.delivered = self.delivered if since is None else since
                    tail = log_reader.LogTail(self._writer.path, self.delivered)
                    flush_backlog(self._client, self._writer.path)
                if not self._step(tail):
                    tail.close()
                    tail = None
                pause = _FIRST_PAUSE
            except BaseException as error:  # noqa: BLE001 - the thread keeps running, and the error is logged
                if tail is not None:
                    tail.close()
                tail = None  # opening the run again returns what the backend has
                if self._stopped.is_set():
                    break
                self._trouble(error)
                with self._changed:
                    if not self._stopped.is_set():
                        self._changed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        if tail is not None:
            tail.close()
        if self._was_opened and not self._breaker.is_open:
            with self._breaker.watch():
                self._client.release_run(self._run)

    def _open(self) -> int | None:
        self._was_opened = True
        logs = LogFolder.containing(self._writer.path)
        position = open_amended_run(self._client, self._run, self._earlier, logs, make_folder=True)
        self._earlier = ()
        return position

    def _watched(self, act: Callable[[], T]) -> T:
        """Call the backend, once it may be called.

        Raises:
            BackendError: delivery was stopped before.
        """
        if not self._breaker.wait_until_usable(self._stopped.is_set):
            raise BackendError(f"delivery to {self.name} was stopped")
        with self._breaker.watch():
            return act()

    def _step(self, tail: log_reader.LogTail) -> bool:
        """Deliver one batch, or finish the run, or wait for more.

        Returns:
            whether to continue; false where a finished run has more, so that it must be opened again.
        """
        closing = self._closing
        records = tail.read(BATCH)
        if records and self._closed_at >= 0:
            self._closed_at = -1
            return False
        position = tail.position
        self._watched(lambda: self._client.write(self._run, records, position))
        if closing is None:  # otherwise it has recovered only after finishing the run
            self._recovered()
        moved, self.delivered = self.delivered != position, position
        if moved and position < self._writer.position:
            return True
        if closing is not None:
            if position < self._writer.position:
                log_reader.read_log(self._writer.path)  # raises an error that says where it is damaged
            result, known = closing
            self._watched(lambda: self._client.close_run(result, known))
            self._recovered()
            with self._changed:
                if self._closing is closing:
                    self._closing = None
                    self._closed_at = position
                self._changed.notify_all()
        with self._changed:
            if self._closing is None and not self._stopped.is_set():
                self._changed.wait(_INTERVAL)
        return True

    def _trouble(self, error: BaseException) -> None:
        now = time.monotonic()
        with self._changed:
            first = self._failing_since is None
            if first:
                self._failing_since = now
            if self._breaker.failing_since is None:
                self._breaker.failing_since = now
            self._changed.notify_all()
        if first:
            log.error("%s. Training continues; undelivered records stay in the run log.", error)

    def _recovered(self) -> None:
        self._breaker.failing_since = None
        if self._failing_since is not None:
            log.warning("%s answers again; delivering the backlog", self._client.name)
            self._failing_since = None
