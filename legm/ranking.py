"""The configurations of an experiment, best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from legm import aggregate
from legm.errors import MetricError, ParameterError, closest
from legm.progress import watched
from legm.records import Aggregate, Configuration, Query, Ranked, Tally
from legm.tallies import POOLED

if TYPE_CHECKING:
    from legm.relay import Relay

__all__ = ["rank", "settled_tallies", "value_key"]


def settled_tallies(relay: Relay, experiment: str) -> list[Tally]:
    """The runs of an experiment, counted, after what processes left behind was settled.

    Raises:
        LegmError: the backend could not read them.
    """
    from legm.logs import LogFolder
    from legm.owed import catch_up

    found = relay.tallies(experiment)
    unsettled = [
        logs
        for folder in {one.folder for one in found if one.folder is not None}
        if (logs := LogFolder(Path(folder) / "runs")).unsettled()
    ]
    for logs in unsettled:
        catch_up(relay, logs)
    return relay.tallies(experiment) if unsettled else found


def value_key(metric: str, *, test: bool) -> str:
    """Where a metric that configurations are ranked by stands in a summary."""
    if metric in POOLED and not test:
        return metric
    return ("test_" if test else "best_") + metric


class Reader(Protocol):
    """What hooks that read are called through: a :class:`legm.relay.Relay`, or what makes one when needed."""

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook."""


def rank(
    relay: Reader,
    tallies: Sequence[Tally],
    metric: str,
    *,
    higher_better: bool,
    test: bool,
    constraints: Mapping[str, Any],
    aggregation: aggregate.Aggregation = "mean",
) -> list[Ranked]:
    """Rank configurations by a metric over their completed runs.

    Args:
        relay: to the backend, which is asked again only for metrics that aggregate over all their values.
        tallies: the configurations' runs of one description.
        metric: a dev metric, at the best step, or a test metric.
        higher_better: whether higher is better.
        test: whether it is a test metric.
        constraints: values that active parameters must have.
        aggregation: over the runs; what counts is the mean, for the median the median.

    Returns:
        the configurations, best first; those without the metric are left out.

    Raises:
        MetricError: no run has the metric, or it has a value for each index.
        ParameterError: no configuration has a parameter of a constraint, or none has all their values.
    """
    key = value_key(metric, test=test)
    chosen = _constrained(tallies, constraints)
    if key in POOLED:
        values = _pooled(relay, chosen, key, aggregation)
    else:
        values = aggregate.aggregate_tallies(chosen, key, aggregation)
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
    return aggregate.in_order(ranked, higher_better)


def _pooled(
    relay: Reader, tallies: Sequence[Tally], key: str, aggregation: aggregate.Aggregation
) -> list[Aggregate | None]:
    """Aggregates that need the series of every run; None where no completed run has the metric."""
    values: list[Aggregate | None] = []
    for one in watched(tallies, "reading runs"):
        configuration = one.configuration
        query = Query(configuration.experiment, configuration.fingerprint, one.description, POOLED)
        summary = aggregate.summarise_runs(relay.call("legm_read_runs", query=query), aggregation)
        values.append(aggregate.whole(summary, key) if key in summary.values else None)
    return values


def _constrained(tallies: Sequence[Tally], constraints: Mapping[str, Any]) -> Sequence[Tally]:
    if not constraints:
        return tallies
    from legm.identity import canonical, plain

    names = {name for one in tallies for name in one.configuration.active}
    for name in constraints:
        if name not in names:
            raise ParameterError(f"no configuration has an active parameter {name!r}; {closest(name, names)}")
    wanted = {name: canonical(plain(name, value)) for name, value in constraints.items()}
    chosen = [one for one in tallies if _has(one.configuration, wanted)]
    if not chosen:
        raise ParameterError(f"no configuration has {dict(constraints)}")
    return chosen


def _has(configuration: Configuration, wanted: Mapping[str, str]) -> bool:
    from legm.identity import canonical

    return all(
        name in configuration.active and canonical(configuration.parameters[name]) == text
        for name, text in wanted.items()
    )
