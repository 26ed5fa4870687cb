"""The series of runs: from their logs, which have the times, or else as the store has them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from legm.core.results import result_records
from legm.core.rewinding import without_rewound
from legm.core.series_rows import rows_by_series
from legm.errors import CorruptFile, LegmError, MetricError, closest
from legm.records import History, Points, Record, RunResult, Series, Split, Status
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import Log, read_intact_log, read_log
from legm.tables.history_table import AXES, RunSeries, SeriesRows
from legm.tables.sources import StoredConfiguration, StoredResult, TableSource

__all__ = [
    "SeriesReader",
    "read_results_with_series",
    "read_series_of_records",
    "read_series_of_result",
]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SeriesReader:
    """Reads the series of runs.

    Args:
        source: where the runs are.
        metrics: the metrics that are wanted; None for all.
        x: the horizontal axis: "step", "time" or a metric.
        known: the metrics that the runs have.
        with_times: whether the times of the values are wanted.
    """

    source: TableSource
    metrics: frozenset[str] | None
    x: str = "step"
    known: set[Series] = field(default_factory=set)
    with_times: bool = True

    def read(self, configuration: StoredConfiguration, runs: Sequence[StoredResult]) -> Iterator[RunSeries]:
        """The series of runs of a configuration.

        Args:
            configuration: the configuration.
            runs: those of its runs that are wanted.
        """
        logged = [None if one.log is None else self._rows_in_log(one.result, one.log) for one in runs]
        if all(one is not None and one[1] for one in logged):
            stored = {}
        else:
            metrics = None if self.metrics is None else self.metrics | {self.x}
            wanted = {
                one.result.run.run_id
                for one, found in zip(runs, logged, strict=True)
                if found is None or not found[1]
            }
            stored = {
                one.run.run_id: one
                for one in self.source.series(configuration, metrics)
                if one.run.run_id in wanted
            }
        for one, found in zip(runs, logged, strict=True):
            rows = [] if found is None else found[0]
            own = stored.get(one.result.run.run_id)
            if own is not None and (found is None or one.result.status is not Status.RUNNING):
                rows = list(read_series_of_result(own, self._is_wanted))
            yield self._series_of(one.result, configuration.label, rows)

    def require_metrics(self) -> None:
        """Refuse metrics that no run has.

        Raises:
            MetricError: one is unknown.
        """
        names = {series.name for series in self.known}
        for name in sorted((self.metrics or frozenset()) - names):
            raise MetricError(f"no run has the metric {name!r}; {closest(name, names)}")
        if self.x not in AXES and Series(self.x) not in self.known:
            axes = {series.name for series in self.known if series == Series(series.name)}
            raise MetricError(f"x is 'step', 'time' or a dev metric, not {self.x!r}; {closest(self.x, axes)}")

    def _is_wanted(self, series: Series) -> bool:
        self.known.add(series)
        return self.metrics is None or series.name in self.metrics or series == Series(self.x)

    def _series_of(self, result: RunResult, label: str, rows: Sequence[SeriesRows]) -> RunSeries:
        x = None if self.x in AXES else next((one for one in rows if one.series == Series(self.x)), None)
        shown = [one for one in rows if self.metrics is None or one.series.name in self.metrics]
        return RunSeries(result, label, shown, x)

    def _rows_in_log(self, result: RunResult, path: Path) -> tuple[list[SeriesRows], bool] | None:
        """The series in a run's log, and whether the store has the same; None where it cannot be read."""
        found = _read_series_from_log(path, result)
        if found is None:
            return None
        is_running = result.status is Status.RUNNING  # if it is running again, it counts as logged
        status = Status.COMPLETED if is_running else result.status
        records = without_rewound(result_records(found.records, status))
        points = sum(len(record) for record in records if isinstance(record, Points))
        rows = list(read_series_of_records(records, self._is_wanted, with_times=self.with_times))
        agrees = points == result.points and all(_agrees_with_read_series(one, result) for one in rows)
        return rows, agrees or is_running


def read_results_with_series(source: TableSource, configuration: StoredConfiguration) -> list[RunResult]:
    """The runs of a configuration, of any status, with all series of dev metrics.

    Args:
        source: where the runs are.
        configuration: the configuration.
    """
    results = list(source.results(configuration))
    unread = [one for one in results if not one.result.histories]
    found = {
        one.result.run.run_id: {
            rows.series: History(rows.steps, rows.values) for rows in one.rows if rows.steps is not None
        }
        for one in SeriesReader(source, None, with_times=False).read(configuration, unread)
    }
    return [
        replace(one.result, histories=found.get(one.result.run.run_id, one.result.histories))
        for one in results
    ]


def _read_all_series(_: Series) -> bool:
    return True


def read_series_of_records(
    records: Sequence[Record],
    is_wanted: Callable[[Series], bool] = _read_all_series,
    *,
    with_times: bool = True,
) -> Iterator[SeriesRows]:
    """The series in the records that make a run's result.

    Args:
        records: the records.
        is_wanted: whether a series is wanted.
        with_times: whether the times of the values are.
    """
    kept = without_rewound(records)
    for series, (steps, times, values) in rows_by_series(kept, is_wanted, with_times=with_times):
        is_dev = series.split is Split.DEV
        yield SeriesRows(series, steps if is_dev else None, times if with_times else None, values)


def read_series_of_result(
    result: RunResult, is_wanted: Callable[[Series], bool] = _read_all_series
) -> Iterator[SeriesRows]:
    """The series of a result, of which the times are not known.

    Args:
        result: with its series.
        is_wanted: whether a series is wanted.
    """
    for series, history in result.histories.items():
        if is_wanted(series):
            yield SeriesRows(series, history.steps, None, history.values)
    for series, value in result.test.items():
        if is_wanted(series):
            yield SeriesRows(series, None, None, np.array([value]))


def _read_series_from_log(path: Path, result: RunResult) -> Log | None:
    try:
        found = LogFolder.containing(path).follow(path, read_log)
        return None if found is None else found[0]
    except CorruptFile as error:
        intact = None
        if result.status is not Status.COMPLETED:  # nothing else has it
            intact = read_intact_log(error.path, result.run.configuration)
        return None if intact is None else intact[0]
    except LegmError as error:
        log.error("%s", error)  # noqa: TRY400
        return None


def _agrees_with_read_series(rows: SeriesRows, result: RunResult) -> bool:
    """Whether the value that counts is that of the stored result."""
    if rows.steps is None:
        return _is_same_series_value(float(rows.values[-1]), result.test.get(rows.series))
    if result.best_step is None:
        return True
    at = int(np.searchsorted(rows.steps, result.best_step, side="right")) - 1
    return _is_same_series_value(float(rows.values[at]) if at >= 0 else None, result.best.get(rows.series))


def _is_same_series_value(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or (math.isnan(a) and math.isnan(b))
