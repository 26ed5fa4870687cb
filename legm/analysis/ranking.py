"""The configurations of an experiment, best first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from legm.errors import MetricError, ParameterError, closest
from legm.records import Aggregate, Configuration, Query, Ranked, RunCounts, RunResult
from legm.stats import aggregate
from legm.stats.run_counts import ALL_VALUES_METRICS
from legm.util.progress import show_progress

__all__ = ["ReadRuns", "rank_experiment", "ranking_value_key"]

ReadRuns: TypeAlias = Callable[[Query], Iterable[RunResult]]
"""Reads runs, as :meth:`legm.delivery.client.BackendClient.runs` does."""


def ranking_value_key(metric: str, *, test: bool) -> str:
    """The key in a summary of a metric that configurations are ranked by."""
    if metric in ALL_VALUES_METRICS and not test:
        return metric
    return ("test_" if test else "best_") + metric


def rank_experiment(
    read: ReadRuns,
    counts: Sequence[RunCounts],
    metric: str,
    *,
    higher_better: bool,
    test: bool,
    constraints: Mapping[str, Any],
    aggregation: aggregate.Aggregation = "mean",
) -> list[Ranked]:
    """Rank configurations by a metric over their completed runs.

    Args:
        read: reads runs of the backend; called only for metrics that aggregate over all their values.
        counts: the configurations' runs of one description.
        metric: a dev metric, at the best step, or a test metric.
        higher_better: whether higher is better.
        test: whether it is a test metric.
        constraints: values that active parameters must have.
        aggregation: over the runs; they are ranked by the mean, or for "median" by the median.

    Returns:
        the configurations, best first; those without the metric are left out.

    Raises:
        MetricError: no run has the metric, or it has a value for each index.
        ParameterError: no configuration has a parameter of a constraint, or none has all their values.
    """
    key = ranking_value_key(metric, test=test)
    chosen = _ranked_with_constraints(counts, constraints)
    if key in ALL_VALUES_METRICS:
        values = _rank_over_all_values(read, chosen, key, aggregation)
    else:
        values = aggregate.aggregate_counts(chosen, key, aggregation)
    ranked = [
        Ranked(one.configuration, value, one.completed, one.failed, one.interrupted, one.folder)
        for one, value in zip(chosen, values, strict=True)
        if value is not None
    ]
    if not ranked:
        kind = "test" if test else "dev"
        prefix = "test_" if test else "best_"
        known = {
            name.removeprefix(prefix) for one in chosen for name in one.values if name.startswith(prefix)
        }
        raise MetricError(f"no completed run has the {kind} metric {metric!r}; {closest(metric, known)}")
    return aggregate.sort_by_aggregate(ranked, higher_better)


def _rank_over_all_values(
    read: ReadRuns, counts: Sequence[RunCounts], key: str, aggregation: aggregate.Aggregation
) -> list[Aggregate | None]:
    """Aggregates that need the series of every run; None where no completed run has the metric."""
    values: list[Aggregate | None] = []
    for one in show_progress(counts, "reading runs"):
        configuration = one.configuration
        query = Query(
            configuration.experiment, configuration.fingerprint, one.description, ALL_VALUES_METRICS
        )
        summary = aggregate.aggregate_runs(read(query), aggregation)
        values.append(aggregate.unindexed_aggregate(summary, key) if key in summary.values else None)
    return values


def _ranked_with_constraints(
    counts: Sequence[RunCounts], constraints: Mapping[str, Any]
) -> Sequence[RunCounts]:
    if not constraints:
        return counts
    from legm.core.identity import canonical_text, to_plain

    names = {name for one in counts for name in one.configuration.active}
    for name in constraints:
        if name not in names:
            raise ParameterError(f"no configuration has an active parameter {name!r}; {closest(name, names)}")
    wanted = {name: canonical_text(to_plain(name, value)) for name, value in constraints.items()}
    chosen = [one for one in counts if _meets_ranking_constraints(one.configuration, wanted)]
    if not chosen:
        raise ParameterError(f"no configuration has {dict(constraints)}")
    return chosen


def _meets_ranking_constraints(configuration: Configuration, wanted: Mapping[str, str]) -> bool:
    from legm.core.identity import canonical_text

    return all(
        name in configuration.active and canonical_text(configuration.parameters[name]) == text
        for name, text in wanted.items()
    )
