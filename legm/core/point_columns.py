"""Conversion between points and columns of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from legm.core.growing_columns import GrowingColumn
from legm.core.record_sequences import LazyRecords
from legm.records import Points, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from legm.records import FloatArray, IntArray

    Columns: TypeAlias = Mapping[Series, tuple[IntArray, FloatArray, FloatArray]]

__all__ = [
    "PointPieces",
    "columns_by_series",
    "points_from_blocks",
    "points_from_columns",
    "points_from_rows",
]

_ROWS_PER_PIECE = 1 << 15


def points_from_rows(
    names: Mapping[str, int], numbers: IntArray, steps: IntArray, times: FloatArray, values: FloatArray
) -> Points:
    """Rows of one value each, in the order they were set, as points of dev series.

    Args:
        names: by metric, its number.
        numbers: shape (n,), the number of each row's metric.
        steps, times, values: shape (n,); times in seconds since 1970.
    """
    by_number = {number: name for name, number in names.items()}
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    return points_from_blocks(
        ((Series(by_number[int(numbers[rows[0]])]),), steps[rows], times[rows], values[rows])
        for rows in (np.split(order, starts[1:]) if len(order) else ())
    )


def points_from_columns(columns: Columns, name: Callable[[Series], Series | None]) -> Points:
    """The values of all series as one record, with series renamed or left out.

    Series with equal steps and times share a layout, which saves space and time.

    Args:
        columns: as :func:`columns_by_series` returns them.
        name: returns the new series for a series; None leaves it out.
    """
    groups = _groups_of_columns(columns, name)
    return _points_of_column_groups(groups, 0, sum(len(group.steps) for group in groups))


class PointPieces:
    """The rows of :func:`points_from_columns` as records of limited size, made whenever they are looked at.

    Args:
        columns: as :func:`columns_by_series` returns them; they are kept.
        name: returns the new series for a series; None leaves it out.
    """

    def __init__(self, columns: Columns, name: Callable[[Series], Series | None]) -> None:
        self._groups = _groups_of_columns(columns, name)

    def records(self) -> LazyRecords:
        """The records."""
        rows = sum(len(group.steps) for group in self._groups)
        return LazyRecords(
            partial(_points_of_column_groups, self._groups, at, min(at + _ROWS_PER_PIECE, rows))
            for at in range(0, rows, _ROWS_PER_PIECE)
        )

    def columns(self) -> Columns | None:
        """The columns by their new names, in the order of the records; None where two have one name."""
        found = {
            series: (group.steps, group.times, values)
            for group in self._groups
            for series, values in zip(group.series, group.values, strict=True)
        }
        return found if len(found) == sum(len(group.series) for group in self._groups) else None


@dataclass(slots=True)
class _Group:
    """Series with equal steps and times."""

    steps: IntArray
    times: FloatArray
    series: list[Series] = field(default_factory=list)
    values: list[FloatArray] = field(default_factory=list)


def _groups_of_columns(columns: Columns, name: Callable[[Series], Series | None]) -> list[_Group]:
    groups: dict[tuple[bytes, bytes], _Group] = {}
    for series, (steps, times, values) in columns.items():
        new = name(series)
        if new is not None:
            key = _column_digest(steps), _column_digest(times)
            group = groups.setdefault(key, _Group(steps, times))
            group.series.append(new)
            group.values.append(values)
    return list(groups.values())


def _column_digest(column: NDArray[Any]) -> bytes:
    return blake2b(np.ascontiguousarray(column).data, digest_size=16).digest()


def _points_of_column_groups(groups: Sequence[_Group], start: int, end: int) -> Points:
    """Rows of groups, one after the other; all groups are layouts of it."""
    blocks = []
    for group in groups:
        rows = slice(max(0, min(start, len(group.steps))), max(0, min(end, len(group.steps))))
        values = np.stack([one[rows] for one in group.values], axis=1)
        blocks.append((tuple(group.series), group.steps[rows], group.times[rows], values))
        start, end = start - len(group.steps), end - len(group.steps)
    return points_from_blocks(blocks)


def points_from_blocks(
    blocks: Iterable[tuple[tuple[Series, ...], IntArray, FloatArray, FloatArray]],
) -> Points:
    """The inverse of :meth:`legm.records.Points.blocks`: one block after the other as one record.

    Args:
        blocks: for each layout its series, steps (n,), times (n,) and values (n, width).
    """
    blocks = list(blocks)
    layout = [np.full(len(steps), i, np.uint32) for i, (_, steps, _, _) in enumerate(blocks)]
    nothing = [np.zeros(0)]
    return Points(
        tuple(series for series, _, _, _ in blocks),
        np.concatenate(layout or [np.zeros(0, np.uint32)]),
        np.concatenate([steps for _, steps, _, _ in blocks] or [np.zeros(0, np.int64)]),
        np.concatenate([times for _, _, times, _ in blocks] or nothing),
        np.concatenate([values.ravel() for _, _, _, values in blocks] or nothing),
    )


def columns_by_series(batches: Iterable[Points]) -> Columns:
    """The steps (n,), times (n,) and values (n,) of each series, in the order they were set.

    The batches are not kept: while they are read, only the columns grow.
    """
    growing: dict[Series, list[GrowingColumn]] = {}
    for points in batches:
        for layout, steps, times, values in points.blocks():
            for i, series in enumerate(layout):
                if series not in growing:
                    growing[series] = [GrowingColumn(kind) for kind in (np.int64, np.float64, np.float64)]
                for column, more in zip(growing[series], (steps, times, values[:, i]), strict=True):
                    column.extend(more)
    return {
        series: (steps.whole(), times.whole(), values.whole())
        for series, (steps, times, values) in growing.items()
    }
