"""One run's records on their way to a backend while the run goes on.

A backend of this machine gets records on the recorder's thread as they come (:class:`Delivery`). A
remote one has a thread of its own for each run (:class:`Courier`), which reads the run log behind the
recorder: the log is the queue, so that a server may hang or be away for as long as it likes without
costing the training a moment or a byte of memory. Whatever a backend could not take it gets from the
log later: by itself, or by what is in :mod:`legm.owed`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from legm import runlog
from legm.errors import LegmError
from legm.logs import LogFolder
from legm.owed import BATCH, deliver_elsewhere
from legm.progress import waiting
from legm.records import Points, Record, Run, RunResult
from legm.relay import Relay

__all__ = ["Courier", "Delivery", "begin"]

log = logging.getLogger(__name__)

_INTERVAL = 1.0  # seconds between two batches of a run that goes on
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries, doubled each time
_GRACE = 3.0  # seconds that log() waits for a backend that is in trouble
_LONGEST_CALL = 60.0  # seconds without an answer after which a backend is in trouble


def begin(relay: Relay, run: Run, writer: runlog.LogWriter) -> Delivery | Courier:
    """Begin to deliver a new run.

    Raises:
        LegmError: a backend of this machine could not begin it.
    """
    if relay.is_remote:
        return Courier(relay, run, writer)
    relay.open(run)
    return Delivery(relay, run, writer, writer.position)


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
        return runlog.read(self._writer.path, self._delivered, position).records

    def _write(self, records: Sequence[Record], position: int) -> None:
        self._relay.write(self._run, records, position)
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
        self._relay.release(self._run)


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
        self._closed_at = -1  # the position when the backend finished the run; -1 while it has not
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
            "%s has not all of run %s yet: %s owed. What is owed is kept in the run log, and is "
            "delivered when it answers again, at the latest by: legm sync %s",
            self._relay.name,
            self._run.run_id,
            f"{owed} values are" if owed else "its end is",
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
                    deliver_elsewhere(self._relay, self._writer.path)
                if not self._step(tail):
                    tail.close()
                    tail = None
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
        self._relay.release(self._run)

    def _timed(self, act: Any) -> Any:
        self._calling_since = time.monotonic()
        try:
            return act()
        finally:
            self._calling_since = None

    def _step(self, tail: runlog.LogTail) -> bool:
        """One batch; or the end of the run; or a moment's rest.

        Returns:
            whether to go on; false where the run was finished and has more: it is opened again.
        """
        closing = self._closing
        records = tail.read(BATCH)
        if records and self._closed_at >= 0:
            self._closed_at = -1
            return False
        position = tail.position
        self._timed(lambda: self._relay.write(self._run, records, position))
        if closing is None:  # otherwise it is well when it has finished the run
            self._recovered()
        moved, self._delivered = self._delivered != position, position
        if moved and position < self._writer.position:
            return True
        if closing is not None:
            if position < self._writer.position:
                runlog.read(self._writer.path)  # says where it is damaged
            result, known = closing
            self._timed(
                lambda: self._relay.call("legm_close_run", run=self._run, result=result, records=known)
            )
            self._recovered()
            with self._changed:
                if self._closing is closing:
                    self._closing = None
                    self._closed_at = position
                self._changed.notify_all()
        with self._changed:
            if self._closing is None and not self._stopped:
                self._changed.wait(_INTERVAL)
        return True

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
