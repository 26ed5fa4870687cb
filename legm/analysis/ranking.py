"""The configurations of an experiment, best first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from legm.analysis.selected_runs import ReadRuns
from legm.core.direction import decide_direction, merge_direction_rules
from legm.errors import MetricError, ParameterError, closest
from legm.records import Aggregate, Configuration, Ranked, RunCounts, RunResult, Series, Status
from legm.stats import aggregate
from legm.stats.run_counts import ALL_VALUES_METRICS, count_runs, newest_counted_of_each_seed
from legm.util.garbage import paused_garbage_collection
from legm.util.progress import show_progress

if TYPE_CHECKING:
    from legm.core.effective_values import EffectiveValues

__all__ = ["constrained_ranking_counts", "rank_experiment", "ranking_value_key"]


def ranking_value_key(metric: str, *, test: bool) -> str:
    """The key in a summary of a metric that configurations are ranked by."""
    if metric in ALL_VALUES_METRICS and not test:
        return metric
    return ("test_" if test else "best_") + metric


@paused_garbage_collection()
def rank_experiment(
    read: ReadRuns,
    counts: Sequence[RunCounts],
    metric: str,
    *,
    higher_better: bool | None,
    test: bool,
    constraints: Mapping[str, Any],
    aggregation: aggregate.Aggregation = "mean",
    one_per_seed: bool = False,
) -> list[Ranked]:
    """Rank configurations by a metric over their completed runs.

    Args:
        read: reads runs of the backend; called only for metrics that aggregate over all their values, and
            where one of several runs with equal seeds is taken.
        counts: the configurations' runs of one description.
        metric: a dev metric, at the best step, or a test metric.
        higher_better: whether higher is better; None to decide by the runs' best rules, else by the metric's
            name: see :func:`legm.core.direction.decide_direction`.
        test: whether it is a test metric.
        constraints: values that active parameters must have.
        aggregation: over the runs; they are ranked by the mean, or for "median" by the median.
        one_per_seed: whether only the newest of several completed runs with equal seeds counts.

    Returns:
        the configurations, best first, each with the direction; those without the metric are left out.

    Raises:
        MetricError: no run has the metric, or it has a value for each index.
        ParameterError: no configuration has a parameter of a constraint, or none has all their values.
    """
    key = ranking_value_key(metric, test=test)
    chosen = constrained_ranking_counts(counts, constraints)
    if one_per_seed:
        chosen = [_ranked_without_repeated(read, one) if one.repeated else one for one in chosen]
    if key in ALL_VALUES_METRICS:
        values = _rank_over_all_values(read, chosen, key, aggregation, one_per_seed=one_per_seed)
    else:
        values = _rank_over_runs(chosen, key, aggregation)
    rules = merge_direction_rules(
        one.rules for one, value in zip(chosen, values, strict=True) if value is not None
    )
    direction = decide_direction(metric, rules, higher_better, over_all_values=key in ALL_VALUES_METRICS)
    ranked = [
        Ranked(
            *(one.configuration, own.value, one.completed, one.failed, one.interrupted, one.folder),
            *(direction, one.rules, one.repeated, one.pruned, one.code),
            *(own.runs, one.completed - own.valued),
        )
        for one, own in zip(chosen, values, strict=True)
        if own is not None
    ]
    if not ranked:
        kind = "test" if test else "dev"
        prefix = "test_" if test else "best_"
        known = {
            name.removeprefix(prefix) for one in chosen for name in one.values if name.startswith(prefix)
        }
        raise MetricError(f"no completed run has the {kind} metric {metric!r}; {closest(metric, known)}")
    return aggregate.sort_by_aggregate(ranked, direction.higher_better)


def _ranked_without_repeated(read: ReadRuns, counted: RunCounts) -> RunCounts:
    """A count anew, with only the newest of several completed runs with equal seeds."""
    found = counted.configuration
    runs = read(found, counted.description, frozenset())
    return count_runs(found, counted.description, newest_counted_of_each_seed(runs), counted.folder)


@dataclass(frozen=True, slots=True)
class _RankedValue:
    """What a configuration is ranked by.

    Args:
        value: the aggregate.
        runs: over how many completed runs it is.
        valued: how many completed runs have a value, which may be NaN.
    """

    value: Aggregate
    runs: int
    valued: int


def _rank_over_runs(
    counts: Sequence[RunCounts], key: str, aggregation: aggregate.Aggregation
) -> list[_RankedValue | None]:
    """Aggregates of one value of each run; None where no completed run has the metric."""
    found = aggregate.aggregate_counts(counts, key, aggregation)
    return [None if value is None else _RankedValue(value, value.n, value.n + value.nan) for value in found]


def _rank_over_all_values(
    read: ReadRuns,
    counts: Sequence[RunCounts],
    key: str,
    aggregation: aggregate.Aggregation,
    *,
    one_per_seed: bool,
) -> list[_RankedValue | None]:
    """Aggregates that need the series of every run; None where no completed run has the metric."""
    values: list[_RankedValue | None] = []
    for one in show_progress(counts, "reading runs"):
        runs = read(one.configuration, one.description, ALL_VALUES_METRICS)
        runs = newest_counted_of_each_seed(runs) if one_per_seed else runs
        valued: list[str] = []
        summary = aggregate.aggregate_runs(_noting_valued_runs(runs, Series(key), valued), aggregation)
        values.append(
            _RankedValue(aggregate.unindexed_aggregate(summary, key), len(valued), len(valued))
            if key in summary.values
            else None
        )
    return values


def _noting_valued_runs(runs: Iterable[RunResult], series: Series, valued: list[str]) -> Iterator[RunResult]:
    """The runs; the ids of the completed ones with a value of a series are appended to a list."""
    for run in runs:
        if run.status is Status.COMPLETED and series in run.histories:
            valued.append(run.run.run_id)
        yield run


def constrained_ranking_counts(
    counts: Sequence[RunCounts], constraints: Mapping[str, Any]
) -> Sequence[RunCounts]:
    """The counts of the configurations whose parameters have these values, which may be absent values.

    Raises:
        ParameterError: no configuration has one of the parameters, or none has all the values.
    """
    if not constraints:
        return counts
    from legm.core.effective_values import EffectiveValues
    from legm.core.missing import MISSING
    from legm.core.plain_form import canonical_plain_text, parameter_to_plain, texts_of_equal_values

    effective = EffectiveValues(one.configuration for one in counts)
    names = {name for one in counts for name in one.configuration.active}
    names |= {name for absent in effective.absent.values() for name in absent}
    for name in constraints:
        if name not in names:
            raise ParameterError(f"no configuration has an active parameter {name!r}; {closest(name, names)}")
    wanted = {}
    for name, value in constraints.items():
        every = effective.values([one.configuration for one in counts], name)
        known = {canonical_plain_text(own): own for own in every if own is not MISSING}
        wanted[name] = texts_of_equal_values(parameter_to_plain(name, value), known)
    chosen = [one for one in counts if _meets_ranking_constraints(effective, one.configuration, wanted)]
    if not chosen:
        raise ParameterError(f"no configuration has {dict(constraints)}")
    return chosen


def _meets_ranking_constraints(
    effective: EffectiveValues, configuration: Configuration, wanted: Mapping[str, frozenset[str]]
) -> bool:
    from legm.core.missing import MISSING
    from legm.core.plain_form import canonical_plain_text

    values = {name: effective.value_of(configuration, name) for name in wanted}
    return all(
        value is not MISSING and canonical_plain_text(value) in wanted[name] for name, value in values.items()
    )
