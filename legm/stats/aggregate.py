"""Summaries, curves and rankings of runs: pure functions with results that are reproducible bit for bit.

Every number here comes from one function, :func:`_aggregate_statistics`, over *groups*: the values of all
groups in one flat array, each group sorted, with the size of each. Sorting makes the result independent of
the order of the runs. A group is the values of one metric in a summary, or of one step in a curve.
"""

from __future__ import annotations

import enum
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from legm.core.code_versions import count_code, different_code_text
from legm.errors import MetricError, closest
from legm.records import (
    Aggregate,
    BestRule,
    Curve,
    Ranked,
    RunCounts,
    RunResult,
    Series,
    Status,
    Summary,
)
from legm.stats.run_counts import ALL_VALUES_METRICS, count_repeated, summary_key
from legm.stats.student_t import student_t_quantile
from legm.stats.value_choice import value_title

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

Aggregation: TypeAlias = str | Mapping[str, str]
"""A method's name, or ``{metric: method, "other": method}``."""

_CHUNK = 1 << 20  # values of a curve that are processed at once: temporary arrays stay below 100 MB
_VALID_METHODS = (
    "valid methods: 'mean', 'median', 'outlier_mean', 'confidence' and 'confidence_<level>' with a level "
    "between 0 and 1, such as 'confidence_0.9'"
)


class MethodKind(enum.Enum):
    """What an aggregation method computes."""

    MEAN = "mean"
    MEDIAN = "median"
    OUTLIER_MEAN = "outlier_mean"
    CONFIDENCE = "confidence"


@dataclass(frozen=True, slots=True)
class AggregationMethod:
    """An aggregation method; ``str()`` of it is the name that :meth:`parse` accepts.

    Args:
        kind: what is computed.
        level: the coverage of the confidence interval, in (0, 1); only used by CONFIDENCE.
    """

    kind: MethodKind
    level: float = 0.95

    @classmethod
    def parse(cls, text: str) -> AggregationMethod:
        """The method with a name.

        Args:
            text: the name, such as ``"mean"`` or ``"confidence_0.9"``.

        Raises:
            MetricError: there is no such method, or its level is not strictly between 0 and 1.
        """
        if text in {kind.value for kind in MethodKind}:
            return cls(MethodKind(text))
        if not isinstance(text, str) or not text.startswith("confidence_"):
            raise MetricError(f"there is no aggregation method {text!r}; {_VALID_METHODS}")
        try:
            level = float(text.removeprefix("confidence_"))
        except ValueError:
            level = math.nan
        if not 0 < level < 1:
            raise MetricError(
                f"the level of {text!r} is not a number strictly between 0 and 1; {_VALID_METHODS}"
            )
        return cls(MethodKind.CONFIDENCE, level)

    def __str__(self) -> str:
        plain = (
            self.kind is not MethodKind.CONFIDENCE
            or self.level == AggregationMethod.parse("confidence").level
        )
        return self.kind.value if plain else f"{self.kind.value}_{self.level!r}"


@dataclass(frozen=True, slots=True)
class AggregationMethods:
    """The aggregation method of each metric.

    Args:
        default: the method of all other metrics.
        chosen: methods by metric name, or by summary key (``best_loss``), which takes precedence.
    """

    default: AggregationMethod
    chosen: Mapping[str, AggregationMethod] = field(default_factory=dict)

    @classmethod
    def parse(cls, aggregation: Aggregation) -> AggregationMethods:
        """The methods that a user chose.

        Args:
            aggregation: a method's name, or names by metric.

        Raises:
            MetricError: a method does not exist, or a metric's name is not a string.
        """
        if not isinstance(aggregation, Mapping):
            return cls(AggregationMethod.parse(aggregation))
        for name in aggregation:
            if not isinstance(name, str):
                raise MetricError(f"a metric in aggregation must be a string, not {name!r}")
        chosen = {name: AggregationMethod.parse(method) for name, method in aggregation.items()}
        return cls(chosen.pop("other", AggregationMethod(MethodKind.MEAN)), chosen)

    def for_key(self, key: str) -> AggregationMethod:
        """The method for a summary key: chosen by the key, else by the metric's name, else the default."""
        return self.chosen.get(key) or self.chosen.get(_metric_of_aggregate_key(key)) or self.default

    def check(self, keys: Iterable[str]) -> None:
        """Check that every named metric exists.

        Without any key (no run has completed) nothing is checked.

        Args:
            keys: the summary keys of the runs (``best_loss``, ``time``).

        Raises:
            MetricError: a name belongs to none of the keys.
        """
        known = set(keys)
        names = {_metric_of_aggregate_key(key) for key in known}
        for name in self.chosen:
            if known and name not in known and name not in names:
                near = closest(name, known if name.startswith(("best_", "test_")) else names)
                raise MetricError(
                    f"aggregation names the metric {name!r}, which no completed run has; {near}"
                )


def _metric_of_aggregate_key(key: str) -> str:
    """The metric's name in a summary key."""
    return key if key in ALL_VALUES_METRICS else key.partition("_")[2]


def aggregate_runs(runs: Iterable[RunResult], aggregation: Aggregation = "mean") -> Summary:
    """Aggregate every metric over the completed runs.

    A metric that some runs set with and others without an index is one mapping, with the key ``""`` for the
    values without an index.

    Args:
        runs: runs of one configuration, in any order, with the histories of ``ALL_VALUES_METRICS``.
        aggregation: a method, or methods by metric.

    Returns:
        the aggregates, sorted by key and index, and the number of runs with each status.

    Raises:
        MetricError: a method does not exist, or no completed run has a named metric.
    """
    methods = AggregationMethods.parse(aggregation)
    status: Counter[Status] = Counter()
    groups: defaultdict[tuple[str, str | None], array[float]] = defaultdict(lambda: array("d"))
    rules: Counter[BestRule] = Counter()
    parameters: list[Mapping[str, Any]] = []
    environments: list[Mapping[str, Any]] = []
    for run in runs:
        status[run.status] += 1
        if run.status is Status.COMPLETED:
            rules[run.rule] += 1
            parameters.append(run.run.parameters)
            environments.append(run.run.environment)
        for key_and_index, data in _values_to_aggregate(run) if run.status is Status.COMPLETED else ():
            groups[key_and_index].frombytes(data)
    methods.check(key for key, _ in groups)

    keys_by_method: defaultdict[AggregationMethod, list[tuple[str, str | None]]] = defaultdict(list)
    for key_and_index in groups:
        keys_by_method[methods.for_key(key_and_index[0])].append(key_and_index)
    found: dict[tuple[str, str | None], Aggregate] = {}
    for method, chosen in keys_by_method.items():
        found.update(
            zip(
                chosen,
                _aggregate_groups([groups[key_and_index] for key_and_index in chosen], method),
                strict=True,
            )
        )

    indexed = {key for key, index in found if index is not None}
    values: dict[str, Any] = {}
    for (key, index), aggregate in sorted(found.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        if key in indexed:
            values.setdefault(key, {})[index or ""] = aggregate
        else:
            values[key] = aggregate
    return Summary(
        *(values, status[Status.COMPLETED], status[Status.FAILED], status[Status.INTERRUPTED]),
        titles={key: value_title(key, rules) for key in values},
        repeated=count_repeated(parameters),
        pruned=status[Status.PRUNED],
        different_code=different_code_text(count_code(environments)),
    )


def aggregate_counts(
    counts: Sequence[RunCounts], key: str, aggregation: Aggregation = "mean"
) -> list[Aggregate | None]:
    """Aggregate one metric for each of many configurations at once, as :func:`aggregate_runs` does.

    Args:
        counts: the counts of the configurations' runs.
        key: the metric's summary key (``best_loss``, ``test_accuracy``).
        aggregation: a method, or methods by metric.

    Returns:
        the aggregate for each of ``counts``; None if no completed run has the metric.

    Raises:
        MetricError: the metric is indexed, or a method does not exist.
    """
    method = AggregationMethods.parse(aggregation).for_key(key)
    if any(key in one.indexed for one in counts):
        raise MetricError(f"{key!r} has one value per index; rank by a metric of the whole run")
    values = [one.values.get(key) for one in counts]
    groups = [one for one in values if one]
    found = iter(_aggregate_groups(groups, method) if groups else ())
    return [next(found) if own else None for own in values]


@dataclass(frozen=True, slots=True)
class MeanColumns:
    """The means of many groups of values, by column: quicker than an :class:`Aggregate` for each.

    Args:
        mean, std: shape (groups,); NaN without a number.
        n, nan: shape (groups,), how many values are numbers, and how many are not.
    """

    mean: FloatArray
    std: FloatArray
    n: IntArray
    nan: IntArray


def mean_columns(counts: Sequence[RunCounts], key: str) -> MeanColumns:
    """The numbers that ``aggregate_counts(counts, key)`` has, by column; zeros and NaN where it has none.

    Args:
        counts: the counts of the configurations' runs; where the metric is indexed, it counts as absent.
        key: the metric's summary key.
    """
    values = [() if key in one.indexed else one.values.get(key, ()) for one in counts]
    sizes = np.array([len(one) for one in values], np.int64)
    mean, std = np.full(len(values), math.nan), np.full(len(values), math.nan)
    n = np.zeros(len(values), np.int64)
    if sizes.any():
        numbers = np.repeat(np.arange(len(values)), sizes)
        every = array("d")
        for one in values:
            every.extend(one)
        which, usable, found = _sort_into_aggregate_groups(numbers, np.frombuffer(every, np.float64))
        columns = _aggregate_statistics(usable, found, AggregationMethod(MethodKind.MEAN))
        mean[which], std[which], n[which] = columns["mean"], columns["std"], found
    return MeanColumns(mean, std, n, sizes - n)


def _values_to_aggregate(run: RunResult) -> Iterator[tuple[tuple[str, str | None], bytes]]:
    """What a run contributes to a summary: key and index, and the values as bytes (float64)."""
    for series, value in (*run.best.items(), *run.test.items()):
        if summary_key(series) not in ALL_VALUES_METRICS:
            yield (summary_key(series), series.index), np.float64(value).tobytes()
    for series, history in run.histories.items():
        if summary_key(series) in ALL_VALUES_METRICS and len(history.values):
            yield (summary_key(series), series.index), history.values.astype(np.float64).tobytes()


def aggregated_summary_as_dict(summary: Summary) -> dict[str, Any]:
    """The summary as it is stored and returned to users.

    Args:
        summary: the summary.

    Returns:
        ``{"best_loss": {"mean": …, "std": …, "n": …, "nan": …, "failed": …, "interrupted": …, "pruned": …,
        "repeated": …, "method": …, "chosen": …, and the method's fields}}``, with a level for the index of an
        indexed metric. Keys are sorted; numbers are Python floats and ints. Where the runs come from
        different code, every aggregate also has "different_code".
    """

    def plain_aggregate(key: str, aggregate: Aggregate) -> dict[str, Any]:
        return {
            "mean": float(aggregate.mean),
            "std": float(aggregate.std),
            "n": int(aggregate.n),
            "nan": int(aggregate.nan),
            **{status: int(count) for status, count in summary.left_out.items()},
            "repeated": int(summary.repeated),
            "method": aggregate.method,
            "chosen": summary.titles.get(key, key),
            **({"different_code": summary.different_code} if summary.different_code else {}),
            **{k: v if isinstance(v, int) else float(v) for k, v in aggregate.fields.items()},
        }

    return {
        key: plain_aggregate(key, value)
        if isinstance(value, Aggregate)
        else {index: plain_aggregate(key, one) for index, one in sorted(value.items())}
        for key, value in sorted(summary.values.items())
    }


def aggregated_summary_from_dict(stored: Mapping[str, Any], completed: int) -> Summary:
    """The inverse of :func:`aggregated_summary_as_dict`.

    Args:
        stored: what it returned.
        completed: the number of completed runs, which is not stored.

    Raises:
        ValueError: ``stored`` is invalid.
    """
    counts: dict[str, int] = {"failed": 0, "interrupted": 0}
    pruned: set[int] = set()
    titles: dict[str, str] = {}
    repeated: set[int] = set()
    code: set[str] = {""}

    def aggregate(key: str, content: Any) -> Aggregate:
        try:
            own = dict(content)
            counts.update({kind: int(own.pop(kind)) for kind in counts})
            pruned.add(int(own.pop("pruned", 0)))  # an older version did not store these three
            repeated.add(int(own.pop("repeated", 0)))
            titles[key] = str(own.pop("chosen", key))
            code.add(str(own.pop("different_code", "")))
            known = {name: own.pop(name) for name in ("mean", "std", "n", "nan", "method")}
            return Aggregate(
                mean=float(known["mean"]),
                std=float(known["std"]),
                n=int(known["n"]),
                nan=int(known["nan"]),
                method=str(known["method"]),
                fields={
                    name: value if isinstance(value, int) else float(value) for name, value in own.items()
                },
            )
        except (KeyError, TypeError, ValueError) as cause:
            raise ValueError(f"{str(content)[:60]!r} is not an aggregate") from cause

    def is_one_aggregate(value: Any) -> bool:
        return not isinstance(value, Mapping) or isinstance(value.get("method"), str)

    values = {
        str(key): aggregate(str(key), value)
        if is_one_aggregate(value)
        else {str(index): aggregate(str(key), one) for index, one in value.items()}
        for key, value in stored.items()
    }
    return Summary(
        *(values, completed, counts["failed"], counts["interrupted"], titles),
        *(max(repeated, default=0), max(pruned, default=0), max(code)),
    )


def aggregate_curves(
    runs: Iterable[RunResult], metrics: Sequence[str] | None = None, aggregation: Aggregation = "mean"
) -> list[Curve]:
    """Aggregate dev metrics over the completed runs, at every step that any run has.

    At each step, all values that are not NaN are aggregated. The spread is from mean - std to mean + std, for
    the median the quartiles, for confidence the interval. Where only one run has a value, there is no spread:
    its ends are NaN.

    Args:
        runs: runs of one configuration, in any order, with the histories of the metrics.
        metrics: the metrics' names, in the order of the result; None for all, sorted. Indexed metrics have no
            curve.
        aggregation: a method, or methods by metric.

    Returns:
        a curve for each metric; an empty list while no run has completed.

    Raises:
        MetricError: a method does not exist, or no completed run has a named metric.
    """
    from legm.core.results import StepDeduplicator  # not needed for a ranking

    methods = AggregationMethods.parse(aggregation)
    shared = StepDeduplicator()
    parts: defaultdict[str, list[tuple[IntArray, FloatArray]]] = defaultdict(list)
    keys: set[str] = set()
    names: set[str] = set()
    indexed: set[str] = set()
    for run in runs:
        if run.status is not Status.COMPLETED:
            continue
        indexed.update(series.name for series in run.best if series.index is not None)
        keys.update(summary_key(series) for series in (*run.best, *run.test, *run.histories))
        for series, history in run.histories.items():
            if series.index is not None or not len(history.steps):
                continue
            names.add(series.name)
            if metrics is None or series.name in metrics:
                steps = shared(np.asarray(history.steps, np.int64))
                parts[series.name].append((steps, np.asarray(history.values, np.float64)))
    methods.check(keys)
    order = sorted(parts) if metrics is None else list(dict.fromkeys(metrics))
    for name in order if keys else ():
        if name in indexed and name not in names:
            raise MetricError(f"the metric {name!r} has one value per index and no curve")
        if name not in names:
            raise MetricError(f"no completed run has a curve of the metric {name!r}; {closest(name, names)}")
    # pop() releases the values metric by metric.
    return [
        _aggregate_curve(name, parts.pop(name), methods.for_key(summary_key(Series(name))))
        for name in order
        if name in parts
    ]


def average_aggregated_curves(curves: Sequence[Curve]) -> Curve:
    """The mean of curves of several configurations, each of which counts once, with the spread between them.

    Args:
        curves: of one metric, at least one; their centers are averaged.

    Returns:
        the mean at every step that any curve has; its ``runs`` are the number of curves there.
    """
    parts = [(one.steps, one.center) for one in curves]
    return _aggregate_curve(curves[0].metric, parts, AggregationMethod.parse("mean"))


def sort_by_aggregate(ranked: Iterable[Ranked], higher_better: bool) -> list[Ranked]:
    """Sort ranked configurations, best first, by the center: the median for that method, else the mean.

    NaN comes last. Ties are ordered by the configuration's name, then by its fingerprint.

    Args:
        ranked: in any order.
        higher_better: whether a higher value is better.
    """

    def aggregate_sort_key(one: Ranked) -> tuple[bool, float, str, str]:
        center = one.value.fields.get("median", one.value.mean)
        missing = math.isnan(center)
        value = 0.0 if missing else -center if higher_better else center
        return missing, value, one.configuration.name, one.configuration.fingerprint

    return sorted(ranked, key=aggregate_sort_key)


def unindexed_aggregate(summary: Summary, key: str) -> Aggregate:
    """The aggregate of a metric that is not indexed; an empty one if the summary does not have it.

    Raises:
        MetricError: the metric is indexed.
    """
    value = summary.values.get(key)
    if value is None:
        return Aggregate(math.nan, math.nan, 0, 0, MethodKind.MEAN.value)
    if isinstance(value, Aggregate):
        return value
    if "" not in value:
        raise MetricError(f"{key!r} has one value per index; rank by a metric of the whole run")
    return value[""]


def aggregate_interval(aggregate: Aggregate) -> tuple[float, float, float]:
    """The center of an aggregate, and the lower and upper end of its spread.

    Returns:
        median and quartiles, mean and confidence interval, or mean and mean -/+ std. A single value has no
        spread: its ends are NaN.
    """
    fields = aggregate.fields
    if aggregate.n == 1:
        return fields.get("median", aggregate.mean), math.nan, math.nan
    if "median" in fields:
        return fields["median"], fields["q1"], fields["q3"]
    if "lower" in fields:
        return aggregate.mean, fields["lower"], fields["upper"]
    return aggregate.mean, aggregate.mean - aggregate.std, aggregate.mean + aggregate.std


def _aggregate_groups(groups: Sequence[Sequence[float]], method: AggregationMethod) -> Iterator[Aggregate]:
    """One aggregate for each group; there must be a group, and none may be empty."""
    every = array("d")
    for group in groups:
        every.extend(group)
    numbers = np.repeat(np.arange(len(groups)), [len(values) for values in groups])
    _, values, counts = _sort_into_aggregate_groups(numbers, np.frombuffer(every, np.float64))
    columns = {
        name: column.tolist() for name, column in _aggregate_statistics(values, counts, method).items()
    }
    means, stds, title = columns.pop("mean"), columns.pop("std"), str(method)
    for i, n in enumerate(counts.tolist()):
        fields: dict[str, float] = {name: column[i] for name, column in columns.items()}
        if method.kind is MethodKind.OUTLIER_MEAN:
            fields["cut"] = n // 10
        if method.kind is MethodKind.CONFIDENCE:
            fields = {"level": method.level, **fields}
        yield Aggregate(means[i], stds[i], n, len(groups[i]) - n, title, fields)


def _aggregate_curve(
    metric: str, parts: Sequence[tuple[IntArray, FloatArray]], method: AggregationMethod
) -> Curve:
    """Aggregate the steps and values of several runs by step."""
    if len(parts) == 1:
        return _curve_of_one_run(metric, *parts[0], method)
    columns: list[tuple[Any, ...]] = []
    for steps, values, counts in _group_curve_values_by_step(parts):
        found = _aggregate_statistics(values, counts, method)
        with np.errstate(all="ignore"):
            spread = found["mean"], found["mean"] - found["std"], found["mean"] + found["std"]
        if method.kind is MethodKind.MEDIAN:
            spread = found["median"], found["q1"], found["q3"]
        elif method.kind is MethodKind.CONFIDENCE:
            spread = found["mean"], found["lower"], found["upper"]
        center, *ends = spread
        columns.append((steps, center, *(np.where(counts == 1, np.nan, end) for end in ends), counts))
    return Curve(metric, str(method), *(np.concatenate(pieces) for pieces in zip(*columns, strict=True)))


def _curve_of_one_run(metric: str, steps: IntArray, values: FloatArray, method: AggregationMethod) -> Curve:
    """What every method makes of a single run: its values, without a spread."""
    counts = np.broadcast_to(np.int64(1), len(steps))  # takes no memory, and neither does the spread
    missing = np.isnan(values)
    if missing.any():
        counts = (~missing).astype(np.int64)
    nothing = np.broadcast_to(np.nan, len(steps))
    return Curve(metric, str(method), steps.copy(), values + 0.0, nothing, nothing, counts)


def _group_curve_values_by_step(
    parts: Sequence[tuple[IntArray, FloatArray]],
) -> Iterator[tuple[IntArray, FloatArray, IntArray]]:
    """The values of runs by step, in chunks of increasing steps: steps (n,), values by step, counts (n,).

    If all runs share one array of steps, sorting a matrix is about four times as fast as grouping.
    """
    longest = max((steps for steps, _ in parts), key=len)
    size = max(1, _CHUNK // len(parts))
    if all(steps is longest for steps, _ in parts):
        for start in range(0, len(longest), size):
            rows = np.stack([values[start : start + size] for _, values in parts], axis=1) + 0.0
            rows.sort(axis=1)  # NaN comes last
            usable = ~np.isnan(rows)
            yield longest[start : start + size], rows[usable], usable.sum(axis=1, dtype=np.int64)
        return
    ends = [np.append(steps.searchsorted(longest[size::size]), len(steps)).tolist() for steps, _ in parts]
    begin = [0] * len(parts)
    for end in zip(*ends, strict=True):
        spans = [slice(*span) for span in zip(begin, end, strict=True)]
        steps = np.concatenate([steps[span] for (steps, _), span in zip(parts, spans, strict=True)])
        values = np.concatenate([values[span] for (_, values), span in zip(parts, spans, strict=True)])
        yield _sort_into_aggregate_groups(steps, values)
        begin = list(end)


def _sort_into_aggregate_groups(
    numbers: IntArray, values: FloatArray
) -> tuple[IntArray, FloatArray, IntArray]:
    """Sort values into groups by number, without NaN.

    Args:
        numbers: shape (n,), n > 0, the group of each value.
        values: shape (n,).

    Returns:
        the groups' numbers (m,), increasing; the values, each group sorted; their counts (m,).
    """
    values = values + 0.0  # -0.0, which sorts as equal to 0.0, becomes 0.0
    order = np.lexsort((values, numbers))
    numbers, values = numbers[order], values[order]
    starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
    usable = ~np.isnan(values)
    return numbers[starts], values[usable], np.add.reduceat(usable, starts, dtype=np.int64)


def _aggregate_statistics(
    values: FloatArray, counts: IntArray, method: AggregationMethod
) -> dict[str, FloatArray]:
    """The statistics of each group: mean, std and the method's own fields, each of shape (n,).

    Args:
        values: shape (counts.sum(),), the groups one after the other, each sorted, without NaN and -0.0.
        counts: shape (n,); all statistics of an empty group are NaN.
        method: what to compute.
    """
    full = counts > 0
    n = counts[full]
    starts = np.cumsum(n) - n
    with np.errstate(all="ignore"):  # infinities give NaN where nothing better is defined
        if method.kind is MethodKind.OUTLIER_MEAN:
            cut = n // 10
            rank_in_group = np.arange(len(values)) - np.repeat(starts, n)
            kept = (rank_in_group >= np.repeat(cut, n)) & (rank_in_group < np.repeat(n - cut, n))
            mean, std = _aggregate_moments(values[kept], n - 2 * cut, 0)
        else:
            mean, std = _aggregate_moments(values, n, int(method.kind is MethodKind.CONFIDENCE))
        columns = {"mean": mean, "std": std}
        if method.kind is MethodKind.MEDIAN:
            for name, share in (("median", 0.5), ("q1", 0.25), ("q3", 0.75)):
                columns[name] = _aggregate_quantile(values, starts, n, share)
        if method.kind is MethodKind.CONFIDENCE:
            sizes, which = np.unique(n, return_inverse=True)
            factors = [
                student_t_quantile(method.level, size - 1) if size > 1 else 0.0 for size in sizes.tolist()
            ]
            margin = np.array(factors)[which] * (std / np.sqrt(n))
            columns |= {"lower": mean - margin, "upper": mean + margin}
    result = {name: np.full(len(counts), np.nan) for name in columns}
    for name, column in columns.items():
        result[name][full] = column
    return result


def _aggregate_moments(values: FloatArray, n: IntArray, ddof: int) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of sorted groups of n > 0 values, without intermediate overflow.

    Each group is scaled by a power of two, which is exact. The mean is clipped to the range of the values, so
    that equal values have exactly their value as mean, and a deviation of 0.
    """
    if not len(n):
        return np.empty(0), np.empty(0)
    starts = np.cumsum(n) - n
    largest = np.maximum(np.abs(values[starts]), np.abs(values[starts + n - 1]))
    exponent = np.clip(np.frexp(np.where(np.isfinite(largest), largest, 0.0))[1], -1000, 1000)
    scaled = values * np.repeat(np.ldexp(1.0, -exponent), n)
    mean = np.clip(np.add.reduceat(scaled, starts) / n, scaled[starts], scaled[starts + n - 1])
    deviation = scaled - np.repeat(mean, n)
    std = np.sqrt(np.add.reduceat(deviation * deviation, starts) / (n - ddof))
    return np.ldexp(mean, exponent), np.ldexp(std, exponent)


def _aggregate_quantile(values: FloatArray, starts: IntArray, n: IntArray, share: float) -> FloatArray:
    """A quantile of each group by linear interpolation (definition 7 of Hyndman and Fan, 1996)."""
    position = (n - 1) * share
    below = np.floor(position).astype(np.int64)
    weight = position - below
    low = values[starts + below]
    high = values[starts + np.minimum(below + 1, n - 1)]
    result: FloatArray = np.where((weight == 0) | (low == high), low, low * (1 - weight) + high * weight)
    return result
