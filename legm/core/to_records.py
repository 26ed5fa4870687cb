"""From a run's result back to records: for a run whose log is gone, or of a backend that keeps none.

It is the way back of :func:`legm.core.results.result`. What a result does not have cannot come back: when
each number was set, the earlier values of a step that was set twice, displays, and files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from legm.records import History, Outcome, Points, Record, RunResult, Series, Status

__all__ = ["records_from_result"]


def records_from_result(result: RunResult) -> list[Record]:
    """The records from which a run comes to a result.

    Args:
        result: with every dev series.

    Returns:
        the numbers of each step, series with equal steps together, all at the time of the run's start; the
        test values, at the time of its end; the rule; and the outcome of a run that has one.
    """
    started = result.run.started
    ended = started if result.ended is None else result.ended
    together: dict[bytes, list[tuple[Series, History]]] = {}
    for series, history in result.histories.items():
        if len(history.steps):
            together.setdefault(history.steps.tobytes(), []).append((series, history))
    records: list[Record] = [_points_from_series(members, started) for members in together.values()]
    if result.test:
        step = np.array([result.last_step or 0], np.int64)
        tests = [(one, History(step, np.array([value]))) for one, value in result.test.items()]
        records.append(_points_from_series(tests, ended))
    records.append(result.rule)
    if result.status is not Status.RUNNING:
        records.append(Outcome(result.status, ended, result.error))
    return records


def _points_from_series(members: Sequence[tuple[Series, History]], time: float) -> Points:
    """Series with equal steps as rows of one layout."""
    steps = members[0][1].steps
    return Points(
        layouts=(tuple(series for series, _ in members),),
        layout=np.zeros(len(steps), np.uint32),
        steps=np.asarray(steps, np.int64),
        times=np.full(len(steps), time),
        values=np.column_stack([history.values for _, history in members]).ravel().astype(np.float64),
    )
