"""Records metrics without delaying the training, and writes them to the run log soon after.

A call only appends one row to a list, which is atomic and takes no lock: a signal handler, a finalizer or a
warning hook may interrupt any call and record something itself. The recorder's own thread wakes up a few
times per second, writes the new numbers to the run log as one frame, and passes the same records on for
delivery.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from legm.core.naming import check_name
from legm.core.origins import CHANGES_FILE
from legm.core.record_sequences import LazyRecords
from legm.core.rewinding import rewind_behind
from legm.errors import LegmError, MetricError, StateError, closest
from legm.records import Artifact, BestRule, EnvironmentUpdate, Outcome, Points, Record, Rewind, Series, Split
from legm.runlog.log_frames import OtherRecord, cursors_frame, record_frame
from legm.runlog.log_reader import Log
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.log_writer import LogWriter
from legm.runlog.recorded_values import (
    EXACT,
    flatten_recorded_metrics,
    recorded_rounding_problem,
    to_recorded_step,
    to_recorded_value,
)
from legm.runlog.row_encoder import RecordedLayout, RowEncoder
from legm.util.locks import ReentrySafeLock

__all__ = ["Recorder"]

log = logging.getLogger(__name__)

_FLUSH_INTERVAL = 0.33  # seconds between flushes: nobody loses, or waits for, much more than that
_WAKE_THRESHOLD = 100_000  # rows after which the recorder's thread is woken early
_PLAIN_STEP_TYPES = frozenset((int, type(None)))  # the types of steps that need no conversion

_current_pid = os.getpid()  # asking the system each time would take a tenth of add_metrics()


def _update_recorder_pid() -> None:
    global _current_pid  # noqa: PLW0603 - it is the process's
    _current_pid = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_update_recorder_pid)


@dataclass(slots=True)
class _Batch:
    """What is written to the log at once.

    Args:
        frames: what is written.
        records: the same as records, for delivery.
        values: the number of values among them.
        end: the log's position once it is written; None before the first attempt.
    """

    frames: bytes
    records: list[Record]
    values: int
    end: int | None = None


class RecordSource(Protocol):
    """Makes records behind the calls that asked for them, and adds them to the recorder."""

    def drain(self) -> None:
        """Add everything that was asked for before."""

    def close(self) -> None:
        """Add what is left, and report what cannot be."""


class Recorder:
    """Collects a run's records, writes them to its log, and passes them on for delivery.

    It may be used from any thread, and from a signal handler, a finalizer or a warning hook. After a fork,
    calls in the child raise an error: a log has one writer.

    Args:
        writer: the run's log, which already holds the run's frame.
        deliver: called on the recorder's thread with new records and the log's position after them. It
            returns the cursors by backend, which are written before the next records, and must not raise.
        earlier: what the log holds of a run that is resumed; None for a new run.
    """

    def __init__(
        self,
        writer: LogWriter,
        deliver: Callable[[Sequence[Record], int], Mapping[str, int]],
        earlier: Log | None = None,
    ) -> None:
        self._writer = writer
        self._has_content = False
        self._deliver = deliver
        self._log_lock = ReentrySafeLock()  # guards the log, the delivery, and what is encoded
        self._starting = threading.RLock()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() may interrupt itself
        self._is_woken = False
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pid = _current_pid
        self._plain_types: set[type] = {float, bool}
        self._number_types: set[type] = {float, bool, int}  # and those that a float represents up to a limit
        self._has_narrow_floats = False  # whether NumPy's of less than 64 bits are among them
        self._rounded: set[str] = set()  # metrics for which that limit was reported
        self._by_names: tuple[dict[tuple[str, ...], RecordedLayout], ...] = ({}, {})  # dev, test
        self._by_series: dict[tuple[Series, ...], RecordedLayout] = {}
        self._keys = itertools.count()
        self._indexed: dict[tuple[str, Split], bool] = {}
        self._added: list[bytes | Record] = []  # rows as bytes, and other records
        self._rows = RowEncoder(self._layout_of)
        self._unwritten: deque[_Batch] = deque()
        self._cursors: Mapping[str, int] = {}
        self._troubled = False
        self._is_moved = False
        self._expected_metric: str | None = None
        self.is_finished = False
        """Whether the run was ended, and no value was written since; whoever ends it sets this."""
        self.outcome_if_unfinished: Outcome | None = None
        """Written by :meth:`close` unless the run is finished."""
        self.source: RecordSource | None = None
        """Makes records on another thread; drained before the recorder pauses, closed before it closes."""
        self.before_next_write: Callable[[], None] | None = None
        """Called once, before the next frame is written; None for nothing."""
        self.points = 0
        """The number of values that were written."""
        if earlier is not None:
            self._continue_after(earlier)

    def _continue_after(self, earlier: Log) -> None:
        self._rows.continue_after(earlier.records, earlier.layouts)
        for record in earlier.records:
            if isinstance(record, Points):
                for series in record.layouts:
                    self._note_kinds(series)
            elif isinstance(record, BestRule):
                self._expected_metric = record.metric

    # The caller's side

    def add_metrics(self, metrics: Mapping[str, Any], step: Any, *, test: bool) -> None:
        """Add one value for each metric.

        Args:
            metrics: values by metric; ``{index: {metric: value}}`` for indexed metrics.
            step: the step; None for the number of earlier values of each metric.
            test: whether they belong to the test split.

        Raises:
            MetricError: a name, a value or the step is invalid; nothing was added.
            StateError: the run is closed, or this is a forked process.
        """
        names = tuple(metrics)
        layout = self._by_names[test].get(names)
        numbers: Any = metrics.values()
        if (
            layout is None
            or type(step) not in _PLAIN_STEP_TYPES
            or not self._plain_types.issuperset(map(type, numbers))
        ):
            if step is not None:
                step = to_recorded_step(names[0] if names else "", step)
            self.require_own_process()
            if not names:
                return
            if layout is None or not self._are_exact(numbers):
                layout, numbers = self._slow(metrics, test=test)
        if self._thread is None or _current_pid != self._pid:
            self._start_thread()
        try:
            row = layout.pack(
                layout.positioned if step is None else layout.stepped, step or 0, time.time(), *numbers
            )
        except (OverflowError, struct.error) as cause:
            raise MetricError(f"a value or the step {step!r} of {names} is too large for 64 bits") from cause
        self._added.append(row)
        if len(self._added) > _WAKE_THRESHOLD and not self._is_woken:
            self._is_woken = True
            self._wake.put(None)

    def _are_exact(self, values: Collection[Any]) -> bool:
        """Whether doubles hold these values as they are; false also for some that they would."""
        if not self._number_types.issuperset(map(type, values)):
            return False
        if (
            self._has_narrow_floats
        ):  # NumPy would compare a larger value in that type, and warn of an overflow
            values = [one if isinstance(one, int) else float(one) for one in values]
        return min(values, default=0) > -EXACT and max(values, default=0) < EXACT

    def _slow(self, metrics: Mapping[str, Any], *, test: bool) -> tuple[RecordedLayout, list[float]]:
        """The layout and values of metrics that are new, indexed, or not plain Python numbers."""
        split = Split.TEST if test else Split.DEV
        items = list(flatten_recorded_metrics(metrics))
        values = []
        for name, _, value in items:
            check_name("metric", name, MetricError)
            values.append(to_recorded_value(name, value))
            if abs(values[-1]) >= EXACT:
                self._report_rounding(name, value, values[-1])
            if type(value).__module__ == "numpy" and not hasattr(value, "__len__"):  # a NumPy scalar
                self._number_types.add(type(value))
                self._has_narrow_floats |= value.dtype.kind == "f" and value.dtype.itemsize < 8
                if not (value.dtype.kind in "iu" and value.dtype.itemsize == 8):
                    self._plain_types.add(type(value))
        series = tuple(Series(name, split, index) for name, index, _ in items)
        self._note_kinds(series)
        layout = self._layout_of(series)
        if all(s.index is None for s in series):
            self._by_names[test][layout.names] = layout
        return layout, values

    def _report_rounding(self, name: str, value: Any, number: float) -> None:
        """Warn, once for each metric, that a whole number is too large for a 64-bit float."""
        problem = recorded_rounding_problem(name, value, number)
        if problem and name not in self._rounded:
            self._rounded.add(name)
            log.warning(problem)

    def _note_kinds(self, series: Sequence[Series]) -> None:
        """Note for each metric whether it is indexed.

        Raises:
            MetricError: a metric is both indexed and not; nothing was noted.
        """
        kinds: dict[tuple[str, Split], bool] = {}
        for new in series:
            indexed, key = new.index is not None, (new.name, new.split)
            if self._indexed.get(key, kinds.setdefault(key, indexed)) != indexed:
                was, now = ("one number", "indexed numbers") if indexed else ("indexed numbers", "one number")
                raise MetricError(
                    f"metric {new.name!r} was set as {was} and cannot also be {now}: rename one"
                )
        self._indexed.update(kinds)

    def _layout_of(self, series: tuple[Series, ...]) -> RecordedLayout:
        layout = self._by_series.get(series)
        if layout is None:
            if len(set(series)) < len(series):
                raise MetricError(f"a metric is set twice in one call: {[str(s) for s in series]}")
            new = RecordedLayout(next(self._keys), series)
            self._rows.layouts[new.key] = new
            layout = self._by_series.setdefault(series, new)  # another thread may have been first
        return layout

    @property
    def is_empty(self) -> bool:
        """Whether the user added nothing yet."""
        return not self._has_content and all(map(_is_recorded_provenance, self._added[:]))

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be added."""
        return self._closed

    def add_record(self, record: OtherRecord) -> None:
        """Add a record other than points."""
        if self._thread is None or _current_pid != self._pid:
            self._start_thread()
        self._added.append(record)

    def add_records(self, records: Sequence[Record]) -> None:
        """Add existing records, with their own steps and times."""
        self._start_thread()
        for record in records:
            if isinstance(record, Points):
                for series in record.layouts:
                    self._note_kinds(series)
        self._added += records

    def _start_thread(self) -> None:
        if self._closed:
            raise StateError("this run is closed: start a new one with reset(), or make another handler")
        self.require_own_process()
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="legm-recorder", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter is shutting down: close() writes what is left
                    self._thread = None

    def expect_metric(self, name: str) -> None:
        """Note that a dev metric chooses the best step; where there is none at the next step, that is logged.

        Raises:
            MetricError: other dev metrics were set, but not this one.
        """
        known = self._plain_dev_metrics()
        if known and name not in known:
            raise MetricError(f"set_best() got metric={name!r}, which was never set; {closest(name, known)}")
        self._expected_metric = name

    def _plain_dev_metrics(self) -> list[str]:
        indexed = self._indexed.copy().items()
        return [name for (name, split), is_indexed in indexed if split is Split.DEV and not is_indexed]

    def _report_missing_metric(self) -> None:
        """Warn, once, where the metric that chooses the best step was not set at the first one."""
        known, name = self._plain_dev_metrics(), self._expected_metric
        if name is None or name in known:
            self._expected_metric = None
        elif self._rows.most_values > 1:
            self._expected_metric = None
            log.warning(
                "set_best() got metric=%r, which was not set at the first step. If it is never set, the last "
                "step is the best one; %s",
                name,
                closest(name, known),
            )

    @property
    def last_step(self) -> int | None:
        """The largest dev step that was set; None before the first dev value."""
        if not self.is_interrupted:
            with self._log_lock.held():
                self._take()
        return self._rows.last_step

    def rewind(self, step: int) -> None:
        """Void the dev values and displays at later steps; what is set from now on counts.

        Raises:
            StateError: this is a forked process, or it interrupts the writing of the same thread.
            StorageError: the log cannot be read or written.
        """
        with self.paused() as writer:
            earlier = read_log_in_pieces(writer.path).records
            rewind = rewind_behind(earlier, step, time.time())
            known = LazyRecords.chained(earlier, [rewind])
            self._unwritten.append(_Batch(record_frame(rewind), [rewind], 0))
            self._has_content = True
            self._rows.continue_after(known)
            self._write_unwritten()

    @property
    def last_time(self) -> float:
        """When the last value was set (s since 1970); 0 before the first."""
        for row in reversed(self._added):
            if isinstance(row, bytes):
                return float(struct.unpack_from("<d", row, 16)[0])
        return self._rows.last_time

    @property
    def path(self) -> Path:
        """The log's path now."""
        return self._writer.path

    @property
    def is_own_process(self) -> bool:
        """Whether this is the process that started the run."""
        return _current_pid == self._pid

    def require_own_process(self) -> None:
        """Check that this is the process that started the run.

        Raises:
            StateError: this is a forked child of it.
        """
        if _current_pid != self._pid:
            raise StateError(
                "this run belongs to the parent process: log from there, or start another run in this process"
            )

    # The writer's side

    @property
    def is_interrupted(self) -> bool:
        """Whether this interrupts the writing of the same thread, as a signal handler or a finalizer may."""
        return self._log_lock.is_held_here

    def postpone(self, call: Callable[[], object]) -> None:
        """Call something when the writing that this interrupts has ended."""
        self._log_lock.postpone(call)

    def _work(self) -> None:
        while self._thread is threading.current_thread():
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=_FLUSH_INTERVAL)
            self._is_woken = False
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - training continues, and the error is reported
                if not self._troubled:
                    own = isinstance(error, LegmError)
                    what = error if own else f"the run log cannot be written: {error!r}"
                    log.error("%s. Training continues; values stay in memory until writing works.", what)  # noqa: TRY400
                self._troubled = True

    def flush(self) -> int:
        """Write all new records to the log and pass them on for delivery.

        Where this interrupts the writing of the same thread, which continues afterwards and writes them.

        Returns:
            the log's position, in bytes.

        Raises:
            StorageError: the log cannot be written; the records are kept for the next flush.
        """
        if self.is_interrupted:
            self.postpone(self.flush)
            return self._writer.position
        with self._log_lock.held():
            self._write()
            self._report_moved_log()
            return self._writer.position

    def _report_moved_log(self) -> None:
        """Report, once, that the log's folder was moved or deleted during the run."""
        is_moved = not self._writer.is_at_its_path
        if is_moved and not self._is_moved:
            log.error(
                "%s no longer exists: its folder was moved or deleted during the run. Its values are kept; "
                "log() stores the run where the configuration's folder is by then.",
                self._writer.path,
            )
        self._is_moved = is_moved

    def _write(self) -> None:
        self._take()
        self._write_unwritten()

    def _write_unwritten(self) -> None:
        if self._unwritten and self.before_next_write is not None:
            self.before_next_write()
            self.before_next_write = None
        while self._unwritten:
            batch = self._unwritten[0]
            if batch.end is None or batch.end != self._writer.position:  # else it was interrupted after this
                cursors = cursors_frame(self._cursors) if self._cursors else b""
                batch.end = self._writer.position + len(cursors) + len(batch.frames)
                self._writer.append(cursors, batch.frames)
            self._unwritten.popleft()
            self._recovered()
            self.points += batch.values
            if batch.values or any(isinstance(record, (BestRule, Rewind)) for record in batch.records):
                self.is_finished = False
            self._cursors = self._deliver(batch.records, batch.end)

    def _take(self) -> None:
        """Make a batch of what was added; where that fails, all of it stays where it is."""
        added = self._added[:]
        if not added:
            return
        others = [one for one in added if not isinstance(one, bytes)]
        rows = [one for one in added if isinstance(one, bytes)]
        encoded = self._rows.encode(rows, others)
        self._has_content = self._has_content or not all(map(_is_recorded_provenance, added))
        before = len(self._unwritten)
        try:
            self._unwritten.append(_Batch(b"".join(encoded.frames), encoded.records, encoded.values))
            del self._added[: len(added)]
        except BaseException:
            if self._added and self._added[0] is added[0]:  # it was not taken
                while len(self._unwritten) > before:
                    self._unwritten.pop()
                self._rows.undo(encoded)
            raise
        if self._expected_metric is not None:
            self._report_missing_metric()

    def _recovered(self) -> None:
        if self._troubled:
            log.warning("the run log %s can be written again; nothing was lost", self._writer.path)
            self._troubled = False

    @contextlib.contextmanager
    def paused(self) -> Iterator[LogWriter]:
        """Write everything to the log and stop the thread; a later call starts it again.

        Yields:
            the writer of the log, which no other thread uses meanwhile.

        Raises:
            StateError: this is a forked process, or this interrupts the writing of the same thread.
            StorageError: the log cannot be written.
        """
        self.require_own_process()
        if self.is_interrupted:
            raise StateError("the run log is being written by the code that was interrupted")
        if self.source is not None:
            self.source.drain()
        self._stop_thread()
        with self._log_lock.held():
            self._write()
            self._cursors = {}
            yield self._writer

    def _stop_thread(self) -> None:
        """Let the thread end by itself: waiting for it would not end if it waits for this one."""
        self._thread = None
        self._wake.put(None)

    def close(self) -> None:
        """Write what is left and close the log; closing twice does nothing."""
        if self._closed or _current_pid != self._pid:
            return
        if self.is_interrupted:
            self.postpone(self.close)
            return
        if self.source is not None:
            self.source.close()
        self._closed = True
        self._stop_thread()
        with self._log_lock.held():
            try:
                self._write()
                if self.outcome_if_unfinished is not None and not self.is_finished:
                    self._writer.append(record_frame(self.outcome_if_unfinished))
            except LegmError as error:
                log.error("%s. Values that were set since the last successful write are lost.", error)  # noqa: TRY400
            finally:
                self._added.clear()
                self._unwritten.clear()
                self._writer.close()


def _is_recorded_provenance(added: bytes | Record) -> bool:
    """Whether something that was added only says where the run comes from, which legm finds out by itself."""
    if isinstance(added, Artifact):
        return added.name.startswith(CHANGES_FILE.partition(".")[0])
    return isinstance(added, EnvironmentUpdate)
