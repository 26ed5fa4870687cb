"""The rows of each series in the records of a run: the steps, times and values that were set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from legm.records import Points, Record, Series, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from legm.records import FloatArray, IntArray

    Rows: TypeAlias = tuple[IntArray, FloatArray, FloatArray]
    """Steps, times (s since 1970) and values, each of shape (n,); without times where they are not wanted."""

__all__ = ["kept_series_steps", "layouts_with_rows", "located_series_columns", "rows_by_series"]

_COMPARED = 1 << 16  # steps that are compared at once


def rows_by_series(
    records: Iterable[Record], is_wanted: Callable[[Series], bool], *, with_times: bool = True
) -> Iterator[tuple[Series, Rows]]:
    """The rows that count of each series: one a step, its last, by step; of a test series the last one set.

    The columns are views into the records where nothing has to be joined or put into order.

    Args:
        records: those that make the result, of which nothing is rewound.
        is_wanted: whether the rows of a series are.
        with_times: whether their times are.

    Yields:
        each series with its rows: dev series first, in the order in which they were set.
    """
    pieces: dict[Series, list[Rows]] = {}
    for record in records:
        if isinstance(record, Points):
            for series in chain.from_iterable(layouts_with_rows(record)):
                if series not in pieces and is_wanted(series):
                    pieces[series] = []
            for every, (steps, every_time, values) in located_series_columns(record):
                times = every_time if with_times else np.empty(0)
                for column, series in enumerate(every):
                    if series in pieces:
                        pieces[series].append((steps, times, values[:, column]))
    ordered: dict[tuple[int, ...], tuple[IntArray, IntArray | None]] = {}
    for series, found in sorted(pieces.items(), key=lambda one: one[0].split is Split.TEST):
        if series.split is Split.TEST:
            steps, times, values = found[-1]
            yield series, (steps[-1:], times[-1:], values[-1:])
            continue
        key = tuple(id(steps) for steps, _, _ in found)
        if key not in ordered:
            ordered[key] = kept_series_steps(_joined_series_rows([one[0] for one in found]))
        own_steps, kept = ordered[key]
        times, values = (_joined_series_rows([one[at] for one in found]) for at in (1, 2))
        if kept is not None:
            times, values = times[kept] if with_times else times, values[kept]
        yield series, (own_steps, times, values)


def _joined_series_rows(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def kept_series_steps(steps: IntArray) -> tuple[IntArray, IntArray | None]:
    """Strictly increasing steps, and where they were, the last of equal ones; None where nothing changes."""
    if all(
        bool(np.all(steps[at + 1 : at + _COMPARED + 1] > steps[at : at + _COMPARED][: len(steps) - at - 1]))
        for at in range(0, len(steps) - 1, _COMPARED)
    ):
        return steps, None
    order = np.argsort(steps, kind="stable")
    last = np.ones(len(steps), bool)
    last[:-1] = np.diff(steps[order]) != 0
    kept = order[last]
    return steps[kept], kept


def layouts_with_rows(points: Points) -> list[tuple[Series, ...]]:
    """The layouts that rows of a record have."""
    if len(points.layout) and (points.layout == points.layout[0]).all():
        return [points.layouts[int(points.layout[0])]]
    return [points.layouts[number] for number in np.unique(points.layout).tolist()]


def located_series_columns(points: Points) -> Iterator[tuple[tuple[Series, ...], Rows]]:
    """The blocks of a record; a series that is in several layouts is a block, in the order of its rows."""
    counts = Counter(chain.from_iterable(layouts_with_rows(points)))
    repeated: dict[Series, list[tuple[IntArray, FloatArray]]] = {}
    for every, rows, values in points.located_blocks():
        once = [column for column, series in enumerate(every) if counts[series] == 1]
        if len(rows) == len(points.layout):  # all of them, in this order: no copies
            yield every, (points.steps, points.times, values)
        elif once:
            chosen = values if len(once) == len(every) else values[:, once]
            yield tuple(every[at] for at in once), (points.steps[rows], points.times[rows], chosen)
        for column, one in enumerate(every):
            if counts[one] > 1:
                repeated.setdefault(one, []).append((rows, values[:, column]))
    for one, blocks in repeated.items():
        rows = np.concatenate([where for where, _ in blocks])
        order = np.argsort(rows)
        values = np.concatenate([column for _, column in blocks])[order]
        yield (one,), (points.steps[rows[order]], points.times[rows[order]], values[:, None])
