"""Columns of numbers as points, and points under other names: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from legm.records import Points, Series

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = ["columns_of", "joined", "points_of", "renamed"]


def points_of(
    names: Mapping[str, int], numbers: IntArray, steps: IntArray, times: FloatArray, values: FloatArray
) -> Points:
    """Rows of single numbers, in the order they were set, as the points of dev series.

    Metrics that have the same steps and times become one layout, which is stored in less space.

    Args:
        names: a number for each metric.
        numbers: shape (n,), the metric of each row.
        steps, times, values: shape (n,); times in seconds.
    """
    by_number = {number: name for name, number in names.items()}
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    groups: dict[tuple[bytes, bytes], list[tuple[Series, FloatArray]]] = {}
    for rows in np.split(order, starts[1:]) if len(order) else ():
        place = steps[rows].tobytes(), times[rows].tobytes()
        groups.setdefault(place, []).append((Series(by_number[int(numbers[rows[0]])]), values[rows]))
    blocks = []
    for (step_bytes, time_bytes), members in groups.items():
        block = np.stack([column for _, column in members], axis=1)
        series = tuple(series for series, _ in members)
        blocks.append((series, np.frombuffer(step_bytes, np.int64), np.frombuffer(time_bytes), block))
    return joined(blocks)


def joined(blocks: Iterable[tuple[tuple[Series, ...], IntArray, FloatArray, FloatArray]]) -> Points:
    """What :meth:`legm.records.Points.blocks` gives, as points again: one block after the other."""
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


def renamed(points: Points, name: Callable[[Series], Series | None]) -> Points:
    """The points under other series; those of series that become None are left out."""
    blocks = []
    for layout, steps, times, values in points.blocks():
        named = [(i, new) for i, series in enumerate(layout) if (new := name(series)) is not None]
        if named:
            kept = values if len(named) == len(layout) else values[:, [i for i, _ in named]]
            blocks.append((tuple(new for _, new in named), steps, times, kept))
    return joined(blocks)


def columns_of(batches: Iterable[Points]) -> dict[Series, tuple[IntArray, FloatArray, FloatArray]]:
    """For each series the steps, times and values of all its numbers, in the order they were set."""
    pieces: dict[Series, list[tuple[IntArray, FloatArray, FloatArray]]] = {}
    for points in batches:
        for layout, steps, times, values in points.blocks():
            for i, series in enumerate(layout):
                pieces.setdefault(series, []).append((steps, times, values[:, i]))
    return {
        series: (
            np.concatenate([steps for steps, _, _ in found]),
            np.concatenate([times for _, times, _ in found]),
            np.concatenate([values for _, _, values in found]),
        )
        for series, found in pieces.items()
    }
