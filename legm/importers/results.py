"""A run's result as the records that make it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from legm.importers.columns import joined
from legm.records import BestRule, Points, RunResult, Series

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = ["records_of"]


def records_of(
    result: RunResult, times_of: Callable[[Series, IntArray], FloatArray]
) -> Iterator[Points | BestRule]:
    """The numbers and the best rule of a run.

    Args:
        result: with every dev series.
        times_of: when the numbers of a series were set at some steps (s since 1970).
    """
    groups: dict[tuple[int, bytes], list[Series]] = {}
    times: dict[Series, FloatArray] = {}
    for series, history in result.histories.items():
        times[series] = times_of(series, history.steps)
        groups.setdefault((id(history.steps), times[series].tobytes()), []).append(series)
    for members in groups.values():
        steps = result.histories[members[0]].steps
        values = np.stack([result.histories[one].values for one in members], axis=1)
        yield joined([(tuple(members), steps, times[members[0]], values)])
    if result.test:
        step = np.array([result.last_step or 0])
        values = np.array([list(result.test.values())])
        when = np.array([result.ended or result.run.started])
        yield joined([(tuple(result.test), step, when, values)])
    yield result.rule
