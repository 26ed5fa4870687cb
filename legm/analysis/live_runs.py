"""Runs while they are written: their state, from the records that come, in bounded memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from legm.core.direction import decide_direction
from legm.core.results import result_outcome
from legm.core.rewinding import without_rewound
from legm.records import (
    BestRule,
    Curve,
    Outcome,
    Plain,
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
from legm.stats.downsampling import line

__all__ = ["EPOCH_TOTALS", "STEP_TOTALS", "LiveProgress", "LiveRun", "LiveSeries"]

STEP_TOTALS = ("max_steps", "total_steps", "num_steps", "n_steps", "train_steps", "num_training_steps")
"""Parameters that say how many steps a run has."""
EPOCH_TOTALS = ("epochs", "max_epochs", "num_epochs", "n_epochs", "num_train_epochs")
"""Parameters that say how many epochs a run has; they count only beside a dev metric ``epoch``."""
_EPOCH = Series("epoch")

_MOST_POINTS = 1024  # of a series in memory; more are downsampled
_BUCKETS = 64
_SAMPLES = 64  # of the newest steps, by which the speed is measured
_SPEED_SECONDS = 120.0  # over at most so long
_STALE = 5.0  # times the usual pause between two steps, after which a run is slower than it was


class LiveSeries:
    """The values of a dev metric, or the last one of a test metric.

    Args:
        series: the series.
    """

    def __init__(self, series: Series) -> None:
        self.series = series
        self.last = math.nan
        self.lowest = math.nan
        self.highest = math.nan
        self._points: list[tuple[int, float]] = []

    def add(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Add values in the order in which they were set."""
        self.last = values[-1]
        known = [one for one in (*values, self.lowest) if not math.isnan(one)]
        self.lowest = min(known, default=math.nan)
        self.highest = max((one for one in (*values, self.highest) if not math.isnan(one)), default=math.nan)
        self._points += zip(steps, values, strict=True)
        if len(self._points) > _MOST_POINTS:
            self._downsample()

    def curve(self) -> Curve:
        """The values by step, downsampled where there are many; also while another thread adds some."""
        points = self._points[::-1]
        steps, kept = np.unique(np.array([step for step, _ in points], np.int64), return_index=True)
        values = np.array([value for _, value in points], np.float64)[kept]
        return Curve(self.series.name, "", steps, values, values, values, np.ones(len(steps), np.int64))

    def _downsample(self) -> None:
        curve = self.curve()
        kept = line(curve, _BUCKETS).steps.astype(np.int64)
        at = np.searchsorted(curve.steps, kept)
        self._points = list(zip(curve.steps[at].tolist(), curve.center[at].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class LiveProgress:
    """How far a run is.

    Args:
        done: how many steps, or epochs.
        total: of how many; None where nothing says it.
        per_second: how many a second; None where it is not known yet.
        unit: "step" or "epoch".
    """

    done: float | None
    total: float | None
    per_second: float | None
    unit: str = "step"

    @property
    def seconds_left(self) -> float | None:
        """How long it takes until the total at this speed; None where that is unknown."""
        if self.done is None or self.total is None or not self.per_second:
            return None
        return max(0.0, self.total - self.done) / self.per_second


@dataclass(slots=True)
class _LiveSpeed:
    """How fast something counts, by its newest values."""

    samples: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_SAMPLES))

    def add(self, time: float, count: float) -> None:
        if not self.samples or count > self.samples[-1][1]:
            self.samples.append((time, count))
            while len(self.samples) > 2 and time - self.samples[0][0] > _SPEED_SECONDS:
                self.samples.popleft()

    def per_second(self, now: float) -> float | None:
        """How many a second; it falls while nothing comes for long."""
        if len(self.samples) < 2:
            return None
        (began, first), (ended, last) = self.samples[0], self.samples[-1]
        pause = (ended - began) / (len(self.samples) - 1)
        end = now if now - ended > _STALE * pause else ended
        return (last - first) / (end - began) if end > began else None


class LiveRun:
    """A run, and what its records say so far.

    Args:
        run: the run.
        total_name: the parameter that says how many steps a run has; None for those of ``STEP_TOTALS`` and
            ``EPOCH_TOTALS``.
    """

    def __init__(self, run: Run, total_name: str | None = None) -> None:
        self.run = run
        self._total_name = total_name
        self.is_written = True
        """Whether a process writes it, as far as is known."""
        self._clear()

    def _clear(self) -> None:
        self.series: dict[Series, LiveSeries] = {}
        self.rule = BestRule()
        self.last_step: int | None = None
        self.last_time: float | None = None
        self.outcome: Outcome | None = None
        self._speed, self._epochs = _LiveSpeed(), _LiveSpeed()
        self._first_step: int | None = None

    def restart(self, records: Sequence[Record]) -> None:
        """Begin again with all records, of which some are void."""
        self._clear()
        self.add(without_rewound(records))

    def add(self, records: Iterable[Record]) -> bool:
        """Add the next records.

        Returns:
            whether they can be added; a rewind cannot: see :meth:`restart`.
        """
        for record in records:
            if isinstance(record, Rewind):
                return False
            if isinstance(record, Points):
                self._add_points(record)
            elif isinstance(record, BestRule):
                self.rule = record
            if isinstance(record, (Points, BestRule, Resumption, Outcome)):
                known = [] if self.outcome is None else [self.outcome]
                self.outcome = result_outcome([*known, record])
            if isinstance(record, Resumption):
                self._speed, self._epochs = _LiveSpeed(), _LiveSpeed()
        return True

    def _add_points(self, points: Points) -> None:
        for layout, steps, times, values in points.blocks():
            if not len(times):
                continue
            self.last_time = max(self.last_time or 0.0, float(times[-1]))
            for at, series in enumerate(layout):
                if series.index is None:
                    own = self.series.setdefault(series, LiveSeries(series))
                    own.add(steps.tolist(), values[:, at].tolist())
                if series == _EPOCH:
                    for time, epoch in zip(times[-_SAMPLES:].tolist(), values[-_SAMPLES:, at], strict=True):
                        self._epochs.add(time, float(epoch))
            if layout and layout[0].split is Split.DEV:
                self.last_step = max(-1 if self.last_step is None else self.last_step, int(steps.max()))
                first = int(steps.min())
                self._first_step = first if self._first_step is None else min(first, self._first_step)
                for time, step in zip(times[-_SAMPLES:].tolist(), steps[-_SAMPLES:].tolist(), strict=True):
                    self._speed.add(time, step)

    @property
    def status(self) -> Status:
        """The run's status."""
        if self.outcome is not None:
            return self.outcome.status
        return Status.RUNNING if self.is_written else Status.INTERRUPTED

    @property
    def error(self) -> str | None:
        """The error of a failed run, or why it ended."""
        return None if self.outcome is None else self.outcome.error

    def progress(self, now: float) -> LiveProgress:
        """How far the run is.

        The total is a parameter's: the one that a user named, or one of :data:`STEP_TOTALS`; one of
        :data:`EPOCH_TOTALS` counts beside a dev metric ``epoch`` only, since steps may be anything.

        Args:
            now: seconds since 1970.
        """
        counts_from_0 = self._first_step == 0
        done = None if self.last_step is None else float(self.last_step + counts_from_0)
        speed = self._speed.per_second(now)
        names = STEP_TOTALS if self._total_name is None else (self._total_name,)
        total = self._total(names)
        epochs = self._total(EPOCH_TOTALS) if self._total_name is None and total is None else None
        if epochs is not None and _EPOCH in self.series:
            return LiveProgress(self.series[_EPOCH].last, epochs, self._epochs.per_second(now), "epoch")
        if total is not None and done is not None and done > total:
            total = None  # it counts something else
        return LiveProgress(done, total, speed)

    def _total(self, names: Iterable[str]) -> float | None:
        every: Mapping[str, Plain] = {**self.run.configuration.parameters, **self.run.parameters}
        for name in names:
            for known, value in every.items():
                is_named = name in {known, known.rpartition(".")[2]}
                if is_named and isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                    return float(value)
        return None

    def dev_metrics(self) -> list[str]:
        """The names of the dev metrics, sorted."""
        return sorted(one.name for one in self.series if one.split is Split.DEV)

    def main_metric(self) -> str | None:
        """The metric that chooses the best step, else one named loss, else the first; None without one."""
        names = self.dev_metrics()
        if self.rule.metric in names:
            return self.rule.metric
        by_name = [name for name in names if name.rpartition("/")[2].lower() in {"loss", "val_loss"}]
        return next(iter([*by_name, *(name for name in names if name != "epoch"), *names]), None)

    def best(self, metric: str) -> float:
        """The best value so far of a dev metric; NaN without one."""
        own = self.series.get(Series(metric))
        if own is None:
            return math.nan
        direction = decide_direction(metric, {self.rule: 1})
        return own.highest if direction.higher_better else own.lowest

    def result(self) -> RunResult:
        """The run as a selection is asked about it, without its series."""
        test = {one: of.last for one, of in self.series.items() if one.split is Split.TEST}
        return RunResult(
            self.run,
            self.status,
            self.rule,
            test=test,
            last_step=self.last_step,
            ended=None if self.outcome is None else self.outcome.time,
            error=self.error,
        )
