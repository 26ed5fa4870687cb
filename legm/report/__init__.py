"""A report: one HTML page with the experiments of a root directory, which opens without a network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from legm.analysis.configuration_lookup import labels_in_backend
from legm.analysis.grouping import require_group_parameters
from legm.analysis.ranking import ranking_value_key
from legm.analysis.unfinished import unfinished_statuses
from legm.core.display_names import display_names
from legm.core.selection import BoundSelection, RunSelection, SelectionCandidate
from legm.delivery.client import BackendClient, connect_client
from legm.delivery.reading import read_runs
from legm.errors import CorruptFile, LegmError, MetricError, ParameterError, closest
from legm.hooks import Capability
from legm.records import Configuration, Plain, RunResult
from legm.report.content import ExperimentContent
from legm.report.media import ReportMedia
from legm.report.metric_content import InitialReportView
from legm.report.page import read_page_plotly_script, render_page
from legm.report.row_differences import differences_from_best_rows
from legm.util.atomic_files import write_atomically
from legm.util.progress import show_progress

__all__ = ["build", "write"]

_MAX_CURVE_BYTES = 6 << 20  # for all curves of a report together
_MAX_MEDIA_BYTES = 8 << 20  # for all pictures, sounds and the like
_RUNS_ASKED_FOR_MEDIA = 2  # of each configuration and description in a tracker


def build(
    root: BackendClient | str | os.PathLike[str],
    experiments: Sequence[str],
    *,
    metric: str | None = None,
    higher_better: bool | None = None,
    test: bool = False,
    statuses: str | Sequence[str] = (),
    one_per_seed: bool = False,
    where: str | Sequence[str] | None = None,
    group_by: str | Sequence[str] = (),
    backend: object = "local",
    backend_options: Mapping[str, Any] | None = None,
) -> bytes:
    """Build the page.

    Runs whose process died are finalized first. Problems with damaged files are shown on the page. Only one
    configuration is in memory at a time.

    Args:
        root: the root directory, or a client that is connected to a backend.
        experiments: the names of the experiments to show.
        metric: the metric by which configurations are ranked when the page opens; by default the one that
            chose the runs' best step, else the first.
        higher_better: whether a higher value of the metric is better; by default as for
            :meth:`legm.ExperimentHandler.get_best`.
        test: whether it is a test metric.
        statuses: of further runs whose curves are drawn, but never averaged: "failed", "interrupted",
            "pruned", "running".
        one_per_seed: whether of several completed runs with equal seed parameters only the newest counts; by
            default all do, and the page says so.
        where: selects configurations and runs as ``--where`` does; the page says so.
        group_by: parameters: the page also ranks groups of configurations with equal values of them.
        backend: the backend that has the runs, as for :class:`legm.ExperimentHandler`.
        backend_options: the backend's own options.

    Returns:
        the HTML page, in UTF-8.

    Raises:
        MetricError: no experiment has the metric.
        ParameterError: nothing is selected, ``where`` is not a selection, or no configuration can be grouped
            by one of the parameters.
        LegmError: the backend cannot read the runs, or plotly is not installed.
    """
    return _render_report(
        *_collect_report(
            *(root, experiments, metric, higher_better, backend, backend_options),
            test=test,
            statuses=statuses,
            one_per_seed=one_per_seed,
            where=where,
            group_by=group_by,
        )
    )


def _collect_report(
    root: BackendClient | str | os.PathLike[str],
    experiments: Sequence[str],
    metric: str | None,
    higher_better: bool | None,
    backend: object,
    backend_options: Mapping[str, Any] | None,
    *,
    test: bool,
    statuses: str | Sequence[str],
    one_per_seed: bool,
    where: str | Sequence[str] | None,
    group_by: str | Sequence[str],
) -> tuple[BackendClient, _ReportContent]:
    """The client, and all that the page shows; see :func:`build`."""
    client = root if isinstance(root, BackendClient) else connect_client(root, backend, backend_options)
    shown_statuses = unfinished_statuses(statuses)
    library = read_page_plotly_script()  # raises before anything is read
    key = None if metric is None else ranking_value_key(metric, test=test)
    selection = RunSelection.parse(where)
    groups = [group_by] if isinstance(group_by, str) else list(group_by)
    collected: list[ExperimentContent] = []
    found: list[Sequence[Configuration]] = []
    for name in dict.fromkeys(experiments):
        content = ExperimentContent(
            name, shown_statuses, one_per_seed=one_per_seed, selected=str(selection), group_by=groups
        )
        collected.append(content)
        found.append(_read_report_configurations(client, content))
    bound = selection.bound(one for of in found for one in of) if selection else None
    found = [[one for one in of if _may_be_in_report(bound, one)] for of in found]
    if any(found):
        require_group_parameters(groups, [one for of in found for one in of])
    share = _MAX_CURVE_BYTES // max(1, sum(map(len, found)))
    most = None if client.supports(Capability.FOLDERS) else _RUNS_ASKED_FOR_MEDIA
    media = ReportMedia(client, _MAX_MEDIA_BYTES, sum(map(len, found)), most)
    for content, configurations in zip(collected, found, strict=True):
        _collect_report_experiment(client, configurations, content, share, bound, media)
    if bound is not None and not any(content.has_runs for content in collected):
        raise ParameterError(f"no run has {selection}")
    known = {own for content in collected for own in content.keys}
    if key is not None and known and key not in known:
        kind, prefix = ("test", "test_") if test else ("dev", "best_")
        names = [
            own.removeprefix(prefix)
            for own in known
            if ranking_value_key(own.removeprefix(prefix), test=test) == own
        ]
        raise MetricError(f"no completed run has the {kind} metric {metric!r}; {closest(str(metric), names)}")
    asked = InitialReportView(key, higher_better)
    shown = [
        {
            **content.content(asked),
            "differences": _differences(client, content, asked, selection, one_per_seed=one_per_seed),
        }
        for content in collected
    ]
    return client, _ReportContent(shown, media.contents, library)


def _differences(
    client: BackendClient,
    content: ExperimentContent,
    asked: InitialReportView,
    selection: RunSelection,
    *,
    one_per_seed: bool,
) -> list[dict[str, Plain]]:
    """How the best rows differ from the very best one by the metric that is shown first."""
    ranking = content.ranking(asked)
    if ranking is None:
        return []
    key, rows, ranked, higher_better = ranking
    return differences_from_best_rows(
        *(client, rows, ranked, key),
        higher_better=higher_better,
        selection=selection,
        one_per_seed=one_per_seed,
    )


class _ReportContent(NamedTuple):
    """The content of each experiment, that of the media by their digests, and plotly's script."""

    experiments: list[dict[str, Plain]]
    media: dict[str, Plain]
    library: str


def _render_report(client: BackendClient, content: _ReportContent) -> bytes:
    return render_page(client.root.resolve().name, client.name, *content)


def write(
    root: BackendClient | str | os.PathLike[str],
    experiments: Sequence[str],
    path: Path,
    *,
    metric: str | None = None,
    higher_better: bool | None = None,
    test: bool = False,
    statuses: str | Sequence[str] = (),
    one_per_seed: bool = False,
    where: str | Sequence[str] | None = None,
    group_by: str | Sequence[str] = (),
    backend: object = "local",
    backend_options: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Build the page and write it to a file atomically, replacing an earlier one.

    Args:
        root, experiments, metric, higher_better, test, statuses, one_per_seed, where: see :func:`build`.
        group_by, backend, backend_options: see :func:`build`.
        path: the file.

    Returns:
        by experiment and metric (``best_loss``), what its values are ("title") and which are better
        ("higher_better", "because").

    Raises:
        StorageError: it cannot be written.
        LegmError: as :func:`build`.
    """
    client, content = _collect_report(
        *(root, experiments, metric, higher_better, backend, backend_options),
        test=test,
        statuses=statuses,
        one_per_seed=one_per_seed,
        where=where,
        group_by=group_by,
    )
    write_atomically(path, _render_report(client, content))
    shown = ("title", "higher_better", "because", "note")
    return {
        one["name"]: {of["key"]: {name: of[name] for name in shown} for of in one["metrics"]}
        for one in content.experiments
    }


def _read_report_configurations(client: BackendClient, content: ExperimentContent) -> Sequence[Configuration]:
    try:
        return list(client.configurations(content.name))
    except CorruptFile as error:
        content.problem(str(error))
        return []


def _collect_report_experiment(
    client: BackendClient,
    configurations: Sequence[Configuration],
    content: ExperimentContent,
    share: int,
    bound: BoundSelection | None,
    media: ReportMedia,
) -> None:
    """Add all runs of an experiment to the content, one configuration after the other."""

    def show_media(runs: Sequence[RunResult]) -> dict[str, Plain]:
        try:
            return media.of_row(runs) if client.supports(Capability.MEDIA) else {}
        except LegmError as error:
            content.problem(str(error))
            return {}

    names = display_names(configurations, labels_in_backend(client, configurations))
    for configuration in show_progress(configurations, "reading runs"):
        try:
            runs = list(
                read_runs(
                    *(client, configuration, None, None), lambda damaged: content.problem(damaged.problem)
                )
            )
        except CorruptFile as error:
            content.problem(str(error))
            runs = []
        if bound is not None:
            runs = [run for run in runs if bound.has_run(run)]
        if runs or bound is None:
            content.add(configuration, names[configuration.fingerprint], runs, share, show_media)


def _may_be_in_report(bound: BoundSelection | None, configuration: Configuration) -> bool:
    return bound is None or bound.decides(SelectionCandidate(configuration)) is not False
