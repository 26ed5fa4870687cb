"""What the live page shows of the runs that are stored, read again where they have changed."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from legm.analysis.selected_runs import SelectedRuns
from legm.core.display_names import display_names
from legm.core.selection import RunSelection
from legm.delivery.client import BackendClient, connect_client
from legm.delivery.folder_access import open_folder_access
from legm.errors import LegmError, StorageError
from legm.records import Configuration, Plain, RunCounts, RunMarks, RunResult, Status
from legm.report.content import ExperimentContent
from legm.report.counted_content import CountedConfiguration, CountedContent, counted_experiment_content
from legm.report.curve_detail import CurveDetail
from legm.report.media import ReportMedia
from legm.runlog.configuration_folders import experiment_paths
from legm.runlog.marks_files import marks_in_folder, may_have_marks
from legm.tables.history_table import RunSeries
from legm.tables.series_reading import SeriesReader, read_results_with_series
from legm.tables.sources import StoredConfiguration, TableSource, table_source
from legm.ui.configuration_media import ConfigurationMedia
from legm.ui.counted_experiment import CountedExperiment
from legm.ui.first_reading import FirstReading
from legm.ui.kept_series import KeptSeries

__all__ = ["StoredRuns"]

log = logging.getLogger(__name__)

_MOST_UNFINISHED = 200  # configurations whose runs that are not completed are listed, the newest first
_CURVE_BYTES = 4 << 20  # for all curves of a configuration
_BUCKETS = 300  # of a curve, in which it has its extremes
_WHOLE = CurveDetail(_BUCKETS)
_MOST_KEPT_VALUES = 2_500_000  # of series in memory, so that a look at a part of them reads nothing again
_MEDIA_BYTES = 2 << 20  # for all media that are shown of one,
_RUN_MEDIA_BYTES = 8 << 20  # and of the runs that are side by side,
_MOST_RUN_STEPS = 60  # of each name, so that one can go through them
_KEPT_SECONDS = 10.0  # what a backend without folders has is kept, since it reports no change
_DRAWN = (Status.RUNNING, Status.FAILED, Status.INTERRUPTED, Status.PRUNED)


class StoredRuns:
    """The experiments of a root directory, each counted once until something in it changes.

    Args:
        root: the root directory.
        backend: the backend's name.
        options: the backend's own.

    Raises:
        BackendError: the backend is unknown or does not fit.
        StorageError: there is no such folder.
    """

    def __init__(self, root: Path, backend: str = "local", options: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self.backend = backend
        self._options = dict(options or {})
        self._has_folders = open_folder_access(backend, self._options) is not None
        self._source = table_source(root, backend, self._options)
        self.first_reading: FirstReading | None = None
        if self._has_folders:
            silent = table_source(root, backend, self._options, lambda _: None)
            self.first_reading = FirstReading(root, silent)
        self._counted: dict[str, CountedExperiment] = {}
        self._versions: dict[str, int] = {}
        self._kept = KeptSeries(_MOST_KEPT_VALUES)
        self._lock = threading.RLock()  # held while an experiment is counted
        self._versions_lock = threading.Lock()

    # What has changed

    def expire(self, experiment: str) -> int:
        """Read an experiment again when it is asked for next; returns the version that it has then.

        It does not wait for an experiment that is being counted: that will be counted once more.
        """
        with self._versions_lock:
            self._versions[experiment] = self._versions.get(experiment, 0) + 1
            return self._versions[experiment]

    def version(self, experiment: str) -> int:
        """How often an experiment has changed since the server began."""
        return self._versions.get(experiment, 0)

    def versions(self) -> dict[str, int]:
        """The versions of the experiments that have changed since the server began."""
        with self._versions_lock:
            return dict(self._versions)

    def name_of_folder(self, folder: str) -> str:
        """The name of the experiment in a folder, by its path below the root directory."""
        access = open_folder_access(self.backend, self._options)
        try:
            return (None if access is None else access.experiment_in(self.root / folder)) or Path(folder).name
        except LegmError:
            return Path(folder).name

    def read_ahead(self) -> None:
        """Count the experiments before somebody asks, and make what is shown of the one that ran last."""
        with contextlib.suppress(LegmError):  # it is reported to who asks
            with self._lock:
                cards = self.cards()
            if cards:
                self.experiment(str(max(cards, key=_last_of_card)["name"]))

    # What the page shows

    def cards(self) -> list[dict[str, Plain]]:
        """Each experiment with its best configuration, what runs, and what failed lately."""
        with self._lock:
            found = [(name, self._current_experiment(name)) for name in self.experiments()]
            return [of.card(name, self._source) for name, of in found]

    def experiments(self) -> list[str]:
        """The names of the experiments, sorted."""
        paths = list(experiment_paths(self.root)) if self._has_folders else []
        return sorted(map(self.name_of_folder, paths)) if paths else self._source.experiments()

    def experiment(self, name: str, where: Sequence[str] = ()) -> dict[str, Plain]:
        """The leaderboard of an experiment; see :mod:`legm.report.counted_content`.

        Args:
            name: the experiment's.
            where: what is selected, as ``--where`` has it.

        Raises:
            StorageError: there is no such experiment.
            ParameterError: ``where`` is not a selection, or nothing is selected.
        """
        with self._lock:
            shown = self._shown(name, RunSelection.parse(where))
            return {**shown.content, "version": self._counted[name].version}

    def unfinished(self, name: str, where: Sequence[str] = ()) -> dict[str, Plain]:
        """The runs of an experiment that are not completed, those of the newest configurations.

        Args:
            name: the experiment's.
            where: what is selected, as ``--where`` has it.

        Raises:
            StorageError: there is no such experiment.
            ParameterError: ``where`` is not a selection, or nothing is selected.
        """
        with self._lock:
            shown = self._shown(name, RunSelection.parse(where))
            known = self._counted[name]
            return {
                "runs": shown.runs(self._unfinished(known.stored(), shown.counts)),
                "version": known.version,
            }

    def groups(self, name: str, where: Sequence[str], by: Sequence[str]) -> dict[str, Plain]:
        """The configurations of an experiment grouped by parameters, as ``legm best --group-by`` does.

        Args:
            name: the experiment's.
            where: what is selected, as ``--where`` has it.
            by: the parameters.

        Raises:
            StorageError: there is no such experiment.
            ParameterError: ``where`` is not a selection, nothing is selected, or a parameter is given twice.
        """
        with self._lock:
            shown = self._shown(name, RunSelection.parse(where))
            return {**shown.groups(by), "version": self._counted[name].version}

    def configurations(
        self, experiment: str, fingerprints: Sequence[str], detail: CurveDetail = _WHOLE
    ) -> list[dict[str, Plain]]:
        """All of some configurations: runs, curves and media, in the form of a report's experiment.

        Args:
            experiment: theirs.
            fingerprints: theirs; unknown ones are left out.
            detail: how much of each curve there is.
        """
        with self._lock:
            known = self._experiment(experiment)
            stored = known.stored()
            return [
                self._one_configuration(experiment, stored[one], known.names.get(one, ""), detail)
                for one in dict.fromkeys(fingerprints)
                if one in stored
            ]

    def stored_configuration(self, experiment: str, fingerprint: str) -> StoredConfiguration:
        """A configuration where it is stored.

        Raises:
            StorageError: the experiment has none with this fingerprint.
        """
        with self._lock:
            found = self._experiment(experiment).stored().get(fingerprint)
        if found is not None:
            return found
        raise StorageError(f"the experiment {experiment!r} has no configuration {fingerprint!r}")

    def present_fingerprints(self, experiment: str, fingerprints: Sequence[str]) -> list[str]:
        """Those of some configurations that an experiment has; others were amended or deleted meanwhile."""
        with self._lock:
            stored = self._experiment(experiment).stored()
        return [one for one in fingerprints if one in stored]

    def configuration_name(self, experiment: str, fingerprint: str) -> str:
        """What a configuration is called wherever the page shows it, among all of its experiment."""
        with self._lock:
            return self._experiment(experiment).names.get(fingerprint, fingerprint)

    def runs_of_configuration(
        self, experiment: str, fingerprint: str
    ) -> tuple[StoredConfiguration, list[RunResult]]:
        """Where a configuration is stored, and its runs without their series.

        Raises:
            StorageError: the experiment has none with this fingerprint.
        """
        stored = self.stored_configuration(experiment, fingerprint)
        with self._lock:
            return stored, [one.result for one in self._source.results(stored)]

    def run(self, experiment: str, fingerprint: str, run_id: str) -> tuple[StoredConfiguration, RunResult]:
        """A run, without its series, and where its configuration is stored.

        Raises:
            StorageError: the configuration has no such run.
        """
        stored, runs = self.runs_of_configuration(experiment, fingerprint)
        for one in runs:
            if one.run.run_id == run_id:
                return stored, one
        raise StorageError(f"the configuration {stored.label!r} has no run {run_id!r}")

    def series_of(
        self, experiment: str, fingerprint: str, metrics: Sequence[str], x: str, most: int
    ) -> list[RunSeries]:
        """The runs of a configuration with the series of some metrics, and the times of their values.

        Args:
            experiment, fingerprint: which configuration.
            metrics: the metrics.
            x: the metric that is the axis too; "step" or "time" for none.
            most: of the runs, the newest.

        Raises:
            LegmError: the configuration is not there, or cannot be read.
        """
        stored = self.stored_configuration(experiment, fingerprint)
        with self._lock:
            results = sorted(
                self._source.results(stored), key=lambda one: one.result.run.run_id, reverse=True
            )
            return list(SeriesReader(self._source, frozenset(metrics), x).read(stored, results[:most]))

    def media(self, experiment: str, fingerprint: str, run_ids: Sequence[str]) -> dict[str, Plain]:
        """The media of runs of a configuration, in the form of a report's.

        Args:
            experiment, fingerprint: which configuration.
            run_ids: which runs; what there is not is left out.

        Returns:
            ``runs``, of each as :meth:`legm.report.media.ReportMedia.of_row` has it, and ``contents``.

        Raises:
            LegmError: the configuration is not there, or the media cannot be read.
        """
        stored, runs = self.runs_of_configuration(experiment, fingerprint)
        chosen = [one for one in runs if one.run.run_id in run_ids]
        chosen.sort(key=lambda one: run_ids.index(one.run.run_id))
        source = ConfigurationMedia(self._source, stored)
        found = ReportMedia(source, _RUN_MEDIA_BYTES, max(len(chosen), 1), None, most_steps=_MOST_RUN_STEPS)
        with self._lock:
            return {"runs": [found.of_row([one]) for one in chosen], "contents": found.contents}

    def run_with_series(self, experiment: str, fingerprint: str, run_id: str) -> RunResult:
        """A run with its series.

        Raises:
            StorageError: the configuration has no such run.
        """
        stored = self.stored_configuration(experiment, fingerprint)
        with self._lock:
            for one in self._runs_with_series(experiment, stored):
                if one.run.run_id == run_id:
                    return one
        raise StorageError(f"the configuration {stored.label!r} has no run {run_id!r}")

    @property
    def has_folders(self) -> bool:
        """Whether the backend's folders are read by their paths."""
        return self._has_folders

    def client(self) -> BackendClient:
        """Calls the backend."""
        return connect_client(self.root, self.backend, self._options)

    @property
    def source(self) -> TableSource:
        """Reads the runs."""
        return self._source

    # Reading

    def _current_experiment(self, name: str) -> CountedExperiment:
        """An experiment, read again where other machines may have changed it meanwhile."""
        known = self._counted.get(name)
        if known is not None and not self._has_folders and time.monotonic() > known.read + _KEPT_SECONDS:
            self.expire(name)
        return self._experiment(name)

    def _experiment(self, name: str) -> CountedExperiment:
        known, version = self._counted.get(name), self.version(name)
        if known is None or known.version != version:
            if self.first_reading is not None:
                self.first_reading.wait()
            problems: list[str] = []
            source = self._source
            if self._has_folders:  # a new one reports its problems anew
                source = table_source(self.root, self.backend, self._options, problems.append)
            self._kept.forget(name)
            known = self._counted[name] = CountedExperiment(source.counts(name), problems, version=version)
            stored = known.stored()
            labels = {key: one.label for key, one in stored.items()}
            known.names = display_names([one.configuration for one in stored.values()], labels)
        return known

    def _shown(self, name: str, selection: RunSelection) -> CountedContent:
        """What is shown of an experiment; that of the last selection is kept."""
        known = self._current_experiment(name)
        if selection.texts not in known.contents:
            known.contents = {selection.texts: self._content(name, known, selection)}
        return known.contents[selection.texts]

    def _content(self, name: str, known: CountedExperiment, selection: RunSelection) -> CountedContent:
        stored = known.stored()
        counts = [one for _, one in known.counts]
        if selection:
            every = [one.configuration for one in stored.values()]
            counts = SelectedRuns.of(selection, every, self._reader(stored)).counts(counts)
        by_configuration: dict[str, list[RunCounts]] = {}
        for one in counts:
            by_configuration.setdefault(one.configuration.fingerprint, []).append(one)
        marks = self._marks(stored)
        shown = [
            CountedConfiguration(stored[one].configuration, known.names[one], of, marks.get(one, {}))
            for one, of in by_configuration.items()
        ]
        return counted_experiment_content(
            name,
            shown,
            problems=known.problems,
            selected=str(selection),
        )

    def _reader(self, stored: Mapping[str, StoredConfiguration]) -> Any:
        def read(configuration: Configuration, description: str, _: frozenset[str]) -> list[RunResult]:
            found = self._source.results(stored[configuration.fingerprint])
            return [one.result for one in found if one.result.run.description == description]

        return read

    def _marks(self, stored: Mapping[str, StoredConfiguration]) -> dict[str, Mapping[str, RunMarks]]:
        """By fingerprint, what is noted about the runs of a configuration."""
        folders = {key: one.folder for key, one in stored.items() if one.folder is not None}
        first = next(iter(folders.values()), None)
        if not self._has_folders or first is None or not may_have_marks(str(first.parent), len(folders)):
            return {}
        return {key: found for key, folder in folders.items() if (found := marks_in_folder(str(folder)))}

    def _unfinished(
        self, stored: Mapping[str, StoredConfiguration], counts: Sequence[RunCounts]
    ) -> list[RunResult]:
        """The runs that are not completed of the configurations in which something happened last."""
        own = [one for one in counts if one.running or any(one.left_out.values())]
        own.sort(key=lambda one: (bool(one.running), one.last or 0.0), reverse=True)
        found: list[RunResult] = []
        for one in own[:_MOST_UNFINISHED]:
            results = self._source.results(stored[one.configuration.fingerprint])
            found += [
                of.result
                for of in results
                if of.result.status is not Status.COMPLETED and of.result.run.description == one.description
            ]
        return found

    def _one_configuration(
        self, experiment: str, stored: StoredConfiguration, name: str, detail: CurveDetail
    ) -> dict[str, Plain]:
        media = ReportMedia(ConfigurationMedia(self._source, stored), _MEDIA_BYTES, 1, None)

        problems: list[str] = []

        def of_row(runs: Sequence[RunResult]) -> dict[str, Plain]:
            try:
                return media.of_row(runs)
            except LegmError as error:
                problems.append(str(error))
                return {}

        try:
            runs = self._runs_with_series(experiment, stored, problems.append)
        except LegmError as error:
            problems.append(str(error))
            runs = []
        kept = self._kept.get((experiment, stored.configuration.fingerprint))
        content = ExperimentContent(experiment, _DRAWN, detail=detail, curves=kept and kept[1])
        content.add(stored.configuration, name, runs, _CURVE_BYTES, of_row)
        for text in problems:
            content.problem(text)
        fingerprint = stored.configuration.fingerprint
        return {"fingerprint": fingerprint, "experiment": content.content(), "media": media.contents}

    def _runs_with_series(
        self, experiment: str, stored: StoredConfiguration, report: Callable[[str], None] = log.error
    ) -> list[RunResult]:
        """The runs of a configuration, read from their logs, which is much quicker than reading any store.

        Args:
            experiment: the configuration's.
            stored: the configuration.
            report: takes what cannot be read in folders.
        """
        key = (experiment, stored.configuration.fingerprint)
        kept = self._kept.get(key)
        if kept is not None:
            return kept[0]
        source = self._source
        if self._has_folders:
            source = table_source(self.root, self.backend, self._options, report)
        runs = read_results_with_series(source, stored)
        self._kept.put(key, runs)
        return runs


def _last_of_card(card: Mapping[str, Plain]) -> float:
    """When something happened in an experiment."""
    last = card["last"]
    return last if isinstance(last, float) else 0.0
