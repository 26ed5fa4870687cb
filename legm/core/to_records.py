"""A run's result as records: for runs without a run log.

This is the inverse of :func:`legm.core.results.run_result`, except for what a result does not hold: when each
value was set, the earlier values of a step that was set twice, displays, and files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from legm.records import History, Outcome, Points, Record, RunResult, Series, Status

__all__ = ["records_from_result"]


def records_from_result(result: RunResult) -> list[Record]:
    """Records that lead to the given result.

    Args:
        result: a result with every dev series.

    Returns:
        the dev values, with series of equal steps in one record and the run's start as their time; the test
        values, with the run's end as their time; the rule; and the outcome of a run that has ended.
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
    """Series with equal steps as one record; the time is in seconds since 1970."""
    steps = members[0][1].steps
    return Points(
        layouts=(tuple(series for series, _ in members),),
        layout=np.zeros(len(steps), np.uint32),
        steps=np.asarray(steps, np.int64),
        times=np.full(len(steps), time),
        values=np.column_stack([history.values for _, history in members]).ravel().astype(np.float64),
    )
