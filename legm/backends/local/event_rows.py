"""Rows of numbers as TensorBoard's events, a block at a time.

An event is framed, and has its time and step, once for all of its values. So rows that were set one after
the other at one step are one event. All events of one layout whose steps take equally many bytes only differ
in the numbers, and NumPy encodes them at once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from legm.backends.local.event_records import (
    EVENT_FRAME,
    clean_event_tag,
    encode_event_field,
    encode_event_head,
    encode_event_record,
    mask_event_crc,
)
from legm.records import Points, Series, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from legm.records import FloatArray, IntArray

__all__ = ["encode_event_rows", "encode_point_events"]

_CHUNK = 1 << 12
"""The number of values encoded at once, which limits the memory that a huge batch needs."""

_TOGETHER = 1.0  # seconds within which rows of one step were set that are one event
_MOST_TOGETHER = 64  # rows of one event
_TIME = EVENT_FRAME + 1  # where the time of an event is in its record
_STEP = _TIME + 8 + 1


def encode_point_events(points: Points) -> Iterator[bytes]:
    """The records of every dev series that is not indexed, in the order of the rows, in pieces."""
    for part in _split_event_points(points):
        yield _encode_event_part(_joined_event_rows(part))


def encode_event_rows(
    tags: Sequence[str], steps: IntArray, times: FloatArray, values: FloatArray
) -> list[bytes]:
    """One record for each of ``n`` rows: ``steps`` and ``times`` have shape (n,), ``values`` (n, tags)."""
    if not len(steps):
        return []
    width = _row_varint_width(int(steps.max()))
    if width == _row_varint_width(int(steps.min())):
        return _encode_equal_rows(tags, width, steps, times, values)
    widths = _row_varint_widths(steps)
    used = np.unique(widths)
    records = [b""] * len(steps)
    for width in used.tolist():
        rows = np.flatnonzero(widths == width)
        made = _encode_equal_rows(tags, width, steps[rows], times[rows], values[rows])
        for row, record in zip(rows.tolist(), made, strict=True):
            records[row] = record
    return records


def _split_event_points(points: Points) -> Iterator[Points]:
    """The same rows in the same order, in records of about ``_CHUNK`` numbers."""
    if len(points) <= _CHUNK:
        yield points
        return
    widths = np.array([len(series) for series in points.layouts], np.int64)
    ends = np.cumsum(widths[points.layout])
    row = at = 0
    while row < len(ends):
        last = max(row + 1, int(np.searchsorted(ends, at + _CHUNK, "right")))
        part, end = slice(row, last), int(ends[last - 1])
        yield Points(
            points.layouts, points.layout[part], points.steps[part], points.times[part], points.values[at:end]
        )
        row, at = last, end


def _joined_event_rows(points: Points) -> Points:
    """The same values, where neighbouring rows of other series at the same step are one row."""
    is_next = points.steps[1:] == points.steps[:-1]
    if is_next.any():
        is_next &= np.abs(np.diff(points.times)) <= _TOGETHER
    if not is_next.any():
        return points
    keys: list[tuple[int, ...]] = []
    firsts: list[int] = []
    joined: dict[tuple[int, ...], tuple[Series, ...] | None] = {}
    for row, (layout, is_joined) in enumerate(
        zip(points.layout.tolist(), [False, *is_next.tolist()], strict=True)
    ):
        if is_joined and len(keys[-1]) < _MOST_TOGETHER:
            key = (*keys[-1], layout)
            if key not in joined:
                joined[key] = _joined_row_series(points, key)
            if joined[key] is not None:
                keys[-1] = key
                continue
        keys.append((layout,))
        firsts.append(row)
    numbers: dict[tuple[int, ...], int] = {}
    layout = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.uint32)
    layouts = tuple(joined.get(key) or points.layouts[key[0]] for key in numbers)
    return Points(layouts, layout, points.steps[firsts], points.times[firsts], points.values)


def _joined_row_series(points: Points, layouts: Sequence[int]) -> tuple[Series, ...] | None:
    """The series of some layouts; None where one of them is in two."""
    series = [one for number in layouts for one in points.layouts[number]]
    return tuple(series) if len(set(series)) == len(series) else None


def _encode_event_part(points: Points) -> bytes:
    """The records of all rows, in the order of the rows, since readers expect increasing steps."""
    records = [b""] * len(points.layout)
    for series, rows, values in points.located_blocks():
        shown = [i for i, one in enumerate(series) if one.split is Split.DEV and one.index is None]
        if shown:
            tags = [f"dev/{series[i].name}" for i in shown]
            made = encode_event_rows(tags, points.steps[rows], points.times[rows], values[:, shown])
            for row, record in zip(rows.tolist(), made, strict=True):
                records[row] = record
    return b"".join(records)


def _row_varint_width(step: int) -> int:
    """How many bytes a step takes as a varint; a negative one takes ten."""
    return 10 if step < 0 else max(1, (step.bit_length() + 6) // 7)


def _row_varint_widths(steps: IntArray) -> NDArray[Any]:
    """The same of each of many steps."""
    limits = np.array([1 << bits for bits in range(7, 63, 7)], np.uint64)
    widths = np.searchsorted(limits, steps.astype(np.uint64), "right") + 1
    return np.where(steps < 0, 10, widths)


def _encode_equal_rows(
    tags: Sequence[str], width: int, steps: IntArray, times: FloatArray, values: FloatArray
) -> list[bytes]:
    """The records of rows whose steps are varints of so many bytes."""
    record, columns = _event_row_template(tuple(tags), width)
    rows = np.tile(np.frombuffer(record, np.uint8), (len(steps), 1))
    rows[:, _TIME : _TIME + 8] = _event_row_bytes(times, "<f8")
    septets = steps.astype(np.uint64)[:, None] >> np.arange(0, 7 * width, 7, dtype=np.uint64)
    following = np.array([128] * (width - 1) + [0], np.uint64)
    rows[:, _STEP : _STEP + width] = septets & np.uint64(127) | following
    with np.errstate(over="ignore", invalid="ignore"):
        rows[:, columns] = _event_row_bytes(values, "<f4")
    size, laid = len(record), rows.tobytes()
    starts = range(0, len(laid), size)
    checks = [google_crc32c.value(laid[start + EVENT_FRAME : start + size - 4]) for start in starts]
    rows[:, -4:] = _event_row_bytes(mask_event_crc(np.array(checks, np.uint64)), "<u4")
    laid = rows.tobytes()
    return [laid[start : start + size] for start in starts]


@functools.lru_cache(maxsize=16)
def _event_row_template(tags: tuple[str, ...], width: int) -> tuple[bytes, IntArray]:
    """The record of a row in which all numbers are zero, and where the bytes of its values are."""
    summary, offsets = b"", []
    for tag in tags:
        value = encode_event_field(1, clean_event_tag(tag).encode()) + b"\x15" + bytes(4)
        summary += encode_event_field(1, value)
        offsets.append(len(summary) - 4)
    event = encode_event_head(0, 0)[: _STEP - EVENT_FRAME] + bytes(width) + encode_event_field(5, summary)
    record = encode_event_record(event)
    first = len(record) - 4 - len(summary)
    return record, np.add.outer([first + offset for offset in offsets], np.arange(4)).ravel()


def _event_row_bytes(array: NDArray[Any], dtype: str) -> NDArray[np.uint8]:
    """The bytes of the array as the given type: shape (n, bytes of a row)."""
    return np.ascontiguousarray(array, dtype).view(np.uint8).reshape(len(array), -1)
