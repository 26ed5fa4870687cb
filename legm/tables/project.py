"""A root directory opened for reading: its experiments, configurations, runs and values as tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.analysis.selected_runs import SelectedRuns
from legm.core.selection import BoundSelection, RunSelection, SelectionCandidate
from legm.core.texts import listed_names
from legm.errors import LegmError, MetricError
from legm.records import Configuration, RunCounts, RunResult
from legm.tables.history_table import RunSeries, history_table
from legm.tables.media_table import MediaTableRow, media_table
from legm.tables.run_tables import configuration_table, experiment_table, run_table
from legm.tables.series_reading import SeriesReader
from legm.tables.sources import StoredConfiguration, StoredResult, TableSource, table_source
from legm.tables.table import Table
from legm.util.given_paths import absolute_given_path
from legm.util.progress import show_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from legm.plotting import StyleSheets

__all__ = ["Project", "open"]

Where = str | Sequence[str] | None


def open(root: str | os.PathLike[str], backend: object = "local", **options: Any) -> Project:  # noqa: A001
    """Open the runs of a root directory for reading them as tables.

    Args:
        root: the root directory, or with the local backend also an experiment's or a configuration's folder.
        backend: the backend that stores the runs: a name, a class or an instance.
        **options: the backend's own, such as ``tracking_uri``.

    Returns:
        the project.

    Raises:
        ParameterError: the root directory is not a path, or an empty one.
        BackendError: the backend is unknown or does not fit.
        StorageError: there is no such folder.
    """
    return Project(root, backend, options)


class Project:
    """The runs of a root directory, read anew with each table; see :func:`legm.tables.open`.

    Runs whose process died are finalized first, as by every command. Runs that are still running are in every
    table, with what they have set so far. What is damaged is logged and left out.

    Every method that selects takes ``where``, one or several conditions as ``--where`` has them
    (``"lr<0.01 and not tag:broken"``, ``"status:failed"``), and parameters by name with the value that they
    have to have (``optimizer="adam"``). All must hold. If nothing is selected, the table has no rows.

    Args:
        root: the root directory.
        backend: the backend that stores the runs.
        options: the backend's own.

    Raises:
        ParameterError: the root directory is not a path, or an empty one.
        BackendError: the backend is unknown or does not fit.
        StorageError: there is no such folder.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        backend: object = "local",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = Path(absolute_given_path(root))
        self._backend, self._options = backend, dict(options or {})
        self._source: TableSource = table_source(self.root, backend, self._options)
        self._media: dict[str, MediaTableRow] = {}

    def __reduce__(self) -> tuple[type[Project], tuple[Path, object, dict[str, Any]]]:
        """Copy it, or send it to another process, as what it was opened with."""
        return type(self), (self.root, self._backend, self._options)

    def experiments(self) -> Table:
        """The experiments, each with its numbers of configurations and runs.

        Returns:
            a row for each experiment.

        Raises:
            NotSupported: the backend does not list its experiments.
            LegmError: the backend could not be read.
        """
        counts: dict[str, list[RunCounts]] = {name: [] for name in self._source.experiments()}
        for name, every in counts.items():
            every += [one for _, one in self._source.counts(name)]
        return experiment_table(sorted(counts), counts)

    def configurations(
        self, experiment: str | None = None, *, where: Where = None, **parameters: Any
    ) -> Table:
        """The configurations with their parameters, and the metrics over their completed runs.

        Metrics have three columns: ``best_loss_n``, ``best_loss_mean`` and ``best_loss_std``. What they are
        about says how the values were chosen, and which are better, and why. Metrics named ``time`` and
        ``time_per_sample`` are not among them, since they are averaged over all their values.

        Args:
            experiment: only of this experiment; None for all.
            where: which configurations and runs; only selected runs are counted and averaged.
            **parameters: values that parameters have to have.

        Returns:
            a row for each configuration and description.

        Raises:
            ParameterError: no configuration has one of the parameters or values.
            LegmError: the backend could not be read.
        """
        counted = self._source.counts(experiment)
        selection = _project_selection(where, parameters)
        if not selection:
            return configuration_table(counted)
        stored = {one.configuration.fingerprint: one for one, _ in counted}

        def read(configuration: Configuration, description: str, _: object) -> Iterator[RunResult]:
            for one in self._source.results(stored[configuration.fingerprint]):
                if one.result.run.description == description:
                    yield one.result

        selected = SelectedRuns.of(selection, (one.configuration for one, _ in counted), read)
        kept = selected.counts_if_any([counts for _, counts in counted])
        return configuration_table([(stored[one.configuration.fingerprint], one) for one in kept])

    def runs(self, experiment: str | None = None, *, where: Where = None, **parameters: Any) -> Table:
        """The runs with their parameters, best and test values.

        A parameter ``lr`` is the column ``param.lr``, the best value of a metric ``loss`` is ``best_loss``, a
        test value ``test_accuracy``. Indexed metrics, with a value for each example, are in the history only.

        Args:
            experiment: only of this experiment; None for all.
            where: which runs.
            **parameters: values that parameters have to have.

        Returns:
            a row for each run, in the order of their configurations and starts.

        Raises:
            ParameterError: no configuration has one of the parameters or values.
            LegmError: the backend could not be read.
        """
        found = self._selected(experiment, where, parameters)
        return run_table((run.result, of.label) for of, runs in found for run in runs)

    def history(
        self,
        metrics: str | Iterable[str] | None = None,
        experiment: str | None = None,
        *,
        x: str = "step",
        where: Where = None,
        **parameters: Any,
    ) -> Table:
        """The values of metrics over steps, and the test values.

        A series has one row a step, with the last value that was set at it, as everywhere in legm; values
        that were rewound are not there. A test metric has one row without a step.

        Args:
            metrics: the names of the metrics; None for all.
            experiment: only of this experiment; None for all.
            x: the horizontal axis. "step" is a column already; for another one there is a column ``x``: with
                "time" it is the seconds since the run began, with a dev metric (``x="epoch"``) the value of
                that metric at the same step of the run, or its last one before. It is missing (NaN) before
                the first one, and for test values.
            where: which runs.
            **parameters: values that parameters have to have.

        Returns:
            a row for each value.

        Raises:
            MetricError: no run has one of the metrics.
            ParameterError: no configuration has one of the parameters or values.
            LegmError: the backend could not be read.
        """
        names = None if metrics is None else frozenset(_project_metric_names(metrics))
        if not isinstance(x, str):
            raise MetricError(f"x must be 'step', 'time' or the name of a dev metric, not {x!r}")
        reader = SeriesReader(self._source, names, x)
        series: list[RunSeries] = []
        has_runs = False
        for of, runs in self._selected(experiment, where, parameters):
            has_runs = has_runs or bool(runs)
            series += reader.read(of, runs)
        if has_runs:
            reader.require_metrics()
        return history_table(series, x)

    def plot(
        self,
        metrics: str | Sequence[str],
        experiment: str | None = None,
        *,
        top: int | None = None,
        bars: bool = False,
        higher_better: bool | None = None,
        test: bool = False,
        aggregation: str = "mean",
        one_per_seed: bool = False,
        description: str = "",
        statuses: str | Sequence[str] = (),
        style: StyleSheets = None,
        title: str | None = None,
        where: Where = None,
        **parameters: Any,
    ) -> Figure:
        """Draw the curves of the best configurations, or their ranking as bars, as ``legm plot`` does.

        As the last line of a notebook's cell, the figure is shown.

        Args:
            metrics: a dev metric; with ``bars`` one metric or several.
            experiment: the experiment; it may be left out if there is only one.
            top: how many configurations at most; by default 10 curves, and all bars. 0 for all.
            bars: whether the ranking is drawn instead of curves.
            higher_better: as for :meth:`legm.ExperimentHandler.get_best`.
            test: whether they are test metrics, which have bars only.
            aggregation: how runs are aggregated: "mean", "median", "outlier_mean", "confidence".
            one_per_seed: whether of several completed runs with equal seeds only the newest counts.
            description: only runs with this one.
            statuses: of runs that are drawn too, each as a line of its own that is never averaged: "failed",
                "interrupted", "pruned", "running".
            style: a matplotlib style sheet, or several, as for :meth:`legm.ExperimentHandler.plot`.
            title: above the figure; None for the experiment's name, "" for none.
            where: which configurations and runs.
            **parameters: values that parameters have to have.

        Returns:
            the figure, which no part of pyplot knows.

        Raises:
            MetricError: no completed run has a metric, or it is a test metric and has no curve.
            ParameterError: no configuration has one of the parameters or values.
            LegmError: there is no such experiment, style or aggregation, or the backend could not be read.
        """
        from legm.tables.project_figures import FigureRequest, project_figure

        names = _project_metric_names(metrics)
        counted = self._source.counts(self._one_experiment(experiment))
        stored = {one.configuration.fingerprint: one for one, _ in counted}

        def read(configuration: Configuration, of: str, histories: frozenset[str]) -> Iterator[RunResult]:
            found = self._source.runs(stored[configuration.fingerprint], histories)
            return (run for run in found if run.run.description == of)

        selection = _project_selection(where, parameters)
        runs = SelectedRuns.of(selection, (one.configuration for one, _ in counted), read)
        chosen = runs.counts([one for _, one in counted if one.description == description])
        request = FigureRequest(
            *(names, top, bars, higher_better, test, aggregation, one_per_seed),
            *(description, [statuses] if isinstance(statuses, str) else statuses, title, str(selection)),
        )
        labels = {key: one.label for key, one in stored.items()}
        return project_figure(request, runs, chosen, labels, style)

    def _one_experiment(self, experiment: str | None) -> str:
        if experiment is not None:
            return experiment
        known = self._source.experiments()
        if len(known) != 1:
            raise LegmError(f"{self.root} has {len(known)} experiments: name one of {listed_names(known)}")
        return known[0]

    def media(
        self,
        name: str | None = None,
        experiment: str | None = None,
        *,
        where: Where = None,
        **parameters: Any,
    ) -> Table:
        """The pictures, sounds, tables and the like that were logged; see :meth:`media_content`.

        Args:
            name: only those logged under this name; None for all.
            experiment: only of this experiment; None for all.
            where: which runs.
            **parameters: values that parameters have to have.

        Returns:
            a row for each file, in the order in which a run logged them.

        Raises:
            NotSupported: the backend does not return media.
            ParameterError: no configuration has one of the parameters or values.
            LegmError: the backend could not be read.
        """
        rows: list[MediaTableRow] = []
        for of, runs in self._selected(experiment, where, parameters):
            for run in (one.result.run for one in runs):
                for medium in self._source.media(of, run):
                    if name in (None, medium.name):
                        rows += [
                            MediaTableRow(of, run, medium, number) for number in range(len(medium.files))
                        ]
        self._media.update({row.file.digest: row for row in rows})
        return media_table(rows)

    def media_content(self, digest: str) -> bytes:
        """The content of a file that :meth:`media` listed, wherever the backend has it.

        Args:
            digest: the file's, as in the table.

        Returns:
            the content, which was compared with the digest.

        Raises:
            LegmError: no such file was listed.
            CorruptFile: the file has another content by now.
            StorageError: it cannot be read.
        """
        row = self._media.get(digest)
        if row is None:
            raise LegmError(f"no medium with the digest {digest!r} was listed: call media() first")
        return self._source.media_content(row.of, row.run, row.file)

    def _selected(
        self, experiment: str | None, where: Where, parameters: Mapping[str, Any]
    ) -> Iterator[tuple[StoredConfiguration, list[StoredResult]]]:
        """The selected runs of each configuration, by their starts; those in copies of a folder once."""
        stored = self._source.configurations(experiment)
        selection = _project_selection(where, parameters)
        bound = selection.bound(one.configuration for one in stored) if selection else None
        if bound is not None:
            stored = [
                one for one in stored if bound.decides(SelectionCandidate(one.configuration)) is not False
            ]
        seen: set[str] = set()
        for one in show_progress(stored, "reading runs", lambda: len(stored)):
            runs = [
                run
                for run in self._source.results(one)
                if run.result.run.run_id not in seen and _has_project_run(bound, run.result)
            ]
            seen.update(run.result.run.run_id for run in runs)
            yield one, sorted(runs, key=lambda run: run.result.run.run_id)

    def __repr__(self) -> str:
        name = self._backend if isinstance(self._backend, str) else type(self._backend).__name__
        return f"<Project {str(self.root)!r} in the backend {name!r}>"

    def _repr_html_(self) -> str:
        from legm.tables.html import table_html

        try:
            return table_html(self.experiments(), repr(self)[1:-1])
        except LegmError as error:
            from legm.core.html_markup import html_paragraphs

            return html_paragraphs([f"{self!r}: {error}"])


def _project_metric_names(metrics: object) -> tuple[str, ...]:
    """The names of metrics that a user gave: one or several.

    Raises:
        MetricError: they are no names.
    """
    several = isinstance(metrics, Iterable) and not isinstance(metrics, str)
    names: list[str] = []
    for one in metrics if several else (metrics,):  # type: ignore[attr-defined]
        if not isinstance(one, str):
            raise MetricError(f"a metric is given by its name, not as {one!r} of type {type(one).__name__}")
        names.append(one)
    return tuple(names)


def _project_selection(where: Where, parameters: Mapping[str, Any]) -> RunSelection:
    return RunSelection.parse(where).with_values(parameters)


def _has_project_run(bound: BoundSelection | None, result: RunResult) -> bool:
    return bound is None or bound.has_run(result)
