"""The immutable records that cross every boundary.

A run is a log of records: its :class:`Run` first, then :class:`Points`, :class:`BestRule`,
:class:`Display`, :class:`Artifact` in the order they were made, and an :class:`Outcome` when it ends.
What is read back from a backend is a :class:`RunResult`, or a :class:`RunCounts` of several; what is computed
over these is a :class:`Summary` or a :class:`Curve`. Records are never changed once they exist.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

__all__ = [
    "Aggregate",
    "Artifact",
    "BestRule",
    "Comparison",
    "Configuration",
    "Curve",
    "Display",
    "History",
    "Outcome",
    "Plain",
    "Points",
    "Query",
    "Ranked",
    "Record",
    "Run",
    "RunCounts",
    "RunResult",
    "Series",
    "Split",
    "Status",
    "Summary",
]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.float64]
    IntArray: TypeAlias = NDArray[np.int64]

Plain: TypeAlias = Any
"""A plain value, which is None, bool, int, float, str, a list or a dict by str."""


class Split(enum.Enum):
    """Which data a metric was measured on."""

    DEV = "dev"
    TEST = "test"


class Status(enum.Enum):
    """How far a run has come. Only completed runs are ever aggregated."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Series:
    """What a number belongs to: a metric, its split and, for an indexed metric, the example."""

    name: str
    split: Split = Split.DEV
    index: str | None = None

    def __str__(self) -> str:
        place = self.split.value + "/" + self.name
        return place if self.index is None else f"{place}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One set of active hyperparameters of an experiment.

    Args:
        experiment: the experiment, as the user named it.
        fingerprint: the identity; equal for equal configurations, on every machine and backend.
        name: the readable name, safe as a file name, without the number that tells apart equal names.
        parameters: every parameter in plain form.
        active: the names of the parameters that count, sorted.
        metadata: what the metadata came to, by parameter.
    """

    experiment: str
    fingerprint: str
    name: str
    parameters: Mapping[str, Plain]
    active: tuple[str, ...]
    metadata: Mapping[str, Mapping[str, Plain]]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a configuration, as it is known when it begins.

    Args:
        run_id: unique over all machines; sorts by the time of the start; safe as a file name.
        configuration: what is run.
        description: tells apart runs of one configuration; "" for none.
        started: seconds since 1970 (UTC).
        parameters: the parameters that do not count (seed, device, …), whose values are this run's.
        environment: where it runs: host, process id, Python, legm's version.
    """

    run_id: str
    configuration: Configuration
    description: str
    started: float
    parameters: Mapping[str, Plain] = field(default_factory=dict)
    environment: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Points:
    """Rows of numbers in the order they were set, stored by column.

    A row holds the values of one layout (a tuple of series) at one step and time. With ``n`` rows,
    ``layout``, ``steps`` and ``times`` have shape (n,); ``values`` is one row after the other, its
    length the sum of the rows' widths. ``layouts`` may name layouts that no row of this record uses.
    """

    layouts: tuple[tuple[Series, ...], ...]
    layout: NDArray[np.uint32]
    steps: IntArray
    times: FloatArray
    values: FloatArray

    def __len__(self) -> int:
        """How many numbers, not rows."""
        return len(self.values)

    def blocks(self) -> Iterator[tuple[tuple[Series, ...], IntArray, FloatArray, FloatArray]]:
        """For each layout in use: its series, the steps (n,), the times (n,), the values (n, width).

        Within one layout the order in which rows were set is kept.
        """
        for series, rows, values in self.located_blocks():
            yield series, self.steps[rows], self.times[rows], values

    def located_blocks(self) -> Iterator[tuple[tuple[Series, ...], IntArray, FloatArray]]:
        """For each layout in use: its series, the numbers of its rows (n,), the values (n, width)."""
        import numpy as np

        widths = np.array([len(series) for series in self.layouts], np.int64)
        starts = np.zeros(len(self.layout), np.int64)
        np.cumsum(widths[self.layout[:-1]], out=starts[1:])
        for number in np.unique(self.layout):
            rows = np.flatnonzero(self.layout == number)
            width = int(widths[number])
            if len(rows) == len(self.layout):
                values = self.values.reshape(len(rows), width)
            else:
                values = self.values[starts[rows][:, None] + np.arange(width)]
            yield self.layouts[int(number)], rows, values

    def rows(self) -> Iterator[tuple[tuple[Series, ...], int, float, list[float]]]:
        """Each row in the order it was set: its series, step, time (s), values."""
        at = 0
        values = self.values.tolist()
        for number, step, time in zip(
            self.layout.tolist(), self.steps.tolist(), self.times.tolist(), strict=True
        ):
            series = self.layouts[number]
            yield series, step, time, values[at : at + len(series)]
            at += len(series)


@dataclass(frozen=True, slots=True)
class BestRule:
    """How the best step is chosen: "last", or "early_stopping" by a given step or by a metric."""

    method: str = "last"
    step: int | None = None
    metric: str | None = None
    higher_better: bool = True


@dataclass(frozen=True, slots=True)
class Display:
    """A scalar or a text put beside the run's own in TensorBoard; it is no metric."""

    name: str
    value: float | str
    step: int
    time: float


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that was given to the run to keep: its name in the run, and where it is now."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, when (s since 1970), and with which error."""

    status: Status
    time: float
    error: str | None = None


Record: TypeAlias = Points | BestRule | Display | Artifact | Outcome


@dataclass(frozen=True, slots=True)
class History:
    """One series of a run: steps (n,) rising strictly, and values (n,); a step's last value counts."""

    steps: IntArray
    values: FloatArray


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run as it is read back, or as it was when it ended.

    Args:
        run: the run.
        status: only COMPLETED counts in aggregates.
        rule: how the best step was chosen.
        best_step: the chosen step, None where there was no dev metric.
        best: the value of every dev series at the best step.
        best_steps: the step that was used instead, for series that have none at ``best_step``.
        test: the last value of every test series.
        histories: the dev series that were asked for.
        points: how many numbers were set, dev and test.
        last_step: the largest step of any dev series.
        ended: seconds since 1970, None while unknown.
        error: what ended a failed run.
    """

    run: Run
    status: Status
    rule: BestRule = BestRule()
    best_step: int | None = None
    best: Mapping[Series, float] = field(default_factory=dict)
    best_steps: Mapping[Series, int] = field(default_factory=dict)
    test: Mapping[Series, float] = field(default_factory=dict)
    histories: Mapping[Series, History] = field(default_factory=dict)
    points: int = 0
    last_step: int | None = None
    ended: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunCounts:
    """A configuration's runs of one description: how many of each kind, and their values without the series.

    Args:
        configuration: whose runs they are.
        description: the runs' description; "" for none.
        completed, failed, interrupted, running: how many there are of each kind; all 0 where the
            configuration has no run.
        values: by a summary's key (``best_loss``, ``test_accuracy``), the values of the completed runs that
            have it; metrics that aggregate over all their values are not among them.
        indexed: the keys of metrics that have a value for each index, which are not among ``values``.
        last: when the newest of the runs ended, or began if it goes on (s since 1970); None without runs.
        folder: where the configuration lives, if it lives in a folder.
    """

    configuration: Configuration
    description: str = ""
    completed: int = 0
    failed: int = 0
    interrupted: int = 0
    running: int = 0
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()
    last: float | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs to read, and how much of each.

    Args:
        experiment: the experiment's name.
        fingerprint: only this configuration's; None for all of the experiment.
        description: only runs with this description; None for all.
        histories: the names of the dev metrics whose series are wanted; None for all of them.
    """

    experiment: str
    fingerprint: str | None = None
    description: str | None = None
    histories: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One metric over runs.

    Args:
        mean, std: as the method defines them; NaN where nothing could be used.
        n: how many values were used.
        nan: how many values were NaN, and so not used.
        fields: what the method adds (``median``, ``lower``, …).
    """

    mean: float
    std: float
    n: int
    nan: int
    method: str
    fields: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """Aggregates of one configuration and description.

    Args:
        values: by ``best_<metric>``, ``test_<metric>``, ``time``, ``time_per_sample``; for an indexed
            metric a mapping from index to aggregate.
        completed, failed, interrupted: how many runs there were of each kind.
    """

    values: Mapping[str, Aggregate | Mapping[str, Aggregate]]
    completed: int
    failed: int
    interrupted: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A dev metric over runs, at every step that any run has.

    Args:
        metric: its name.
        method: the aggregation's.
        steps: shape (n,), rising strictly.
        center: shape (n,), the mean or median.
        lower, upper: shape (n,), the spread around it.
        runs: shape (n,), how many runs had a value there.
    """

    metric: str
    method: str
    steps: IntArray
    center: FloatArray
    lower: FloatArray
    upper: FloatArray
    runs: IntArray


@dataclass(frozen=True, slots=True)
class Ranked:
    """A place in :meth:`legm.ExperimentHandler.get_best`'s ranking, best first.

    Args:
        configuration: what was ranked; ``folder`` is where it lives, if it lives in a folder.
        value: its aggregate of the metric.
        completed, failed, interrupted: its runs of each kind.
    """

    configuration: Configuration
    value: Aggregate
    completed: int
    failed: int
    interrupted: int
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two configurations beside each other by one metric; ``str()`` of it is for a person.

    What is undefined is NaN, and a note says why.

    Args:
        a, b: the configurations.
        metric: the key: ``best_<metric>``, ``test_<metric>``, ``time`` or ``time_per_sample``.
        mean_a, mean_b: over what was compared; a seed's mean where one seed has several runs.
        n_a, n_b: how many runs were compared.
        difference: a - b.
        lower, upper: the ends of its confidence interval.
        level: the interval's coverage, in (0, 1).
        p: the two-sided p-value of a permutation test.
        p_adjusted: the same, corrected for all the comparisons that were made at once.
        paired: whether runs with equal seeds were compared with each other.
        pairs: how many seeds both have; 0 where it is not paired.
        seeds: the parameters that were taken for the seed.
        method: "exact" where every arrangement of the values was looked at, "sampled" where some drawn at
            random were; "" without a test.
        arrangements: how many were looked at; 0 without a test.
        notes: what a person should know, such as which runs were left out.
    """

    a: Configuration
    b: Configuration
    metric: str
    mean_a: float
    mean_b: float
    n_a: int
    n_b: int
    difference: float
    lower: float
    upper: float
    level: float
    p: float
    p_adjusted: float
    paired: bool
    pairs: int
    seeds: tuple[str, ...]
    method: str
    arrangements: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        a, b = self.a.name, self.b.name
        if not a or not b or a == b:
            a, b = self.a.fingerprint, self.b.fingerprint
        kind = f"{self.pairs} pairs by {' and '.join(self.seeds)}" if self.paired else "not paired"
        interval = f", {100 * self.level:.6g} % interval {self.lower:.6g} to {self.upper:.6g}"
        adjusted = "" if self.p_adjusted == self.p else f", {self.p_adjusted:.3g} adjusted"
        p = f"p = {self.p:.3g}{adjusted} ({self.method}, {self.arrangements} arrangements)"
        lines = [
            f"{self.metric} of a = {a} and b = {b}",
            f"a: {self.mean_a:.6g} ({self.n_a} runs), b: {self.mean_b:.6g} ({self.n_b} runs), {kind}",
            f"a - b = {self.difference:.6g}" + (interval if self.lower <= self.upper else ""),
            *([p] if self.arrangements else []),
            *self.notes,
        ]
        return "\n".join(lines)
