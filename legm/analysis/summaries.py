"""Computes aggregates and curves over the runs of a backend, and stores them and their pictures there."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from legm.analysis import ranking
from legm.analysis.notebook_views import NotebookRanking
from legm.analysis.notes import (
    brief_notes,
    left_out_note,
    log_ranking_notes,
    repeated_note,
)
from legm.analysis.selected_runs import SelectedRuns
from legm.analysis.unfinished import unfinished_curve, unfinished_statuses
from legm.core.code_versions import count_code, different_code_note
from legm.core.display_names import configuration_labels
from legm.core.naming import readable_name
from legm.core.selection import RunSelection
from legm.delivery.client import BackendClient
from legm.delivery.reading import number_of_runs_to_read, read_counts, read_runs
from legm.errors import CorruptFile, LegmError, MetricError, StateError, StorageError, closest
from legm.hooks import Capability
from legm.records import Configuration, Curve, Ranked, RunResult, Status, Summary
from legm.stats import aggregate
from legm.stats.run_counts import ALL_VALUES_METRICS, count_repeated, newest_counted_of_each_seed
from legm.util.progress import show_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from legm.plotting import Style, StyleSheets, UnfinishedCurve

__all__ = [
    "rank_summaries_by_metric",
    "rank_summarized_results",
    "require_summarized_runs",
    "summarize_results",
    "summary_curves",
    "unfinished_curves",
    "write_summary_bars",
    "write_summary_curves",
]

log = logging.getLogger(__name__)

_COUNTED = (Status.COMPLETED, Status.RUNNING)  # the statuses of runs that are averaged, or still may be


def summarize_results(
    client: BackendClient,
    configuration: Configuration,
    description: str,
    aggregation: aggregate.Aggregation,
    *,
    one_per_seed: bool,
    where: str | Sequence[str] | None,
) -> dict[str, Any]:
    """Aggregate the completed runs of a configuration and store the result in the backend.

    With a selection the result is of a part of the runs, and it is only returned.
    """
    selection = RunSelection.parse(where)
    if not selection:
        client.require(Capability.SUMMARIES, "aggregate_results()")
    aggregate.AggregationMethods.parse(aggregation)  # a mistake is reported before anything is read
    selected = _selected_runs_of(client, configuration, selection)
    runs = read_runs(client, configuration, description, ALL_VALUES_METRICS)
    total = functools.partial(number_of_runs_to_read, client, configuration, description)
    found = filter(selected.has_run, show_progress(runs, "aggregating runs", total))
    counted = _SummarizedRuns(found, one_per_seed=one_per_seed)
    summary = aggregate.aggregate_runs(counted, aggregation)
    require_summarized_runs(summary, configuration, description, str(selection))
    if not selection:
        _store_summary(client, configuration, description, summary)
    counted.warn()
    return aggregate.aggregated_summary_as_dict(summary)


def _selected_runs_of(
    client: BackendClient, configuration: Configuration, selection: RunSelection
) -> SelectedRuns:
    every = read_counts(client, configuration.experiment) if selection else ()
    stored = [
        one.configuration for one in every if one.configuration.fingerprint == configuration.fingerprint
    ]
    known = [configuration, *stored]  # which may have parameters that are not compared
    return SelectedRuns.of(selection, known, functools.partial(read_runs, client))


def _store_summary(
    client: BackendClient, configuration: Configuration, description: str, summary: Summary
) -> None:
    try:
        client.write_summary(configuration, description, summary)
    except CorruptFile:
        raise
    except StorageError as error:  # a root directory of somebody else, which is read-only
        if client.strict:
            raise
        log.warning("%s. The result is returned, but it is not stored.", error)


class _SummarizedRuns:
    """Runs that are passed on, and what was among them.

    Args:
        runs: of one configuration and description.
        one_per_seed: whether of several completed runs with equal seeds only the newest is passed on.
    """

    def __init__(self, runs: Iterable[RunResult], *, one_per_seed: bool) -> None:
        self._runs = newest_counted_of_each_seed(runs) if one_per_seed else runs
        self._parameters: list[Mapping[str, Any]] = []
        self._environments: list[Mapping[str, Any]] = []
        self._status: Counter[Status] = Counter()
        self.metrics: set[str] = set()
        self.indexed: set[str] = set()
        """The dev metrics that have a value for each index, and so no curve."""

    def __iter__(self) -> Iterator[RunResult]:
        for run in self._runs:
            self._status[run.status] += 1
            self.metrics.update(series.name for series in run.best)
            self.indexed.update(series.name for series in run.best if series.index is not None)
            if run.status is Status.COMPLETED:
                self._parameters.append(run.run.parameters)
                self._environments.append(run.run.environment)
            yield run

    @property
    def completed(self) -> int:
        """How many completed runs were passed on."""
        return len(self._parameters)

    def notes(self) -> list[str]:
        """The notes that completed runs have equal seeds, or different code; nothing where none have."""
        return [
            *repeated_note(count_repeated(self._parameters), self.completed),
            *different_code_note([count_code(self._environments)]),
        ]

    def left_out(self) -> list[str]:
        """The note that some runs did not complete; nothing where all did."""
        return left_out_note([{one.value: self._status[one] for one in Status if one not in _COUNTED}])

    def warn(self) -> None:
        """Log a warning if completed runs have equal seeds or different code."""
        for note in self.notes():
            log.warning("%s", note)


def require_summarized_runs(
    summary: Summary, configuration: Configuration, description: str, selection: str = ""
) -> None:
    """Refuse a configuration without a completed run.

    Args:
        summary: of its runs.
        configuration: the configuration.
        description: the runs'.
        selection: which runs count; "" for all.

    Raises:
        StateError: there is none.
    """
    if summary.completed == 0:
        others = ", ".join(f"{count} {status}" for status, count in summary.left_out.items())
        name = configuration.name or configuration.fingerprint
        which = f"with the description {description!r}" if description else "without description"
        raise StateError(
            f"the configuration {name!r} of {configuration.experiment!r} has no completed run {which}"
            f"{f' and {selection}' if selection else ''} ({others}): a run counts after log()"
        )


def write_summary_curves(
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
    *,
    one_per_seed: bool,
    statuses: str | Sequence[str],
    where: str | Sequence[str] | None,
) -> list[str]:
    """Draw the aggregated curves of a configuration's dev metrics, and store the pictures.

    With a selection the pictures show a part of the runs: their names and captions say so, and the curves
    are not stored as the configuration's.
    """
    from legm import plotting

    client.require(Capability.FIGURES, "plot()")
    selection = RunSelection.parse(where)
    selected = _selected_runs_of(client, configuration, selection)
    kinds, look = plotting.checked_formats(formats), plotting.Style.of(style)
    wanted = _grouped_metrics(groups)
    unfinished = unfinished_statuses(statuses)
    names = None if wanted is None else frozenset(m for metrics in wanted.values() for m in metrics)
    total = functools.partial(number_of_runs_to_read, client, configuration, description)
    found = show_progress(read_runs(client, configuration, description, names), "reading runs", total)
    runs = _SummarizedRuns(filter(selected.has_run, found), one_per_seed=one_per_seed)
    others: list[RunResult] = []
    drawn = _setting_aside_unsummarized(runs, unfinished, others)
    curves = {curve.metric: curve for curve in aggregate.aggregate_curves(drawn, None, aggregation)}
    completed = runs.completed
    if completed == 0 and not others:
        require_summarized_runs(Summary({}, 0, 0, 0), configuration, description, str(selection))
    runs.warn()
    known = {*curves, *(series.name for run in others for series in run.histories if series.index is None)}
    for metric in names or ():
        if metric in runs.indexed and metric not in known:
            raise MetricError(f"plot() was asked for {metric!r}, which has one value per index and no curve")
        if metric not in known:
            raise MetricError(
                f"plot() was asked for {metric!r}, which no run has; {closest(metric, runs.metrics | known)}"
            )
    if names is None and (indexed := sorted(runs.indexed - known)):
        log.warning("plot() leaves out metrics with one value per index: %s", ", ".join(indexed))
    if not selection:
        client.write_curves(configuration, description, list(curves.values()))
    pictures = _summary_curves_by_figure(sorted(known), wanted, frozenset(exclude), exclude_pattern)
    heading = ", ".join(
        filter(None, (configuration.experiment, readable_name(configuration.name), description))
    )
    only = [f"only runs with {selection}"] if selection else []
    note = brief_notes([*only, *runs.left_out(), *runs.notes()])
    ending = f" where {selection}" if selection else ""
    paths = []
    for name, members in show_progress(pictures.items(), "drawing plots"):
        shown = [curves[metric] for metric in members if metric in curves]
        single = unfinished_curves(others, members)
        above = heading if title is None else title
        figure = plotting.plot_curves(shown, above, completed, look, single, note)
        paths += _write_summary_figure(
            client, configuration.experiment, configuration, description, name + ending, figure, look, kinds
        )
    return paths


def _setting_aside_unsummarized(
    runs: Iterable[RunResult], statuses: Collection[Status], aside: list[RunResult]
) -> Iterator[RunResult]:
    """The runs, of which those with some statuses are also appended to a list."""
    for run in runs:
        if run.status in statuses:
            aside.append(run)
        yield run


def unfinished_curves(
    runs: Iterable[RunResult], metrics: Sequence[str], labels: Mapping[str, str] | None = None
) -> list[UnfinishedCurve]:
    """The curves of runs that are not completed, each by itself.

    Args:
        runs: the runs.
        metrics: of which metrics.
        labels: by fingerprint, the names of the configurations, whose colours the curves have; None for
            those of the metrics.
    """
    from legm.plotting import UnfinishedCurve

    found = []
    for run in sorted(runs, key=lambda run: run.run.run_id):
        for metric in metrics:
            curve = unfinished_curve(run, metric)
            if curve is not None:
                like = metric if labels is None else labels[run.run.configuration.fingerprint]
                named = [like] if labels is not None or len(metrics) > 1 else []
                name = " ".join([*named, run.status.value, run.run.run_id[-6:]])
                found.append(UnfinishedCurve(name, like, curve))
    return found


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


def summary_curves(
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
        aggregation: as for :func:`summarize_results`.

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


def _summary_curves_by_figure(
    metrics: Iterable[str],
    groups: Mapping[str, list[str]] | None,
    exclude: frozenset[str],
    pattern: str | None,
) -> dict[str, list[str]]:
    """The metrics of each picture, by its name."""
    import re

    try:
        matches = re.compile(pattern).search if pattern is not None else lambda _: None
    except re.error as cause:
        raise LegmError(f"exclude_pattern {pattern!r} is not a regular expression: {cause}") from cause
    shown = [name for name in metrics if name not in exclude and not matches(name)]
    if groups is None:
        return {name: [name] for name in shown}
    pictures = {title: [m for m in members if m in shown] for title, members in groups.items()}
    return {title: members for title, members in pictures.items() if members}


def rank_summarized_results(
    client: BackendClient,
    experiment: str,
    description: str,
    metric: str,
    *,
    higher_better: bool | None,
    test: bool,
    constraints: Mapping[str, Any],
    one_per_seed: bool,
    where: str | Sequence[str] | None,
) -> NotebookRanking[Ranked]:
    """Rank an experiment's configurations by their runs with a description, and log what was decided."""
    every = read_counts(client, experiment)
    counts = [one for one in every if one.description == description]
    runs = SelectedRuns.of(
        RunSelection.parse(where),
        [one.configuration for one in counts],
        functools.partial(read_runs, client),
    )
    found = ranking.rank_experiment(
        runs.read,
        runs.counts(counts),
        metric,
        higher_better=higher_better,
        test=test,
        constraints=constraints,
        one_per_seed=one_per_seed,
    )
    key = ranking.ranking_value_key(metric, test=test)
    log_ranking_notes(key, found)

    def read_curve(configuration: Configuration) -> Curve | None:
        chosen: Iterable[RunResult] = runs.read(configuration, description, frozenset({metric}))
        chosen = newest_counted_of_each_seed(chosen) if one_per_seed else chosen
        curves = aggregate.aggregate_curves(chosen)
        return next((one for one in curves if one.metric == metric), None)

    labels = configuration_labels((one.configuration, one.folder) for one in every)
    return NotebookRanking(found, key, labels, None if test else read_curve)


def rank_summaries_by_metric(
    client: BackendClient, experiment: str, description: str, metrics: str | Sequence[str], **given: Any
) -> dict[str, NotebookRanking[Ranked]]:
    """The ranking by each of several metrics, for :func:`write_summary_bars`.

    Args:
        client: of the backend.
        experiment: the experiment.
        description: of the runs.
        metrics: one metric or several.
        **given: as for :func:`rank_summarized_results`.
    """
    client.require(Capability.FIGURES, "plot_comparison_bars()")
    prefix = "test_" if given["test"] else "best_"
    names = [metrics] if isinstance(metrics, str) else metrics
    return {
        prefix + name: rank_summarized_results(client, experiment, description, name, **given)
        for name in names
    }


def write_summary_bars(
    client: BackendClient,
    experiment: str,
    description: str,
    rankings: Mapping[str, NotebookRanking[Ranked]],
    formats: str | Sequence[str],
    style: StyleSheets,
    title: str | None,
) -> list[str]:
    """Draw rankings as bars, and store the picture with the experiment."""
    from legm import plotting

    kinds, look = plotting.checked_formats(formats), plotting.Style.of(style)
    heading = ", ".join(filter(None, (experiment, description))) if title is None else title
    labels = next((one.labels for one in rankings.values()), None)
    figure = plotting.plot_bars(rankings, heading, look, labels=labels)
    name = "comparison-" + "+".join(rankings)
    return _write_summary_figure(client, experiment, None, description, name, figure, look, kinds)
