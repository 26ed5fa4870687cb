"""The immutable records that all parts of legm exchange.

A run is a log of records: first its :class:`Run`, then :class:`Points`, :class:`BestRule`, :class:`Display`,
:class:`Artifact` and :class:`Media` in the order they were recorded, and an :class:`Outcome` when it ends. A
run that is resumed continues with a :class:`Resumption`, and a :class:`Rewind` where training went back to a
checkpoint. What becomes known of where it runs follows as an :class:`EnvironmentUpdate`. A user who changes
its configuration later appends an :class:`Amendment`. A backend returns a
:class:`RunResult` for each run, or a :class:`RunCounts` for several. Statistics over these are a
:class:`Summary` or a :class:`Curve`.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from legm.errors import LegmError

__all__ = [
    "Adoption",
    "Aggregate",
    "Amendment",
    "Artifact",
    "BestRule",
    "ChangeKind",
    "Comparison",
    "Configuration",
    "ConfigurationStatus",
    "Curve",
    "Direction",
    "Display",
    "EnvironmentUpdate",
    "History",
    "Media",
    "MediaFile",
    "MediaKind",
    "Outcome",
    "Plain",
    "Points",
    "Query",
    "Ranked",
    "RankedGroup",
    "Record",
    "Resumption",
    "Rewind",
    "Run",
    "RunCounts",
    "RunMarks",
    "RunResult",
    "Series",
    "Split",
    "Status",
    "StoredChange",
    "StoredFile",
    "StoredRun",
    "Summary",
]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.float64]
    IntArray: TypeAlias = NDArray[np.int64]

Plain: TypeAlias = Any
"""A plain value, which is None, bool, int, float, str, a list or a dict by str."""


_FILE_NAME = re.compile(r"(?!\.)[^/\\:*?\"<>|]{1,255}(?<![. ])")
_FINGERPRINT = re.compile(r"[\w-]{1,200}", re.ASCII)


def is_record_file_name(text: str) -> bool:
    """Whether a text names a file in a folder on every system, as run ids and configurations' names do."""
    return _FILE_NAME.fullmatch(text) is not None and text.isprintable()


class Split(enum.Enum):
    """The data that a metric was measured on."""

    DEV = "dev"
    TEST = "test"

    __hash__ = object.__hash__  # members are compared by identity; that of Enum takes three times as long


class Status(enum.Enum):
    """The state of a run. Only completed runs are aggregated."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    PRUNED = "pruned"
    """Stopped on purpose before its end."""


@dataclass(frozen=True, slots=True)
class Series:
    """What a number is a value of.

    Args:
        name: the metric's name.
        split: whether it is a dev or a test metric.
        index: the example, for an indexed metric; None for a metric of the whole run.
    """

    name: str
    split: Split = Split.DEV
    index: str | None = None

    def __str__(self) -> str:
        name = f"{self.split.value}/{self.name}"
        return name if self.index is None else f"{name}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One set of active hyperparameters of an experiment.

    Args:
        experiment: the experiment's name, as the user gave it.
        fingerprint: the identity; equal for equal configurations, on every machine and backend.
        name: the readable name, safe as a file name, without the number that distinguishes equal names.
        parameters: every parameter in plain form, by name.
        active: the names of the active parameters, sorted; only these are compared.
        metadata: the evaluated metadata, by parameter.
    """

    experiment: str
    fingerprint: str
    name: str
    parameters: Mapping[str, Plain]
    active: tuple[str, ...]
    metadata: Mapping[str, Mapping[str, Plain]]

    def __post_init__(self) -> None:
        """Refuse what would lead out of a folder, wherever the configuration was read.

        Raises:
            ValueError: the fingerprint or the name is not one that legm makes.
        """
        if self.fingerprint and not _FINGERPRINT.fullmatch(self.fingerprint):
            raise ValueError(f"{self.fingerprint!r} is not a fingerprint")
        if self.name and not is_record_file_name(self.name):
            raise ValueError(f"the configuration's name {self.name!r} is not a safe file name")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a configuration, as known when it starts.

    Args:
        run_id: unique across machines, sorts by start time, safe as a file name; "" only where a run stands
            for its configuration.
        configuration: the configuration that is run.
        description: distinguishes groups of runs of one configuration; "" for none.
        started: seconds since 1970 (UTC).
        parameters: the parameters that are not compared (seed, device, …), with this run's values.
        environment: where it runs: host, process id, Python version, legm version, and what else is known. Of
            a resumed run this is the last stretch's, and ``stretches`` lists each one's, oldest first, with
            ``started`` (s since 1970).
    """

    run_id: str
    configuration: Configuration
    description: str
    started: float
    parameters: Mapping[str, Plain] = field(default_factory=dict)
    environment: Mapping[str, Plain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would lead out of a folder, wherever the run was read.

        Raises:
            ValueError: the id is not a safe file name.
        """
        if self.run_id and not is_record_file_name(self.run_id):
            raise ValueError(f"the run id {self.run_id!r} is not a safe file name")


@dataclass(frozen=True, slots=True)
class Points:
    """Rows of numbers in the order they were set, stored by column.

    A row holds the values of one layout (a tuple of series) at one step and time.

    Args:
        layouts: all layouts; some may be unused by the rows of this record.
        layout: shape (n,), the index in ``layouts`` for each of n rows.
        steps: shape (n,).
        times: shape (n,), in seconds since 1970.
        values: the rows' values, concatenated; as long as the widths of the rows' layouts together.
    """

    layouts: tuple[tuple[Series, ...], ...]
    layout: NDArray[np.uint32]
    steps: IntArray
    times: FloatArray
    values: FloatArray

    def __len__(self) -> int:
        """The number of values, not of rows."""
        return len(self.values)

    def blocks(self) -> Iterator[tuple[tuple[Series, ...], IntArray, FloatArray, FloatArray]]:
        """For each layout in use: its series, steps (n,), times (n,) and values (n, width).

        The rows of a layout stay in the order in which they were set.

        Yields:
            series, steps, times and values.
        """
        only = self._only_layout()
        if only is not None:
            yield only, self.steps, self.times, self.values.reshape(len(self.steps), len(only))
            return
        for series, rows, values in self.located_blocks():
            yield series, self.steps[rows], self.times[rows], values

    def located_blocks(self) -> Iterator[tuple[tuple[Series, ...], IntArray, FloatArray]]:
        """For each layout in use: its series, the indices of its rows (n,) and the values (n, width).

        Yields:
            series, row indices and values.
        """
        import numpy as np

        if not len(self.layout):
            return
        only = self._only_layout()
        if only is not None:
            rows = np.arange(len(self.layout))
            yield only, rows, self.values.reshape(len(rows), len(only))
            return
        widths = np.array([len(series) for series in self.layouts], np.int64)
        starts = np.zeros(len(self.layout), np.int64)
        np.cumsum(widths[self.layout[:-1]], out=starts[1:])
        order = np.argsort(self.layout, kind="stable")
        numbers, firsts = np.unique(self.layout[order], return_index=True)
        for number, rows in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            yield self.layouts[number], rows, self.values[starts[rows][:, None] + np.arange(widths[number])]

    def _only_layout(self) -> tuple[Series, ...] | None:
        """The layout of all rows; None where there are several, or no row."""
        if not len(self.layout) or not (self.layout == self.layout[0]).all():
            return None
        return self.layouts[int(self.layout[0])]

    def rows(self) -> Iterator[tuple[tuple[Series, ...], int, float, list[float]]]:
        """The rows in the order in which they were set.

        Yields:
            series, step, time (s since 1970) and values.
        """
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
    """How the best step is chosen.

    Args:
        method: "last" or "early_stopping".
        step: the step, for early stopping at a given step.
        metric: the dev metric, for early stopping by a metric.
        higher_better: whether a higher value of the metric is better.
    """

    method: str = "last"
    step: int | None = None
    metric: str | None = None
    higher_better: bool = True


@dataclass(frozen=True, slots=True)
class Direction:
    """Whether higher or lower values of a metric are better, and why; ``str()`` of it says both.

    Args:
        higher_better: whether higher values are better.
        because: "asked" by the user; "rule": as the runs' best rules say; "name": a word in the
            metric's name; "default": none of these.
        runs: how many runs' best rules say so.
        against: how many say the opposite.
    """

    higher_better: bool = True
    because: str = "default"
    runs: int = 0
    against: int = 0

    def __str__(self) -> str:
        better, worse = ("higher", "lower") if self.higher_better else ("lower", "higher")
        why = {
            "asked": "as asked",
            "rule": "by the best rule",
            "name": "by its name",
            "default": "by default",
        }[self.because]
        if self.against:
            why += f"; the runs' best rules conflict: {self.runs} say{'s' * (self.runs == 1)} {better}, "
            why += f"{self.against} say{'s' * (self.against == 1)} {worse}"
        return f"{better} is better, {why}"


@dataclass(frozen=True, slots=True)
class Display:
    """A scalar or text that is shown in TensorBoard but is not a metric.

    Args:
        name: the name under which it is shown.
        value: the number or text.
        step: the step.
        time: seconds since 1970 (UTC).
    """

    name: str
    value: float | str
    step: int
    time: float


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that is kept with the run.

    Args:
        name: its name in the run.
        path: its current path.
    """

    name: str
    path: str


class MediaKind(enum.Enum):
    """What a medium is, and how its files hold it."""

    IMAGE = "image"
    """Pictures, as PNG or in the format in which the user had a file."""
    FIGURE = "figure"
    """A drawn figure, as PNG for Matplotlib and as Plotly's JSON (``.plotly.json``) for Plotly."""
    AUDIO = "audio"
    """Sound, as WAV or in the format in which the user had a file."""
    VIDEO = "video"
    """A video, in the user's format."""
    HISTOGRAM = "histogram"
    """Counts by bin, as JSON with ``edges`` (n + 1), ``counts`` (n) and how many values were left out."""
    TEXT = "text"
    """A text in UTF-8."""
    TABLE = "table"
    """Columns and rows, as JSON with ``columns``, ``types`` and ``data``, a list of rows."""
    HTML = "html"
    """A page."""
    OBJECT3D = "object3d"
    """A scene or a cloud of points, in its source's format."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file of a medium.

    Args:
        path: its current path.
        digest: the SHA-256 of its content in hexadecimal digits, which names it.
        caption: "" for none.
        details: what is known of it beside its content, such as ``rate`` of a sound (Hz).
    """

    path: str
    digest: str
    caption: str = ""
    details: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a sound, a table or the like that a run had at a step; several pictures may be one record.

    Args:
        name: the name under which it is shown.
        kind: what it is.
        files: at least one.
        step: the step.
        time: seconds since 1970 (UTC).
    """

    name: str
    kind: MediaKind
    files: tuple[MediaFile, ...]
    step: int
    time: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Args:
        status: the final status.
        time: when it ended, in seconds since 1970 (UTC).
        error: the error of a failed run; None without one.
    """

    status: Status
    time: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Resumption:
    """Another process continues the run.

    Args:
        time: when it began to, in seconds since 1970.
        environment: where it runs, as in :class:`Run`.
    """

    time: float
    environment: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rewind:
    """Training went back to a step: earlier dev values and displays at a later step count as never set.

    Args:
        step: the last step that stays.
        time: when, in seconds since 1970.
    """

    step: int
    time: float


@dataclass(frozen=True, slots=True)
class EnvironmentUpdate:
    """What became known of where the process runs that is writing the run.

    Args:
        environment: is merged into that of the run.
    """

    environment: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Amendment:
    """A user changed which configuration a run is of, or its description; it holds from its beginning.

    The last one counts. It is read as a part of the :class:`Run`, and never sent to a backend as a record.

    Args:
        configuration: the configuration that the run is of now.
        parameters: the parameters that are not compared now, with the run's values.
        time: when, in seconds since 1970.
        undelivered_to: the backends that still have to change what they have of the run.
        description: the run's description from now on; None for the one that it had.
    """

    configuration: Configuration
    parameters: Mapping[str, Plain]
    time: float
    undelivered_to: Sequence[str] = ()
    description: str | None = None


class ChangeKind(enum.Enum):
    """What a backend does with a stored run that a user amends or deletes."""

    AMENDED = "amended"
    """It is changed as it is stored there, and keeps the store's own id."""
    REPLACED = "replaced"
    """It is deleted, and written anew from its run log."""
    DELETED = "deleted"
    ABSENT = "absent"
    """The backend does not have it."""


@dataclass(frozen=True, slots=True)
class StoredChange:
    """What becomes of a run in a backend, where a user amends or deletes it.

    Args:
        kind: what the backend does.
        problem: why it cannot, and what would be right; "" where it can. For an absent run: why it cannot be
            written anew.
        note: what a user should know before, in a sentence; "" for nothing.
        marks: what users noted about the run there; None where that is not known.
        sent_marks: what legm last wrote of that; None where unknown.
    """

    kind: ChangeKind
    problem: str = ""
    note: str = ""
    marks: RunMarks | None = None
    sent_marks: RunMarks | None = None


Record: TypeAlias = (
    Points | BestRule | Display | Artifact | Media | Outcome | Resumption | Rewind | EnvironmentUpdate
)


@dataclass(frozen=True, slots=True)
class History:
    """One series of a run.

    Args:
        steps: shape (n,), strictly increasing.
        values: shape (n,), the last value at each step.
    """

    steps: IntArray
    values: FloatArray


@dataclass(frozen=True, slots=True)
class RunMarks:
    """What a user noted about a run; it may change at any time, and is not a part of the result.

    Args:
        tags: sorted.
        note: "" for none.
    """

    tags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run as read from a backend, or as it was when it ended.

    Args:
        run: the run.
        status: only completed runs are aggregated.
        rule: how the best step was chosen.
        best_step: the best step; None without a dev metric.
        best: the value of every dev series at the best step.
        best_steps: the step used instead, for series without a value at ``best_step``.
        test: the last value of every test series.
        histories: the dev series that were requested.
        points: the number of values that were set, dev and test.
        last_step: the largest step of any dev series; None without one.
        ended: seconds since 1970; None while unknown.
        error: the error of a failed run.
        marks: what a user noted about it.
        sent_marks: what legm last wrote of that to a backend where users may change it; None where unknown.
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
    marks: RunMarks = field(default=RunMarks(), compare=False)
    sent_marks: RunMarks | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RunCounts:
    """The runs of one configuration and description: how many have each status, and their values.

    Args:
        configuration: the configuration.
        description: the runs' description; "" for none.
        completed, failed, interrupted, running, pruned: the number of runs with each status; all 0 for a
            configuration without runs.
        values: by summary key (``best_loss``, ``test_accuracy``), the values of the completed runs;
            without metrics that are aggregated over all their values.
        indexed: the summary keys of indexed metrics, which are not in ``values``.
        last: when the newest run ended, or started if it is still running (s since 1970); None without runs.
        folder: the configuration's folder; None without one.
        rules: how the completed runs chose their best step, each rule with its number of runs.
        repeated: how many completed runs have the same seed parameters as another one before them.
        code: the code of the completed runs, each label with its number of runs; without those of which it is
            unknown.
        marks: by run id, what users noted about runs; empty for a backend with folders, which have it.
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
    rules: Mapping[BestRule, int] = field(default_factory=dict)
    repeated: int = 0
    pruned: int = 0
    code: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, RunMarks] = field(default_factory=dict, compare=False)

    @property
    def left_out(self) -> dict[str, int]:
        """By status, how many ended runs are never averaged."""
        return {"failed": self.failed, "interrupted": self.interrupted, "pruned": self.pruned}


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs to read, and how much of each.

    Args:
        experiment: the experiment's name.
        fingerprint: only runs of this configuration; None for all of the experiment.
        description: only runs with this description; None for all.
        histories: the names of the dev metrics whose series are read; None for all.
    """

    experiment: str
    fingerprint: str | None = None
    description: str | None = None
    histories: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Adoption:
    """A folder that becomes that of another configuration.

    Args:
        configuration: what the folder is of from then on.
        folder: where it is; it may have been renamed before.
        now: where it is to be.
    """

    configuration: Configuration
    folder: Path
    now: Path


@dataclass(frozen=True, slots=True)
class ConfigurationStatus:
    """A configuration's folder as it is.

    Args:
        folder: its path.
        configuration: None where its parameters cannot be read.
        counts: its runs, counted by description; an empty one where there are none.
        problem: what could not be read; None where all could.
        has_damaged_logs: whether runs are counted by what is intact of their logs.
        has_pending_logs: whether a run log is pending; None where that was not looked at.
        is_shortened: whether values of the configuration that are too large for an overview are shortened.
    """

    folder: str
    configuration: Configuration | None
    counts: tuple[RunCounts, ...] = ()
    problem: LegmError | None = None
    has_damaged_logs: bool = False
    has_pending_logs: bool | None = None
    is_shortened: bool = False

    @property
    def label(self) -> str:
        """The last part of the path."""
        return self.folder.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as a store has it, which may be damaged.

    Args:
        run_id: "" where even that cannot be read.
        result: None where it cannot be read.
        problem: why not; "" where it could be.
        is_edited: whether a user wrote it by hand, so that the run's log may have other values.
    """

    run_id: str
    result: RunResult | None
    problem: str = ""
    is_edited: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that a backend has of a run.

    Args:
        run_id: the run's id.
        name: the name under which the run logged it.
        size: in bytes.
    """

    run_id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One metric, aggregated over runs.

    Args:
        mean, std: as the method defines them; NaN without usable values.
        n: the number of values that were used.
        nan: the number of values that were NaN and therefore ignored.
        method: the aggregation method.
        fields: further results of the method (``median``, ``lower``, …).
    """

    mean: float
    std: float
    n: int
    nan: int
    method: str
    fields: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """The aggregates of one configuration and description.

    Args:
        values: by key: ``best_<metric>``, ``test_<metric>``, ``time`` or ``time_per_sample``; for an indexed
            metric a mapping from index to aggregate.
        completed, failed, interrupted, pruned: the number of runs with each status.
        titles: by key, what the values are: "last accuracy", "accuracy at the best loss", "test accuracy".
        repeated: how many completed runs have the same seed parameters as another one.
        different_code: what code how many completed runs come from; "" where that is the same or unknown.
    """

    values: Mapping[str, Aggregate | Mapping[str, Aggregate]]
    completed: int
    failed: int
    interrupted: int
    titles: Mapping[str, str] = field(default_factory=dict, compare=False)
    repeated: int = field(default=0, compare=False)
    pruned: int = 0
    different_code: str = field(default="", compare=False)

    @property
    def left_out(self) -> dict[str, int]:
        """By status, how many ended runs are never averaged."""
        return {"failed": self.failed, "interrupted": self.interrupted, "pruned": self.pruned}


@dataclass(frozen=True, slots=True)
class Curve:
    """A dev metric, aggregated over runs at every step that any run has.

    Args:
        metric: the metric's name.
        method: the aggregation method.
        steps: shape (n,), strictly increasing.
        center: shape (n,), the mean or median.
        lower, upper: shape (n,), the ends of the spread around it.
        runs: shape (n,), the number of runs with a value at the step.
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
    """One rank in the result of :meth:`legm.ExperimentHandler.get_best`, which is ordered best first.

    Args:
        configuration: the configuration at this rank.
        value: its aggregate of the metric.
        completed, failed, interrupted, pruned: the number of its runs with each status.
        folder: the configuration's folder; None without one.
        direction: whether higher or lower values are better, and why; the same for the whole ranking.
        rules: how its completed runs chose their best step, each rule with its number of runs.
        repeated: how many of its completed runs repeat the seed of another one.
        code: the code of its completed runs, each label with its number of runs.
        runs: over how many of its completed runs the value is: fewer than the value's ``n`` if it is over all
            values of each run.
        missing: how many of its completed runs have no value of the metric.
    """

    configuration: Configuration
    value: Aggregate
    completed: int
    failed: int
    interrupted: int
    folder: str | None = None
    direction: Direction = Direction()
    rules: Mapping[BestRule, int] = field(default_factory=dict)
    repeated: int = 0
    pruned: int = 0
    code: Mapping[str, int] = field(default_factory=dict)
    runs: int = 0
    missing: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """By status, how many ended runs are never averaged."""
        return {"failed": self.failed, "interrupted": self.interrupted, "pruned": self.pruned}


@dataclass(frozen=True, slots=True)
class RankedGroup:
    """Ranked configurations that have the same values of some parameters.

    Args:
        parameters: these values; without those that are not active.
        value: the mean and population standard deviation over the configurations' values, with their number.
        members: the configurations, best first.
        runs: over how many runs the configurations' values are.
        direction: whether higher or lower values are better, and why.
        rules: how the completed runs chose their best step, each rule with its number of runs.
    """

    parameters: Mapping[str, Plain]
    value: Aggregate
    members: tuple[Ranked, ...]
    runs: int
    direction: Direction = Direction()
    rules: Mapping[BestRule, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two configurations compared by one metric; ``str()`` of it is a readable summary.

    Undefined numbers are NaN, and a note says why.

    Args:
        a, b: the configurations.
        metric: the summary key: ``best_<metric>``, ``test_<metric>``, ``time`` or ``time_per_sample``.
        mean_a, mean_b: the means of the compared values; several runs of one seed count as their mean.
        n_a, n_b: the number of runs that were compared.
        difference: the mean of a minus that of b.
        lower, upper: the ends of the difference's confidence interval.
        level: the interval's coverage, in (0, 1).
        p: the two-sided p-value of a permutation test.
        p_adjusted: the p-value, corrected for all comparisons made together.
        paired: whether runs with equal seeds were compared with each other.
        pairs: the number of seeds that both have; 0 if not paired.
        seeds: the parameters that were used as the seed.
        method: "exact" if every arrangement of the values was evaluated, "sampled" if a random sample of them
            was; "" without a test.
        arrangements: the number of arrangements that were evaluated; 0 without a test.
        notes: what the user should know, such as which runs were left out.
        direction: whether higher or lower values are better, and why.
        rules: how the completed runs chose their best step, each rule with its number of runs.
        title: what the values are: "last accuracy", "accuracy at the best val/loss", "test accuracy".
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
    direction: Direction = Direction()
    rules: Mapping[BestRule, int] = field(default_factory=dict)
    title: str = ""

    @property
    def better(self) -> str:
        """Which has the better mean, even if not significantly; "a", "b", or "" for neither.

        Means of equal values in another order may differ by what was rounded, which is no difference.
        """
        rounded = math.ulp(1.0) * (self.n_a + self.n_b) * max(abs(self.mean_a), abs(self.mean_b))
        if abs(self.difference) <= rounded < math.inf:  # not NaN, which is neither above nor below 0
            return ""
        above, below = ("a", "b") if self.direction.higher_better else ("b", "a")
        return above if self.difference > 0 else below if self.difference < 0 else ""

    def __str__(self) -> str:
        a, b = self.a.name, self.b.name
        if not a or not b or a == b:
            a, b = self.a.fingerprint, self.b.fingerprint
        kind = f"{self.pairs} pairs by {' and '.join(self.seeds)}" if self.paired else "not paired"
        interval = f", {100 * self.level:.6g} % interval {self.lower:.6g} to {self.upper:.6g}"
        adjusted = "" if self.p_adjusted == self.p else f", {self.p_adjusted:.3g} adjusted"
        p = f"p = {self.p:.3g}{adjusted} ({self.method}, {self.arrangements} arrangements)"
        better = f"; {self.better} has the better mean" if self.better else ""
        runs = [f"{n} run{'s' * (n != 1)}" for n in (self.n_a, self.n_b)]
        lines = [
            f"{self.title or self.metric} of a = {a} and b = {b}",
            f"a: {self.mean_a:.6g} ({runs[0]}), b: {self.mean_b:.6g} ({runs[1]}), {kind}",
            f"a - b = {self.difference:.6g}" + (interval if self.lower <= self.upper else ""),
            *([p] if self.arrangements else []),
            f"{self.direction}{better}",
            *self.notes,
        ]
        return "\n".join(lines)
