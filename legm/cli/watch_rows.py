"""What ``legm watch`` shows of the runs that it follows: a row for each, without the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.analysis.configuration_lookup import label_beside_logs
from legm.analysis.live_runs import LiveProgress, LiveRun, LiveSeries
from legm.analysis.run_tailer import RunTailer, TailedLog
from legm.cli.printing import printed_error_summary
from legm.console.console_options import console_path
from legm.console.console_reader import ConsoleTail
from legm.core.display_names import display_names
from legm.core.selection import BoundSelection, RunSelection
from legm.core.texts import exact_text, number_text
from legm.errors import LegmError
from legm.records import Curve, Series, Split, Status
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import result_with_marks
from legm.util.own_files import is_own_file

__all__ = [
    "SORT_KEYS",
    "WatchedDetails",
    "WatchedRow",
    "WatchedRuns",
    "rows_in_order",
    "watched_duration_text",
    "watched_progress_text",
]

_ORDER = (Status.RUNNING, Status.FAILED, Status.INTERRUPTED, Status.PRUNED, Status.COMPLETED)
_CONSOLE_LINES = 200


@dataclass(frozen=True, slots=True)
class WatchedRow:
    """A run as it is shown.

    Args:
        run_id: its id.
        experiment: the name of its experiment.
        name: of its configuration.
        status: its status.
        started: seconds since 1970.
        progress: how far it is.
        metric: the metric that is shown; "" without one.
        last, best: its last and best value; NaN without one.
        series: its values, of which more may come meanwhile; None without one.
        error: the line of its error that names it.
        silent: seconds since its last value; None before the first.
    """

    run_id: str
    experiment: str
    name: str
    status: Status
    started: float
    progress: LiveProgress
    metric: str
    last: float
    best: float
    series: LiveSeries | None
    error: str
    silent: float | None


@dataclass(frozen=True, slots=True)
class WatchedDetails:
    """All of one run.

    Args:
        row: the run as in the table.
        folder: of its configuration.
        parameters: by name, the value as text.
        metrics: the name of each, with its last and best value, and its values.
        error: the whole error.
        console: the last lines that it printed; None where it does not keep them.
    """

    row: WatchedRow
    folder: Path
    parameters: Mapping[str, str]
    metrics: list[tuple[str, float, float, Curve | None]]
    error: str
    console: list[str] | None


SORT_KEYS: Mapping[str, Callable[[WatchedRow], Any]] = {
    "status": lambda row: (_ORDER.index(row.status), -row.started),
    "started": lambda row: -row.started,
    "name": lambda row: (row.experiment, row.name, row.run_id),
    "step": lambda row: _missing_watched_last(row.progress.done, -1),
    "speed": lambda row: _missing_watched_last(row.progress.per_second, -1),
    "left": lambda row: _missing_watched_last(row.progress.seconds_left, 1),
    "last": lambda row: _missing_watched_last(row.last, 1),
    "best": lambda row: _missing_watched_last(row.best, 1),
}
"""By name, what rows can be sorted by; values that are missing, and NaN, come last."""


def _missing_watched_last(value: float | None, sign: int) -> tuple[bool, float]:
    is_missing = value is None or math.isnan(value)
    return is_missing, 0.0 if value is None or is_missing else sign * value


def rows_in_order(rows: Iterable[WatchedRow], by: str, *, is_reversed: bool) -> list[WatchedRow]:
    """Rows sorted by one of ``SORT_KEYS``."""
    return sorted(rows, key=SORT_KEYS[by], reverse=is_reversed)


def watched_duration_text(seconds: float | None) -> str:
    """A duration with its two largest units: ``3 h 05 m``; "" for none."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for size, unit, small, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size:,} {unit} {whole % size // small:02d} {below}"
    return ""


class WatchedRuns:
    """The runs that are followed, as rows; it is used by one thread at a time.

    Args:
        tailer: follows the logs.
        selection: which runs are wanted.
    """

    def __init__(self, tailer: RunTailer, selection: RunSelection) -> None:
        self._tailer = tailer
        self._selection = selection
        self._names: dict[str, str] = {}
        self._named: frozenset[tuple[str, str]] = frozenset()
        self._console: tuple[Path, ConsoleTail, list[str]] | None = None
        self.problem = ""
        """Why the selection selects nothing; "" if it does not."""

    def poll(self, metric: str | None = None, more: RunSelection | None = None) -> list[WatchedRow]:
        """Read what has come, and return the rows of the runs that are selected.

        Args:
            metric: the metric to show; None for each run's own.
            more: which of the runs are wanted beside ``selection``.
        """
        self._tailer.poll()
        self._set_names()
        now = time.time()
        is_wanted = self._filter(more)
        return [
            self._row(run_id, one, metric, now) for run_id, one in self._tailer.runs.items() if is_wanted(one)
        ]

    def metrics(self) -> list[str]:
        """The dev metrics of the runs, sorted."""
        return sorted({name for one in self._tailer.runs.values() for name in one.live.dev_metrics()})

    def _filter(self, more: RunSelection | None) -> Callable[[TailedLog], bool]:
        self.problem = ""
        bound = []
        configurations = [one.live.run.configuration for one in self._tailer.runs.values()]
        for selection in (self._selection, more):
            if selection:
                try:
                    bound.append(selection.bound(configurations))
                except LegmError as error:
                    self.problem = str(error) if configurations else ""
                    return lambda _: False
        return lambda one: all(self._has(each, one) for each in bound)

    def _has(self, bound: BoundSelection, one: TailedLog) -> bool:
        try:
            return bound.has_run(result_with_marks(one.live.result(), LogFolder.containing(one.path)))
        except LegmError as error:
            self.problem = str(error)
            return False

    def _set_names(self) -> None:
        named = frozenset(
            (one.live.run.configuration.fingerprint, str(one.folder)) for one in self._tailer.runs.values()
        )
        if named == self._named:
            return
        self._named, self._names = named, {}
        of: dict[str, dict[str, tuple[Any, str]]] = {}
        for one in self._tailer.runs.values():
            found = one.live.run.configuration
            label = label_beside_logs(found, LogFolder.containing(one.path))
            of.setdefault(found.experiment, {})[found.fingerprint] = (found, label)
        for members in of.values():
            labels = {key: label for key, (_, label) in members.items()}
            self._names |= display_names([found for found, _ in members.values()], labels)

    def _row(self, run_id: str, one: TailedLog, metric: str | None, now: float) -> WatchedRow:
        live = one.live
        shown = (live.main_metric() if metric is None else metric) or ""
        series = live.series.get(Series(shown))
        return WatchedRow(
            run_id=run_id,
            experiment=live.run.configuration.experiment,
            name=self._names[live.run.configuration.fingerprint],
            status=live.status,
            started=live.run.started,
            progress=live.progress(now)
            if live.status is Status.RUNNING
            else _ended_watched_progress(live, now),
            metric=shown if series is not None else "",
            last=math.nan if series is None else series.last,
            best=live.best(shown),
            series=series,
            error=printed_error_summary(live.error),
            silent=None if live.last_time is None else max(0.0, now - live.last_time),
        )

    def details(self, run_id: str) -> WatchedDetails | None:
        """All of a run; None for one that is gone."""
        one = self._tailer.runs.get(run_id)
        if one is None:
            return None
        live, run = one.live, one.live.run
        metrics = [(name, live.series[Series(name)].last, live.best(name)) for name in live.dev_metrics()]
        every: list[tuple[str, float, float, Curve | None]] = [
            (name, last, best, live.series[Series(name)].curve()) for name, last, best in metrics
        ]
        every += [
            (f"test {series.name}", own.last, own.last, None)
            for series, own in sorted(live.series.items(), key=lambda item: item[0].name)
            if series.split is Split.TEST
        ]
        values = {**run.configuration.parameters, **run.parameters}
        return WatchedDetails(
            self._row(run_id, one, None, time.time()),
            one.folder,
            {name: exact_text(value) for name, value in values.items()},
            every,
            live.error or "",
            self._console_lines(one.folder, console_path(one.folder, run_id)),
        )

    def _console_lines(self, folder: Path, path: Path) -> list[str] | None:
        if self._console is None or self._console[0] != path:
            self._console = path, ConsoleTail(path, _CONSOLE_LINES, folder=folder), []
        _, tail, lines = self._console
        if not is_own_file(folder, path):
            return None
        replaced, new = tail.read()
        lines[len(lines) - replaced :] = [line.text for line in new]
        del lines[:-_CONSOLE_LINES]
        return lines

    def as_dicts(self) -> list[dict[str, Any]]:
        """What there is now, for JSON."""
        found = []
        for row in rows_in_order(self.poll(), "status", is_reversed=False):
            one = self._tailer.runs[row.run_id]
            live = one.live
            found.append(
                {
                    "run_id": row.run_id,
                    "experiment": row.experiment,
                    "configuration": row.name,
                    "fingerprint": live.run.configuration.fingerprint,
                    "folder": str(one.folder),
                    "description": live.run.description,
                    "status": row.status.value,
                    "started": row.started,
                    "last_step": live.last_step,
                    "done": row.progress.done,
                    "total": row.progress.total,
                    "unit": row.progress.unit,
                    "per_second": row.progress.per_second,
                    "seconds_left": row.progress.seconds_left,
                    "metrics": {
                        name: {"last": live.series[Series(name)].last, "best": live.best(name)}
                        for name in live.dev_metrics()
                    },
                    "test": {
                        series.name: own.last
                        for series, own in live.series.items()
                        if series.split is Split.TEST
                    },
                    "error": live.error,
                }
            )
        return found


def _ended_watched_progress(live: LiveRun, now: float) -> LiveProgress:
    """How far a run was when it ended; it has no speed."""
    found = live.progress(now)
    return LiveProgress(found.done, found.total, None, found.unit)


def watched_progress_text(progress: LiveProgress) -> str:
    """How far a run is: ``1,200/5,000``; "" before its first step."""
    if progress.done is None or math.isnan(progress.done):
        return ""
    done = f"{progress.done:,.0f}" if progress.unit == "step" else number_text(progress.done)
    total = "" if progress.total is None else f"/{progress.total:,.0f}"
    return f"{done}{total}{' ep' if progress.unit == 'epoch' else ''}"
