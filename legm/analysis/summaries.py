"""Computes aggregates and curves over the runs of a backend, and stores them and their pictures there."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from legm.delivery.client import BackendClient
from legm.delivery.reading import number_of_runs, read_runs
from legm.errors import LegmError, MetricError, StateError, closest
from legm.hooks import Capability
from legm.records import Configuration, Curve, Ranked, RunResult, Status, Summary
from legm.stats import aggregate
from legm.stats.run_counts import ALL_VALUES_METRICS
from legm.util.progress import show_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from legm.plotting import Style, StyleSheets

__all__ = [
    "aggregate_results",
    "comparison_curves",
    "require_summarized_runs",
    "write_bar_figures",
    "write_curve_figures",
]


def aggregate_results(
    client: BackendClient,
    configuration: Configuration,
    description: str,
    aggregation: aggregate.Aggregation,
) -> dict[str, Any]:
    """Aggregate the completed runs of a configuration and store the result in the backend."""
    client.require(Capability.SUMMARIES, "aggregate_results()")
    aggregate.AggregationMethods.parse(aggregation)  # a mistake is reported before anything is read
    runs = read_runs(client, configuration, description, ALL_VALUES_METRICS)
    total = functools.partial(number_of_runs, client, configuration, description)
    summary = aggregate.aggregate_runs(show_progress(runs, "aggregating runs", total), aggregation)
    require_summarized_runs(summary, configuration, description)
    client.write_summary(configuration, description, summary)
    return aggregate.summary_as_dict(summary)


def require_summarized_runs(summary: Summary, configuration: Configuration, description: str) -> None:
    """Refuse a configuration without a completed run.

    Raises:
        StateError: there is none.
    """
    if summary.completed == 0:
        others = f"{summary.failed} failed, {summary.interrupted} interrupted"
        name = configuration.name or configuration.fingerprint
        raise StateError(
            f"the configuration {name!r} of {configuration.experiment!r} has no completed run with the "
            f"description {description!r} ({others}): a run counts after log()"
        )


def write_curve_figures(
    client: BackendClient,
    configuration: Configuration,
    description: str,
    aggregation: aggregate.Aggregation,
    groups: Mapping[str, Sequence[str]] | Sequence[Sequence[str]] | None,
    exclude: Iterable[str],
    exclude_pattern: str | None,
    formats: str | Sequence[str],
    style: StyleSheets,
    title: str | None,
) -> list[str]:
    """Draw the aggregated curves of a configuration's dev metrics, and store the pictures."""
    from legm import plotting

    client.require(Capability.FIGURES, "plot()")
    kinds, look = plotting.checked_formats(formats), plotting.Style.of(style)
    wanted = _grouped_metrics(groups)
    completed = 0
    known: set[str] = set()

    def counting(runs: Iterable[RunResult]) -> Iterator[RunResult]:
        nonlocal completed
        for run in runs:
            completed += run.status is Status.COMPLETED
            known.update(series.name for series in run.best)
            yield run

    names = None if wanted is None else frozenset(m for metrics in wanted.values() for m in metrics)
    found = read_runs(client, configuration, description, names)
    total = functools.partial(number_of_runs, client, configuration, description)
    runs = counting(show_progress(found, "reading runs", total))
    curves = {curve.metric: curve for curve in aggregate.aggregate_curves(runs, None, aggregation)}
    if completed == 0:
        require_summarized_runs(Summary({}, 0, 0, 0), configuration, description)
    for metric in names or ():
        if metric not in curves:
            raise MetricError(f"plot() was asked for {metric!r}, which no run has; {closest(metric, known)}")
    client.write_curves(configuration, description, list(curves.values()))
    pictures = _curves_by_figure(curves, wanted, frozenset(exclude), exclude_pattern)
    heading = ", ".join(filter(None, (configuration.experiment, configuration.name, description)))
    paths = []
    for name, shown in show_progress(pictures.items(), "drawing plots"):
        figure = plotting.plot_curves(shown, heading if title is None else title, completed, look)
        paths += _write_summary_figure(
            client, configuration.experiment, configuration, description, name, figure, look, kinds
        )
    return paths


def _write_summary_figure(
    client: BackendClient,
    experiment: str,
    configuration: Configuration | None,
    description: str,
    name: str,
    figure: Figure,
    style: Style,
    formats: Iterable[str],
) -> list[str]:
    """Store a picture in each format.

    Returns:
        where each is; nothing where the client stores nothing.
    """
    from legm import plotting

    if client.read_only:
        return []
    kept = (
        client.write_figure(
            experiment, configuration, description, name, plotting.render(figure, format, style), format
        )
        for format in formats
    )
    return [path for path in kept if path is not None]


def comparison_curves(
    client: BackendClient,
    configurations: Iterable[Configuration],
    description: str,
    metric: str,
    aggregation: aggregate.Aggregation = "mean",
) -> list[tuple[Configuration, Curve]]:
    """The aggregated curve of one dev metric, of each of several configurations in their order.

    Args:
        client: of the backend.
        configurations: whose curves are wanted.
        description: of the runs.
        metric: a dev metric.
        aggregation: as for :func:`aggregate_results`.

    Returns:
        the configurations that have the metric in a completed run, each with its curve.

    Raises:
        MetricError: none has it, or there is no such method.
    """
    aggregate.AggregationMethods.parse(aggregation)
    known: set[str] = set()

    def noting(runs: Iterable[RunResult]) -> Iterator[RunResult]:
        for run in runs:
            known.update(series.name for series in run.best)
            yield run

    found = []
    for configuration in show_progress(configurations, "reading runs"):
        runs = noting(read_runs(client, configuration, description, frozenset({metric})))
        found += [(configuration, curve) for curve in aggregate.aggregate_curves(runs, None, aggregation)]
    if not found:
        raise MetricError(f"no completed run has a curve of the metric {metric!r}; {closest(metric, known)}")
    return found


def _grouped_metrics(
    groups: Mapping[str, Sequence[str]] | Sequence[Sequence[str]] | None,
) -> dict[str, list[str]] | None:
    if groups is None:
        return None
    if isinstance(groups, Mapping):
        pairs = [(str(title), metrics) for title, metrics in groups.items()]
    else:
        pairs = [("", metrics) for metrics in groups]
    named: dict[str, list[str]] = {}
    for title, metrics in pairs:
        members = [metrics] if isinstance(metrics, str) else list(metrics)
        if not members:
            raise MetricError("a group of plot() must name at least one metric")
        named[title or "+".join(members)] = members
    return named


def _curves_by_figure(
    curves: Mapping[str, Curve],
    groups: Mapping[str, list[str]] | None,
    exclude: frozenset[str],
    pattern: str | None,
) -> dict[str, list[Curve]]:
    import re

    try:
        matches = re.compile(pattern).search if pattern is not None else lambda _: None
    except re.error as cause:
        raise LegmError(f"exclude_pattern {pattern!r} is not a regular expression: {cause}") from cause
    shown = {name: curve for name, curve in curves.items() if name not in exclude and not matches(name)}
    if groups is None:
        return {name: [curve] for name, curve in shown.items()}
    pictures = {title: [shown[m] for m in members if m in shown] for title, members in groups.items()}
    return {title: members for title, members in pictures.items() if members}


def write_bar_figures(
    client: BackendClient,
    experiment: str,
    description: str,
    rankings: Mapping[str, Sequence[Ranked]],
    formats: str | Sequence[str],
    style: StyleSheets,
    title: str | None,
) -> list[str]:
    """Draw rankings as bars, and store the picture with the experiment."""
    from legm import plotting

    kinds, look = plotting.checked_formats(formats), plotting.Style.of(style)
    heading = ", ".join(filter(None, (experiment, description))) if title is None else title
    figure = plotting.plot_bars(rankings, heading, look)
    name = "comparison-" + "+".join(rankings)
    return _write_summary_figure(client, experiment, None, description, name, figure, look, kinds)
