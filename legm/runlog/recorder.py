"""Records metrics without delaying the training, and writes them to the run log soon after.

The training thread only appends to arrays. The recorder's own thread wakes up a few times per second, writes
the new numbers to the run log as one frame, and passes the same records on for delivery.
"""

from __future__ import annotations

import logging
import math
import operator
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from legm.core.identity import check_name
from legm.errors import LegmError, MetricError, StateError
from legm.records import Artifact, BestRule, Display, Outcome, Points, Record, Series, Split
from legm.runlog.log_frames import cursors_frame, layout_frame, points_frame, record_frame
from legm.runlog.log_writer import LogWriter

__all__ = ["EXACT", "Recorder", "to_recorded_value"]

log = logging.getLogger(__name__)

_FLUSH_INTERVAL = 0.25  # seconds between flushes
_WAKE_THRESHOLD = 200_000  # values after which the recorder's thread is woken early
_VALUES_PER_FRAME = 10_000  # values in one frame, except for a wider row
_PLAIN_STEP_TYPES = frozenset((int, type(None)))  # the types of steps that need no conversion
_INT64 = range(-(2**63), 2**63)
EXACT = 2**53
"""Up to here a 64-bit float represents every whole number."""

_current_pid = os.getpid()  # asking the system each time would take a tenth of add_metrics()


def _update_recorder_pid() -> None:
    global _current_pid  # noqa: PLW0603 - it is the process's
    _current_pid = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_update_recorder_pid)


def to_recorded_value(name: str, value: Any) -> float:
    """A metric's value as a float.

    Args:
        name: the metric's name, for the error message.
        value: a Python or NumPy number, or an array or tensor with one element; a masked one is NaN.

    Raises:
        MetricError: it is not a single number.
    """
    try:
        if hasattr(value, "item"):
            value = math.nan if _is_masked(value) else value.item()
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError("text is not a number")
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as cause:
        shown = repr(value)
        raise MetricError(
            f"metric {name!r} must be a single number, not {shown[:80]} of type {type(value).__qualname__}"
        ) from cause


def _is_masked(value: Any) -> bool:
    """Whether a value is a masked array of NumPy with one element, which is masked."""
    masked: Any = sys.modules.get("numpy.ma")
    if masked is None or not isinstance(value, masked.MaskedArray):
        return False
    return value.size == 1 and bool(masked.getmaskarray(value).all())


def to_recorded_step(name: str, step: Any) -> int:
    """A step as a 64-bit integer.

    Args:
        name: the metric's name, for the error message.
        step: a Python or NumPy number, or an array or tensor with one element.

    Raises:
        MetricError: it is not a whole number, or is too large.
    """
    try:
        value = step.item() if hasattr(step, "item") else step
        whole = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise MetricError(f"the step of {name!r} must be a whole number, not {step!r}") from cause
    if whole not in _INT64:
        raise MetricError(f"the step of {name!r} must fit into 64 bits, {step!r} does not")
    return whole


class _RecordedLayout:
    """Series that are set together, and the number of their rows so far."""

    __slots__ = ("names", "number", "rows", "series", "shared")

    def __init__(self, number: int, series: tuple[Series, ...], *, shared: bool) -> None:
        self.number = number
        self.series = series
        self.names = tuple(s.name for s in series)
        self.rows = 0
        # Whether a series is in another layout too: rows is then not the number of the series' values.
        self.shared = shared


class Recorder:
    """Collects a run's records, writes them to its log, and passes them on for delivery.

    It may be used from any thread. After a fork, calls in the child raise an error: a log has one writer.

    Args:
        writer: the run's log, which already holds the run's frame.
        deliver: called on the recorder's thread with new records and the log's position after them. It
            returns the cursors by backend, which are written before the next records, and must not raise.
    """

    def __init__(
        self, writer: LogWriter, deliver: Callable[[Sequence[Record], int], Mapping[str, int]]
    ) -> None:
        self._writer = writer
        self._begun = writer.position
        self._deliver = deliver
        self._lock = threading.Lock()  # guards what was added since the last flush
        self._writing = threading.Lock()  # guards the log and the delivery
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pid = _current_pid
        self._plain_types: set[type] = {float, bool}
        self._number_types: set[type] = {float, bool, int}  # and those that a float represents up to a limit
        self._rounded: set[str] = set()  # metrics for which that limit was reported
        self._layouts: list[_RecordedLayout] = []
        self._by_names: tuple[dict[tuple[str, ...], _RecordedLayout], ...] = ({}, {})  # dev, test
        self._by_series: dict[tuple[Series, ...], _RecordedLayout] = {}
        self._members: dict[Series, list[_RecordedLayout]] = {}
        self._indexed: dict[tuple[str, Split], bool] = {}
        self._known_layouts = 0  # how many of them are in the log
        self._others: list[BestRule | Display | Artifact | Outcome] = []
        self._empty()
        self._unwritten: list[tuple[bytes, list[Record]]] = []
        self._cursors: Mapping[str, int] = {}
        self._troubled = False
        self.before_next_write: Callable[[], None] | None = None
        """Called once, before the next frame is written; None for nothing."""
        self.points = 0
        """The number of values that were written."""

    def _empty(self) -> None:
        self._layout, self._steps = array("I"), array("q")
        self._times, self._values = array("d"), array("d")

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
            self.require_own_process()  # before the lock, which the parent may have held when it forked
            if layout is None or not self._are_exact(numbers):
                layout, numbers = self._slow(metrics, test=test)
        if self._thread is None or _current_pid != self._pid:
            self._start_thread()
        with self._lock:
            rows, before = len(self._layout), len(self._values)
            try:
                if step is None and layout.shared:
                    self._set_at_positions(layout, list(map(float, numbers)))
                else:
                    self._values.extend(numbers)
                    self._steps.append(layout.rows if step is None else step)
                    self._times.append(time.time())
                    self._layout.append(layout.number)
                    layout.rows += 1
            except BaseException as cause:  # including an interrupt by the user: a row is added atomically
                for column in (self._layout, self._steps, self._times):
                    del column[rows:]
                del self._values[before:]
                if isinstance(cause, OverflowError):
                    raise MetricError(
                        f"a value or the step {step!r} of {names} is too large for 64 bits"
                    ) from cause
                raise
            if before > _WAKE_THRESHOLD and not self._wake.is_set():
                self._wake.set()

    def _are_exact(self, values: Collection[Any]) -> bool:
        """Whether an array of doubles holds these values as they are; false also for some that it would."""
        if not self._number_types.issuperset(map(type, values)):
            return False
        return min(values, default=0) >= -EXACT and max(values, default=0) <= EXACT

    def _set_at_positions(self, layout: _RecordedLayout, numbers: list[float]) -> None:
        """Add a row whose series may have different numbers of earlier values."""
        now = time.time()
        singles = [self._layout_of((series,)) for series in layout.series]
        for single, number in zip(singles, numbers, strict=True):
            self._steps.append(sum(member.rows for member in self._members[single.series[0]]))
            self._values.append(number)
            self._times.append(now)
            self._layout.append(single.number)
        for single in singles:
            single.rows += 1

    def _slow(self, metrics: Mapping[str, Any], *, test: bool) -> tuple[_RecordedLayout, list[float]]:
        """The layout and values of metrics that are new, indexed, or not plain Python numbers."""
        split = Split.TEST if test else Split.DEV
        items = list(_flatten_recorded_metrics(metrics))
        values = []
        for name, _, value in items:
            check_name("metric", name, MetricError)
            values.append(to_recorded_value(name, value))
            if abs(values[-1]) >= EXACT:
                self._report_rounding(name, value, values[-1])
            if type(value).__module__ == "numpy" and not hasattr(value, "__len__"):  # a NumPy scalar
                self._number_types.add(type(value))
                if not (value.dtype.kind in "iu" and value.dtype.itemsize == 8):
                    self._plain_types.add(type(value))
        series = tuple(Series(name, split, index) for name, index, _ in items)
        with self._lock:
            kinds = self._kinds(series)
            layout = self._layout_of(series)
            self._indexed.update(kinds)
            if all(s.index is None for s in series):
                self._by_names[test][layout.names] = layout
        return layout, values

    def _report_rounding(self, name: str, value: Any, number: float) -> None:
        """Warn, once for each metric, that a whole number is too large for a 64-bit float."""
        exact = value.item() if hasattr(value, "item") else value
        if isinstance(exact, int) and exact != number and name not in self._rounded:
            self._rounded.add(name)
            log.warning(
                "metric %r: %d is recorded as %d, since 64-bit floats do not represent every whole number "
                "beyond 2**53. Record it in a larger unit, such as thousands.",
                name,
                exact,
                int(number),
            )

    def _kinds(self, series: tuple[Series, ...]) -> dict[tuple[str, Split], bool]:
        """Whether each metric is indexed.

        Raises:
            MetricError: a metric is both indexed and not.
        """
        kinds: dict[tuple[str, Split], bool] = {}
        for new in series:
            indexed, key = new.index is not None, (new.name, new.split)
            if self._indexed.get(key, kinds.setdefault(key, indexed)) != indexed:
                was, now = ("one number", "indexed numbers") if indexed else ("indexed numbers", "one number")
                raise MetricError(
                    f"metric {new.name!r} was set as {was} and cannot also be {now}: rename one"
                )
        return kinds

    def _layout_of(self, series: tuple[Series, ...]) -> _RecordedLayout:
        layout = self._by_series.get(series)
        if layout is None:
            if len(set(series)) < len(series):
                raise MetricError(f"a metric is set twice in one call: {[str(s) for s in series]}")
            others = {id(member): member for s in series for member in self._members.get(s, ())}
            for other in others.values():
                other.shared = True
            layout = _RecordedLayout(len(self._layouts), series, shared=bool(others))
            self._layouts.append(layout)
            self._by_series[series] = layout
            for s in series:
                self._members.setdefault(s, []).append(layout)
        return layout

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added yet."""
        return self._thread is None and self._writer.position == self._begun

    def add_record(self, record: BestRule | Display | Artifact | Outcome) -> None:
        """Add a record other than points."""
        if self._thread is None or _current_pid != self._pid:
            self._start_thread()
        with self._lock:
            self._others.append(record)

    def add_records(self, records: Sequence[Record]) -> None:
        """Add existing records, with their own steps and times."""
        import numpy as np

        self._start_thread()
        with self._lock:
            for record in records:
                if not isinstance(record, Points):
                    self._others.append(record)
                    continue
                for series in record.layouts:
                    self._indexed.update(self._kinds(series))
                layouts = [self._layout_of(series) for series in record.layouts]
                for layout, rows in zip(
                    layouts, np.bincount(record.layout, minlength=len(layouts)), strict=True
                ):
                    layout.rows += int(rows)
                numbers = np.array([layout.number for layout in layouts], np.uint32)
                self._layout.frombytes(numbers[record.layout].tobytes())
                self._steps.frombytes(record.steps.tobytes())
                self._times.frombytes(record.times.tobytes())
                self._values.frombytes(record.values.tobytes())

    def _start_thread(self) -> None:
        if self._closed:
            raise StateError("this run is closed: start a new one with reset(), or make another handler")
        self.require_own_process()
        with self._lock:
            if self._thread is None:
                self._wake.clear()
                self._thread = threading.Thread(target=self._work, name="legm-recorder", daemon=True)
                self._thread.start()

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

    def _work(self) -> None:
        while self._thread is threading.current_thread():
            woken = self._wake.wait(_FLUSH_INTERVAL)
            if woken:
                self._wake.clear()
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - training continues, and the error is reported
                if not self._troubled:
                    log.error("%s. Training continues; values stay in memory until writing works.", error)  # noqa: TRY400
                self._troubled = True

    def flush(self) -> int:
        """Write all new records to the log and pass them on for delivery.

        Returns:
            the log's position, in bytes.

        Raises:
            StorageError: the log cannot be written; the records are kept for the next flush.
        """
        with self._writing:
            with self._lock:
                taken = self._layout, self._steps, self._times, self._values
                others, self._others = self._others, []
                new_layouts = self._layouts[self._known_layouts :]
                self._known_layouts = len(self._layouts)
                if taken[0]:
                    self._empty()
            records: list[Record] = []
            frames = [layout_frame(layout.series) for layout in new_layouts]
            if taken[0]:
                frames += [points_frame(*rows) for rows in self._in_pieces(*taken)]
                self.points += len(taken[3])
                records.append(self._points(*taken))
            frames += map(record_frame, others)
            records += others
            if frames:
                self._unwritten.append((b"".join(frames), records))
            if self._unwritten and self.before_next_write is not None:
                self.before_next_write()
                self.before_next_write = None
            while self._unwritten:
                data, records = self._unwritten[0]
                cursors = cursors_frame(self._cursors) if self._cursors else b""
                position = self._writer.append(cursors, data)
                self._unwritten.pop(0)
                self._recovered()
                self._cursors = self._deliver(records, position)
            return self._writer.position

    def _recovered(self) -> None:
        if self._troubled:
            log.warning("the run log %s can be written again; nothing was lost", self._writer.path)
            self._troubled = False

    def _in_pieces(
        self, layout: array[int], steps: array[int], times: array[float], values: array[float]
    ) -> Iterator[tuple[array[int], array[int], array[float], array[float]]]:
        """The rows in pieces that a reader of the log can process at once."""
        if len(values) <= _VALUES_PER_FRAME:
            yield layout, steps, times, values
            return
        import numpy as np

        widths = np.array([len(known.series) for known in self._layouts])
        ends = np.cumsum(widths[np.frombuffer(layout, np.uint32)])  # of each row among the values
        begin, at = 0, 0
        while begin < len(layout):
            end = min(int(np.searchsorted(ends, at + _VALUES_PER_FRAME)) + 1, len(layout))
            after = int(ends[end - 1])
            yield layout[begin:end], steps[begin:end], times[begin:end], values[at:after]
            begin, at = end, after

    def _points(
        self, layout: array[int], steps: array[int], times: array[float], values: array[float]
    ) -> Points:
        import numpy as np

        return Points(
            tuple(known.series for known in self._layouts),
            np.frombuffer(layout, np.uint32),
            np.frombuffer(steps, np.int64),
            np.frombuffer(times, np.float64),
            np.frombuffer(values, np.float64),
        )

    @contextmanager
    def paused(self) -> Iterator[LogWriter]:
        """Write everything to the log and stop the thread; a later call starts it again.

        Yields:
            the writer of the log.

        Raises:
            StateError: this is a forked process.
            StorageError: the log cannot be written.
        """
        self.require_own_process()
        with self._lock:
            thread, self._thread = self._thread, None
            self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self.flush()
        with self._writing:
            self._cursors = {}
            yield self._writer

    def close(self) -> None:
        """Write what is left and close the log; closing twice does nothing."""
        if self._closed or _current_pid != self._pid:
            return
        try:
            with self.paused():
                pass
        except LegmError as error:
            log.error("%s. Values that were set since the last successful write are lost.", error)  # noqa: TRY400
        finally:
            self._closed = True
            self._writer.close()


def _flatten_recorded_metrics(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str | None, Any]]:
    """The name, index and value of each number in a mapping of metrics or of indexed metrics."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            for metric, number in value.items():
                yield metric, str(name), number
        else:
            yield name, None, value
