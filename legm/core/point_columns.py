"""Conversion between points and columns of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from legm.records import Points, Series

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

    Columns: TypeAlias = Mapping[Series, tuple[IntArray, FloatArray, FloatArray]]

__all__ = ["columns_by_series", "points_from_blocks", "points_from_columns", "points_from_rows"]


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
    groups: dict[tuple[bytes, bytes], list[tuple[Series, FloatArray]]] = {}
    for series, (steps, times, values) in columns.items():
        new = name(series)
        if new is not None:
            groups.setdefault((steps.tobytes(), times.tobytes()), []).append((new, values))
    return points_from_blocks(
        (
            tuple(series for series, _ in members),
            np.frombuffer(steps, np.int64),
            np.frombuffer(times, np.float64),
            np.stack([values for _, values in members], axis=1),
        )
        for (steps, times), members in groups.items()
    )


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
    """The steps (n,), times (n,) and values (n,) of each series, in the order they were set."""
    pieces: dict[Series, list[tuple[IntArray, FloatArray, FloatArray]]] = {}
    for points in batches:
        for layout, steps, times, values in points.blocks():
            for i, series in enumerate(layout):
                pieces.setdefault(series, []).append((steps, times, values[:, i]))
    return {
        series: found[0] if len(found) == 1 else _concatenate_columns(found)
        for series, found in pieces.items()
    }


def _concatenate_columns(
    pieces: Iterable[tuple[IntArray, FloatArray, FloatArray]],
) -> tuple[IntArray, FloatArray, FloatArray]:
    steps, times, values = zip(*pieces, strict=True)
    return np.concatenate(steps), np.concatenate(times), np.concatenate(values)
