"""The result of a run from its records: series, the best step, and the values there; and the inverse."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from legm.core.growing_columns import GrowingColumn
from legm.core.record_sequences import LazyRecords, records_without_numbers, value_count_of_records
from legm.core.rewinding import without_rewound
from legm.core.run_environment import run_in_environment
from legm.core.series_rows import kept_series_steps, layouts_with_rows, located_series_columns
from legm.errors import MetricError, closest
from legm.records import (
    BestRule,
    History,
    Outcome,
    Points,
    Record,
    Resumption,
    Rewind,
    Run,
    RunResult,
    Series,
    Split,
    Status,
)

if TYPE_CHECKING:
    from legm.core.point_columns import Columns
    from legm.records import FloatArray, IntArray

__all__ = [
    "StepDeduplicator",
    "last_test_results",
    "ordered_dev_results",
    "records_from_result",
    "result_best_step",
    "result_end_records",
    "result_outcome",
    "result_records",
    "run_result",
]

log = logging.getLogger(__name__)


def result_outcome(records: Iterable[Record]) -> Outcome | None:
    """How a run ended; None where it has not, or where it was resumed since and not logged again."""
    found: Outcome | None = None
    for record in records_without_numbers(records):
        if isinstance(record, (Points, BestRule, Rewind)):
            found = None
        elif isinstance(record, Resumption):  # a completed run counts until it has something new
            found = found if found is not None and found.status is Status.COMPLETED else None
        elif isinstance(record, Outcome):
            stays = found is not None and found.status is Status.COMPLETED is not record.status
            found = found if stays else record
    return found


def result_records_until_completion(records: Sequence[Record]) -> Sequence[Record]:
    """The records up to the last completion; all where there is none."""
    for at in range(len(records) - 1, -1, -1):
        record = records[at]
        if isinstance(record, Outcome) and record.status is Status.COMPLETED:
            return records[: at + 1]
    return records


def result_records(records: Sequence[Record], status: Status) -> Sequence[Record]:
    """The records that make the result of a run with a status: a completed one may be running again."""
    return result_records_until_completion(records) if status is Status.COMPLETED else records


@dataclass(slots=True)
class _ResultSeriesColumns:
    """One series in the order in which it was set: the step, the time (if it is wanted) and the value."""

    steps: list[IntArray] = field(default_factory=list)  # which the series of a layout share
    times: GrowingColumn = field(default_factory=lambda: GrowingColumn(np.float64))
    values: GrowingColumn = field(default_factory=lambda: GrowingColumn(np.float64))
    last: tuple[float, float] = (0.0, 0.0)  # the time and value that were set last, at any step

    def add(self, steps: IntArray, times: FloatArray | None, values: FloatArray) -> None:
        """Add what was set next; the steps are kept."""
        self.steps.append(steps)
        self.values.extend(values)
        if times is not None:
            self.times.extend(times)

    def pop_ordered(self) -> tuple[IntArray, FloatArray]:
        """Strictly increasing steps, with the last value of each; the columns are empty afterwards."""
        steps, kept = kept_series_steps(self._pop_steps())
        values = self.values.whole()
        return steps, values if kept is None else values[kept]

    def pop_ordered_with_times(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """As :meth:`pop_ordered`, with the times between the steps and the values."""
        steps, kept = kept_series_steps(self._pop_steps())
        times, values = self.times.whole(), self.values.whole()
        return (steps, times, values) if kept is None else (steps, times[kept], values[kept])

    def _pop_steps(self) -> IntArray:
        steps = self.steps[0] if len(self.steps) == 1 else np.concatenate(self.steps)
        self.steps.clear()
        return steps


def _result_columns(
    records: Iterable[Record], split: Split | None = None, *, with_times: bool = False
) -> dict[Series, _ResultSeriesColumns]:
    """The columns of each series of a split, or of both, without what was rewound behind.

    Of test series, only what was set last is kept.
    """
    found: dict[Series, _ResultSeriesColumns] = {}
    for record in without_rewound(records if isinstance(records, Sequence) else list(records)):
        if isinstance(record, Points):
            for series in chain.from_iterable(layouts_with_rows(record)):
                if split is None or series.split is split:
                    found.setdefault(series, _ResultSeriesColumns())
            for every, (steps, times, values) in located_series_columns(record):
                wanted = [(at, one) for at, one in enumerate(every) if split is None or one.split is split]
                if not wanted:
                    continue
                kept_steps, kept_times = steps.copy(), times if with_times else None
                for column, series in wanted:
                    if series.split is Split.DEV:
                        found[series].add(kept_steps, kept_times, values[:, column])
                    else:
                        found[series].last = float(times[-1]), float(values[-1, column])
    return found


def _ordered_result_columns(
    records: Iterable[Record], columns: Columns | None
) -> Iterator[tuple[Series, IntArray, FloatArray]]:
    """The strictly increasing steps and the values of each dev series; of a test series what was set last.

    Args:
        records: the records, of which nothing is rewound.
        columns: their numbers by series, where they are known.
    """
    if columns is not None:
        for series, (steps, _, values) in columns.items():
            is_dev = series.split is Split.DEV
            ordered, kept = kept_series_steps(steps) if is_dev else (steps[-1:], np.array([len(steps) - 1]))
            yield series, ordered, values if kept is None else values[kept]
        return
    by_series = _result_columns(records)
    for series in list(by_series):
        found = by_series.pop(series)
        if series.split is Split.DEV:
            yield (series, *found.pop_ordered())
        else:
            yield series, np.zeros(1, np.int64), np.array([found.last[1]])


def ordered_dev_results(records: Iterable[Record]) -> Iterator[Points]:
    """The points of each dev series, sorted by step, with only the last value of a step."""
    columns = _result_columns(records, Split.DEV, with_times=True)
    for series in list(columns):
        steps, times, values = columns.pop(series).pop_ordered_with_times()
        yield Points(((series,),), np.zeros(len(steps), np.uint32), steps, times, values)


def last_test_results(records: Iterable[Record]) -> Iterator[tuple[Series, float, float]]:
    """Each test series with the time (s since 1970) and value that were set last."""
    for series, columns in _result_columns(records, Split.TEST).items():
        yield series, *columns.last


class StepDeduplicator:
    """Shares one copy of equal arrays of steps: the metrics of a run mostly have the same steps."""

    def __init__(self) -> None:
        self._seen: dict[int, list[IntArray]] = {}

    def __call__(self, steps: IntArray) -> IntArray:
        """The steps, or an array that was given before and is equal."""
        same = self._seen.setdefault(len(steps), [])
        for known in same[-4:]:
            if np.array_equal(known, steps):
                return known
        same.append(steps)
        return steps


def result_best_step(rule: BestRule, series: Mapping[Series, History]) -> int | None:
    """The best step.

    Args:
        rule: how it is chosen.
        series: the dev series.

    Returns:
        the step; None without dev series.

    Raises:
        MetricError: the rule's metric was never set.
    """
    plain_series = {s.name: h for s, h in series.items() if s.index is None}
    if rule.metric is not None:
        if rule.metric not in plain_series:
            raise MetricError(
                f"the best step is chosen by the dev metric {rule.metric!r}, which was never set; "
                f"{closest(rule.metric, plain_series)}"
            )
        chosen = plain_series[rule.metric]
        candidates = np.flatnonzero(~np.isnan(chosen.values))  # nanargmax treats NaN as -inf, which may win
        if len(candidates):
            values = chosen.values[candidates]
            first = np.argmax(values) if rule.higher_better else np.argmin(values)
            return int(chosen.steps[candidates[first]])
        log.warning(
            "every value of %r is NaN, so it cannot choose the best step; the last step is used", rule.metric
        )
    elif rule.step is not None and series:
        return rule.step
    ends = [int(h.steps[-1]) for h in series.values()]
    return max(ends, default=None)


def run_result(
    run: Run, records: Sequence[Record], status: Status | None = None, *, columns: Columns | None = None
) -> RunResult:
    """The result of a run, with all its dev series.

    What was set after the run was logged makes it unfinished, until it is logged again. While it is running,
    it counts as it was logged.

    Args:
        run: the run.
        records: all its records, in order.
        status: the status of a run that has not ended: running, or interrupted, which is the default.
        columns: the numbers of the records by series, where they are known and nothing is rewound. What of
            them is in order is not copied.

    Raises:
        MetricError: the metric that chooses the best step was never set.
    """
    run = run_in_environment(run, records)
    if status is Status.RUNNING:
        records = result_records_until_completion(records)
    rule, outcome = BestRule(), result_outcome(records)
    records = without_rewound(records)
    for record in records_without_numbers(records):
        if isinstance(record, BestRule):
            rule = record
    shared = StepDeduplicator()
    dev: dict[Series, History] = {}
    test: dict[Series, float] = {}
    for series, steps, values in _ordered_result_columns(records, columns):
        if series.split is Split.DEV:
            dev[series] = History(shared(steps), values)
        else:
            test[series] = float(values[-1])
    known = RunResult(
        run=run,
        status=outcome.status if outcome else status or Status.INTERRUPTED,
        rule=rule,
        test=test,
        histories=dev,
        points=value_count_of_records(records),
        last_step=max((int(h.steps[-1]) for h in dev.values()), default=None),
        ended=outcome.time if outcome else None,
        error=outcome.error if outcome else None,
    )
    if known.status is not Status.COMPLETED:
        return known
    chosen = result_best_step(rule, dev)
    best: dict[Series, float] = {}
    elsewhere: dict[Series, int] = {}
    if chosen is None:
        return known
    for series, history in dev.items():
        at = int(np.searchsorted(history.steps, chosen, side="right")) - 1
        if at >= 0:
            best[series] = float(history.values[at])
            if history.steps[at] != chosen:
                elsewhere[series] = int(history.steps[at])
    return replace(known, best_step=chosen, best=best, best_steps=elsewhere)


def records_from_result(result: RunResult) -> list[Record]:
    """Records that lead to the given result, for runs without a run log.

    This is the inverse of :func:`run_result`, except for what a result does not hold: when each value was
    set, the earlier values of a step that was set twice, displays, and files.

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
    records: list[Record] = [_points_from_result_series(members, started) for members in together.values()]
    if result.test:
        step = np.array([result.last_step or 0], np.int64)
        tests = [(one, History(step, np.array([value]))) for one, value in result.test.items()]
        records.append(_points_from_result_series(tests, ended))
    records.append(result.rule)
    if result.status is not Status.RUNNING:
        records.append(Outcome(result.status, ended, result.error))
    return records


def _points_from_result_series(members: Sequence[tuple[Series, History]], time: float) -> Points:
    """Series with equal steps as one record; the time is in seconds since 1970."""
    steps = members[0][1].steps
    return Points(
        layouts=(tuple(series for series, _ in members),),
        layout=np.zeros(len(steps), np.uint32),
        steps=np.asarray(steps, np.int64),
        times=np.full(len(steps), time),
        values=np.column_stack([history.values for _, history in members]).ravel().astype(np.float64),
    )


def result_end_records(
    run: Run, records: Sequence[Record], outcome: Outcome
) -> tuple[RunResult, list[BestRule | Outcome]]:
    """End a run: a best step that cannot be chosen never keeps it from being completed.

    Args:
        run: the run.
        records: all its records.
        outcome: how it ends.

    Returns:
        the result, and the records that end the run.
    """
    try:
        return run_result(run, LazyRecords.chained(records, [outcome])), [outcome]
    except MetricError as error:
        problem = str(error) if str(error).endswith("?") else f"{error}."
        log.error("run %s: %s Its last step is the best one instead.", run.run_id, problem)  # noqa: TRY400
        rule = BestRule()
        return run_result(run, LazyRecords.chained(records, [rule, outcome])), [rule, outcome]
