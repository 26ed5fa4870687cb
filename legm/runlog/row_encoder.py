"""Rows of numbers on their way to the run log: how one is packed, and how many become frames and records."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from legm.core.rewinding import last_step_after_rewinds, value_counts_after_rewinds
from legm.records import Points, Record, Series, Split
from legm.runlog.log_frames import layout_frame, points_frame, record_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Encoded", "RecordedLayout", "RowEncoder"]

_VALUES_PER_FRAME = 10_000  # values in one frame, except for a wider row


class RecordedLayout:
    """Series that are set together.

    A row is packed as words of 64 bits: its kind, its step, its time, and its values.

    Args:
        key: distinguishes the layouts of a run.
        series: the series, in order.
    """

    __slots__ = ("key", "names", "number", "pack", "positioned", "series", "stepped")

    def __init__(self, key: int, series: tuple[Series, ...]) -> None:
        self.key = key
        self.series = series
        self.names = tuple(s.name for s in series)
        self.number = -1
        """In the log; -1 until it is encoded."""
        self.pack = struct.Struct(f"<qqd{len(series)}d").pack
        self.stepped = 2 * key
        """The kind of a row with a step."""
        self.positioned = 2 * key + 1
        """The kind of a row whose step is the number of earlier values of each series."""


@dataclass(slots=True)
class Encoded:
    """What is written to the log at once.

    Args:
        frames: in order.
        records: the same as records.
        values: the number of values among them.
        layouts: those that are new.
        counts: by series, the number of values before.
        last_step: the largest dev step before.
    """

    frames: list[bytes] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    values: int = 0
    layouts: list[RecordedLayout] = field(default_factory=list)
    counts: dict[Series, int] = field(default_factory=dict)
    last_step: int | None = None


class RowEncoder:
    """Turns rows and records into frames; knows the layouts in the log, and how many values each series has.

    Args:
        layout_of: returns the layout of series, a new one where there is none.
    """

    def __init__(self, layout_of: Callable[[tuple[Series, ...]], RecordedLayout]) -> None:
        self.layouts: dict[int, RecordedLayout] = {}
        """Every layout by its key; whoever makes one adds it."""
        self.most_values = 0
        """The number of values of the longest dev series."""
        self.last_time = 0.0
        """When the last value was set (s since 1970); 0 before the first."""
        self.last_step: int | None = None
        """The largest dev step; None before the first dev value."""
        self._layout_of = layout_of
        self._next_number = 0
        self._counts: dict[Series, int] = {}

    def encode(self, rows: Sequence[bytes], others: Sequence[Record]) -> Encoded:
        """Encode existing points, then rows, then other records; an error leaves everything as it was.

        Raises:
            MemoryError: there is not enough memory.
        """
        encoded = Encoded(last_step=self.last_step)
        try:
            for record in others:
                if isinstance(record, Points):
                    self._add_points(encoded, record)
            if rows:
                self._add_rows(encoded, rows)
            for record in others:
                if not isinstance(record, Points):
                    encoded.frames.append(record_frame(record))
                    encoded.records.append(record)
        except BaseException:
            self.undo(encoded)
            raise
        return encoded

    def undo(self, encoded: Encoded) -> None:
        """Forget what was encoded last, which was not written."""
        for layout in encoded.layouts:
            layout.number = -1
        self._next_number -= len(encoded.layouts)
        self._counts.update(encoded.counts)
        self.last_step = encoded.last_step

    def continue_after(self, records: Sequence[Record], layouts: int | None = None) -> None:
        """Continue a log: positions and the last step are those of its records that count.

        Args:
            records: all records in the log.
            layouts: the number of layouts in it; None where this encoder made all of them.
        """
        self._counts = value_counts_after_rewinds(records)
        self.last_step = last_step_after_rewinds(records)
        dev = [number for series, number in self._counts.items() if series.split is Split.DEV]
        self.most_values = max(dev, default=0)
        if layouts is not None:
            self._next_number = layouts

    def _number(self, encoded: Encoded, layouts: Sequence[RecordedLayout]) -> NDArray[Any]:
        """The layouts' numbers in the log, where new ones are added."""
        import numpy as np

        for layout in layouts:
            if layout.number < 0:
                encoded.frames.append(layout_frame(layout.series))
                encoded.layouts.append(layout)
                layout.number = self._next_number
                self._next_number += 1
        return np.array([layout.number for layout in layouts], "<u4")

    def _count(self, encoded: Encoded, layouts: Sequence[RecordedLayout], rows: Sequence[int]) -> None:
        for layout, number in zip(layouts, rows, strict=True):
            for series in layout.series:
                before = self._counts.get(series, 0)
                encoded.counts.setdefault(series, before)
                self._counts[series] = before + number
                if series.split is Split.DEV:
                    self.most_values = max(self.most_values, before + number)

    def _add_points(self, encoded: Encoded, points: Points) -> None:
        import numpy as np

        if not len(points.layout):
            return
        used = np.unique(points.layout)
        layouts = [self._layout_of(points.layouts[number]) for number in used.tolist()]
        local = np.searchsorted(used, points.layout).astype(np.uint32)
        self._add(encoded, layouts, local, points.steps, points.times, points.values)

    def _add_rows(self, encoded: Encoded, rows: Sequence[bytes]) -> None:
        import numpy as np

        words = np.frombuffer(b"".join(rows), "<u8")
        if self._add_equal_rows(encoded, words, rows):
            return
        lengths = np.fromiter(map(len, rows), np.int64, len(rows)) // 8
        starts = np.cumsum(lengths) - lengths
        kinds = words[starts]
        keys, local = np.unique(kinds >> np.uint64(1), return_inverse=True)
        layouts = [self.layouts[key] for key in keys.tolist()]
        is_value = np.ones(len(words), bool)
        for word in range(3):
            is_value[starts + word] = False
        columns = _RowColumns(
            local.astype(np.uint32),
            words[starts + 1].view("<i8"),
            words[starts + 2].view("<f8"),
            lengths - 3,
        )
        is_positioned = (kinds & np.uint64(1)).astype(bool)
        if is_positioned.any():
            layouts = self._set_positions(layouts, columns, is_positioned)
        self._add(encoded, layouts, columns.layout, columns.steps, columns.times, words[is_value].view("<f8"))

    def _add_equal_rows(self, encoded: Encoded, words: NDArray[Any], rows: Sequence[bytes]) -> bool:
        """Add rows of one kind, as nearly all are that are set within a moment; returns whether they are it.

        Args:
            encoded: takes them.
            words: the rows.
            rows: the same.
        """
        import numpy as np

        table = words.reshape(len(rows), -1) if len(set(map(len, rows))) == 1 else None
        if table is None or not (table[:, 0] == table[0, 0]).all():
            return False
        kind = int(table[0, 0])
        layout = self.layouts[kind >> 1]
        if kind & 1:  # without a step
            before = {self._counts.get(series, 0) for series in layout.series}
            if len(before) > 1:
                return False
            first = before.pop()
            steps = np.arange(first, first + len(rows), dtype=np.int64)
        else:
            steps = np.ascontiguousarray(table[:, 1]).view("<i8")
        times, values = np.ascontiguousarray(table[:, 2]).view("<f8"), table[:, 3:].ravel().view("<f8")
        self._add(encoded, [layout], np.zeros(len(rows), np.uint32), steps, times, values)
        return True

    def _set_positions(
        self, layouts: list[RecordedLayout], columns: _RowColumns, is_positioned: NDArray[Any]
    ) -> list[RecordedLayout]:
        """Set the steps of rows without one; a row whose series have different positions is split.

        Returns:
            the layouts of the rows then.
        """
        import numpy as np

        ids: dict[Series, int] = {}
        flat = [ids.setdefault(series, len(ids)) for layout in layouts for series in layout.series]
        before = np.array([self._counts.get(series, 0) for series in ids], np.int64)
        widths = np.array([len(layout.series) for layout in layouts], np.int64)
        firsts = np.cumsum(widths) - widths  # of each layout in flat
        row_starts = np.cumsum(columns.widths) - columns.widths
        column = np.arange(int(columns.widths.sum())) - np.repeat(row_starts, columns.widths)
        series_ids = np.array(flat, np.int64)[np.repeat(firsts[columns.layout], columns.widths) + column]
        positions = before[series_ids] + _row_numbers_within_groups(series_ids)
        lowest = np.minimum.reduceat(positions, row_starts)
        is_split = is_positioned & (lowest != np.maximum.reduceat(positions, row_starts))
        columns.steps[is_positioned] = lowest[is_positioned]
        if not is_split.any():
            return layouts
        by_value = np.repeat(is_split, columns.widths)
        split = np.unique(series_ids[by_value])
        named = list(ids)
        singles = [self._layout_of((named[one],)) for one in split.tolist()]
        pieces = np.where(is_split, columns.widths, 1)
        is_piece = np.repeat(is_split, pieces)
        columns.layout = np.repeat(columns.layout, pieces)
        columns.steps = np.repeat(columns.steps, pieces)
        columns.times = np.repeat(columns.times, pieces)
        columns.layout[is_piece] = len(layouts) + np.searchsorted(split, series_ids[by_value])
        columns.steps[is_piece] = positions[by_value]
        return [*layouts, *singles]

    def _add(
        self,
        encoded: Encoded,
        layouts: Sequence[RecordedLayout],
        local: Any,
        steps: Any,
        times: Any,
        values: Any,
    ) -> None:
        """Add rows by column, with the indices of their layouts."""
        import numpy as np

        numbers = self._number(encoded, layouts)[local]
        pieces: Iterable[tuple[slice, slice]] = [(slice(None), slice(None))]
        if len(values) > _VALUES_PER_FRAME:
            widths = np.array([len(layout.series) for layout in layouts], np.int64)
            pieces = _row_pieces(np.cumsum(widths[local]))
        for rows, within in pieces:
            columns = (numbers[rows], steps[rows], times[rows], values[within])
            encoded.frames.append(points_frame(*map(np.ascontiguousarray, columns)))
        self._count(encoded, layouts, np.bincount(local, minlength=len(layouts)).tolist())
        self._note_last_step(layouts, local, steps)
        series = tuple(layout.series for layout in layouts)
        encoded.records.append(Points(series, local, steps, times, values))
        encoded.values += len(values)
        self.last_time = float(times[-1])

    def _note_last_step(self, layouts: Sequence[RecordedLayout], local: Any, steps: Any) -> None:
        import numpy as np

        is_dev = [_is_dev_row_layout(layout) for layout in layouts]
        if not all(is_dev):
            steps = steps[np.array(is_dev, bool)[local]]
        if len(steps):
            largest = int(steps.max())
            self.last_step = largest if self.last_step is None else max(self.last_step, largest)


@dataclass(slots=True)
class _RowColumns:
    """Rows by column: the index of the layout, step, time (s since 1970), and number of values."""

    layout: NDArray[Any]
    steps: NDArray[Any]
    times: NDArray[Any]
    widths: NDArray[Any]


def _row_numbers_within_groups(groups: NDArray[Any]) -> NDArray[Any]:
    """For each entry, how many earlier ones are of the same group."""
    import numpy as np

    order = np.argsort(groups, kind="stable")
    is_first = np.ones(len(groups), bool)
    is_first[1:] = np.diff(groups[order]) != 0
    starts = np.flatnonzero(is_first)
    numbers = np.empty(len(groups), np.int64)
    numbers[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    return numbers


def _is_dev_row_layout(layout: RecordedLayout) -> bool:
    return bool(layout.series) and layout.series[0].split is Split.DEV


def _row_pieces(ends: NDArray[Any]) -> Iterator[tuple[slice, slice]]:
    """Rows in pieces that a reader of the log can process at once: their slice, and that of their values.

    Args:
        ends: the end of each row among the values.
    """
    import numpy as np

    begin, at = 0, 0
    while begin < len(ends):
        end = min(int(np.searchsorted(ends, at + _VALUES_PER_FRAME)) + 1, len(ends))
        after = int(ends[end - 1])
        yield slice(begin, end), slice(at, after)
        begin, at = end, after
