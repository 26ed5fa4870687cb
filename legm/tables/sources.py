"""Where the rows of tables come from: configurations and runs, in folders or in any other backend."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from legm.analysis.configuration_lookup import labels_in_backend
from legm.core.naming import readable_name, safe_name
from legm.delivery.client import BackendClient, connect_client
from legm.delivery.folder_access import FolderAccess, open_folder_access
from legm.delivery.reading import read_counts, read_runs
from legm.errors import LegmError, StorageError, closest
from legm.hooks import Capability
from legm.media.content_files import checked_media_content
from legm.records import (
    Configuration,
    ConfigurationStatus,
    Media,
    MediaFile,
    Run,
    RunCounts,
    RunResult,
    StoredRun,
)
from legm.runlog.configuration_folders import (
    configuration_paths,
    experiment_paths,
    is_configuration_folder,
)
from legm.runlog.log_folder import (
    LogFolder,
    find_pending_logs,
    read_result_from_log,
    results_only_in_log_folder,
    results_resumed_in_log_folder,
)
from legm.runlog.log_reader import read_log_backends, read_log_head
from legm.runlog.log_writer import is_log_locked
from legm.runlog.marks_files import runs_with_marks
from legm.runlog.trashed import missing_folder_text
from legm.stats.run_counts import count_by_description

__all__ = [
    "PendingConfiguration",
    "StoredConfiguration",
    "StoredResult",
    "TableSource",
    "pending_table_configurations",
    "table_source",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """A configuration in a store.

    Args:
        configuration: the configuration.
        label: the name of its folder; where there are no folders, its name and a number.
        folder: its folder, or that of its run logs; None without one.
        experiment: the experiment as the store finds it, which a user may have renamed.
        pending: the logs of runs on this machine that the store may not have yet.
    """

    configuration: Configuration
    label: str
    folder: Path | None
    experiment: str
    pending: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A run in a store.

    Args:
        result: its result, without series.
        log: its run log; None where there is none, or where the store has what counts.
    """

    result: RunResult
    log: Path | None


class TableSource(Protocol):
    """A store whose runs become tables. What is damaged in it is logged, and left out."""

    def experiments(self) -> list[str]:
        """The names of the experiments, sorted."""

    def configurations(self, experiment: str | None) -> list[StoredConfiguration]:
        """The configurations of an experiment, or of all."""

    def counts(self, experiment: str | None) -> list[tuple[StoredConfiguration, RunCounts]]:
        """The runs of each configuration, counted by description."""

    def results(self, configuration: StoredConfiguration) -> Iterator[StoredResult]:
        """The runs of a configuration, whatever their status."""

    def series(
        self, configuration: StoredConfiguration, metrics: frozenset[str] | None
    ) -> Iterator[RunResult]:
        """The runs of a configuration as the store has them, with the series of dev metrics; None for all."""

    def runs(
        self, configuration: StoredConfiguration, histories: frozenset[str] | None
    ) -> Iterator[RunResult]:
        """The runs of a configuration, of any status, with the series of dev metrics; None for all."""

    def media(self, configuration: StoredConfiguration, run: Run) -> list[Media]:
        """The media of a run."""

    def media_content(self, configuration: StoredConfiguration, run: Run, file: MediaFile) -> bytes:
        """The content of a file of a medium."""


def table_source(
    root: Path,
    backend: object,
    options: Mapping[str, Any],
    report: Callable[[str], None] = log.error,
) -> TableSource:
    """The store of a root directory.

    Args:
        root: the root directory; with folders that are read by their paths, also an experiment or a
            configuration in it.
        backend: a name, a class or an instance.
        options: the backend's own.
        report: takes what cannot be read in folders, each problem once; by default it is logged.

    Raises:
        BackendError: the backend is unknown or does not fit.
        StorageError: there is no such folder.
    """
    access = open_folder_access(backend, options)
    if access is None:
        return BackendTableSource(connect_client(root, backend, options, read_only=True))
    if not root.is_dir():
        raise StorageError(missing_folder_text(root))
    return FolderTableSource(access, root, report)


class FolderTableSource:
    """The runs in the folders of configurations.

    Args:
        access: reads the folders.
        root: a root directory, an experiment or a configuration.
        report: takes what cannot be read, each problem once.
    """

    def __init__(self, access: FolderAccess, root: Path, report: Callable[[str], None] = log.error) -> None:
        self._access = access
        self._root = root
        self._take_problem = report
        self._reported: set[str] = set()

    def experiments(self) -> list[str]:
        """The names of the experiments, sorted."""
        return sorted({one.experiment for one in self.configurations(None)})

    def configurations(self, experiment: str | None) -> list[StoredConfiguration]:
        """The configurations of an experiment, or of all."""
        return [
            one
            for statuses in self._statuses(experiment)
            for status in statuses
            if (one := self._stored(status)) is not None
        ]

    def counts(self, experiment: str | None) -> list[tuple[StoredConfiguration, RunCounts]]:
        """The runs of each configuration, counted by description; those in copies of a folder once."""
        found = []
        for statuses in self._statuses(experiment):
            stored = {one.folder: self._stored(one) for one in statuses}
            for status in statuses:
                self._report(status.problem)
            found += [
                (known, count)
                for count in self._access.count_once(statuses)
                if count.folder is not None and (known := stored.get(count.folder)) is not None
            ]
        return found

    def _statuses(self, experiment: str | None) -> Iterator[list[ConfigurationStatus]]:
        """The configurations of each experiment."""
        if is_configuration_folder(self._root):
            every = iter([[self._access.read_status(self._root)]])
        elif next(iter(configuration_paths(self._root)), None) is not None:
            every = iter([self._access.read_statuses(self._root)])
        else:
            paths: Iterable[str] = experiment_paths(self._root)
            if experiment is not None:  # the folder of its name is nearly always it
                paths = sorted(paths, key=lambda path: path != safe_name(experiment))
            every = (self._access.read_statuses(self._root / path) for path in paths)
        if experiment is None:
            yield from every
            return
        known: list[str] = []
        for statuses in every:
            names = {one.configuration.experiment for one in statuses if one.configuration is not None}
            if experiment not in names:
                names |= {Path(one.folder).parent.name for one in statuses}
            if experiment in names:
                known = []
                yield statuses
                return
            known += sorted(names)
        raise StorageError(f"{self._root} has no experiment {experiment!r}; {closest(experiment, known)}")

    def _stored(self, status: ConfigurationStatus) -> StoredConfiguration | None:
        configuration = status.configuration
        if configuration is not None and status.is_shortened:
            try:
                configuration = self._access.read_configuration(Path(status.folder))
            except LegmError as error:
                self._report(error)
                return None
        if configuration is None:
            self._report(status.problem)
            return None
        return StoredConfiguration(
            configuration, readable_name(status.label), Path(status.folder), configuration.experiment
        )

    def _report(self, problem: object) -> None:
        if problem is not None and str(problem) not in self._reported:
            self._reported.add(str(problem))
            self._take_problem(str(problem))

    def results(self, configuration: StoredConfiguration) -> Iterator[StoredResult]:
        """The runs of a configuration, whatever their status; damage of one hides no other."""
        folder = configuration.folder
        assert folder is not None  # noqa: S101
        of, logs = configuration.configuration, LogFolder.of(folder)
        try:
            stored = list(self._access.read_completed_runs(folder, of, series=False))
        except LegmError as error:
            self._report(error)
            stored = []
        known = {one.run_id: one for one in stored}
        resumed = {one.run.run_id: one for one in results_resumed_in_log_folder(logs, known)}
        complete = [one for one in map(self._intact, stored, itertools.repeat(logs)) if one is not None]
        found = [one for one in complete if one.run.run_id not in resumed]
        found += [*resumed.values(), *results_only_in_log_folder(logs, known, of, [])]
        for result in runs_with_marks(found, logs):
            own = known.get(result.run.run_id)
            is_edited = own is not None and own.is_edited
            yield StoredResult(result, None if is_edited else logs.find(result.run.run_id))

    def _intact(self, one: StoredRun, logs: LogFolder) -> RunResult | None:
        """A completed run; where it is damaged, as its log has it."""
        if one.result is not None:
            return one.result
        self._report(one.problem)
        path = logs.find(one.run_id) if one.run_id else None
        return None if path is None else read_result_from_log(path, live=False)

    def series(
        self, configuration: StoredConfiguration, metrics: frozenset[str] | None
    ) -> Iterator[RunResult]:
        """The completed runs of a configuration with their series."""
        del metrics  # all are read
        assert configuration.folder is not None  # noqa: S101
        for one in self._access.read_completed_runs(configuration.folder, configuration.configuration):
            if one.result is not None:
                yield one.result
            else:
                self._report(one.problem)

    def runs(
        self, configuration: StoredConfiguration, histories: frozenset[str] | None
    ) -> Iterator[RunResult]:
        """The runs of a configuration, of any status, with the series of dev metrics; None for all."""
        assert configuration.folder is not None  # noqa: S101
        return self._access.read_runs(configuration.folder, histories, configuration.configuration)

    def media(self, configuration: StoredConfiguration, run: Run) -> list[Media]:
        """The media of a run; none where its log is damaged."""
        assert configuration.folder is not None  # noqa: S101
        try:
            return LogFolder.of(configuration.folder).media(run.run_id)
        except LegmError as error:
            self._report(error)
            return []

    def media_content(self, configuration: StoredConfiguration, run: Run, file: MediaFile) -> bytes:
        """The content of a file of a medium."""
        del configuration, run
        return checked_media_content(file)


class BackendTableSource:
    """The runs of any backend, and those on this machine that it has not received yet.

    Args:
        client: of the backend.
    """

    def __init__(self, client: BackendClient) -> None:
        self._client = client

    def experiments(self) -> list[str]:
        """The names of the experiments, sorted.

        Raises:
            NotSupported: the backend does not list them.
        """
        pending = pending_table_configurations(self._client).values()
        return sorted({*self._client.experiments(), *(one.configuration.experiment for one in pending)})

    def configurations(self, experiment: str | None) -> list[StoredConfiguration]:
        """The configurations of an experiment, or of all."""
        pending = pending_table_configurations(self._client)
        found = []
        for name in self._wanted(experiment, pending.values()):
            known = {one.fingerprint: one for one in self._client.configurations(name)}
            known |= {
                key: of for key, (of, _) in pending.items() if of.experiment == name and key not in known
            }
            labels = labels_in_backend(self._client, known.values())
            found += [self._stored(one, name, pending, labels) for one in known.values()]
        return found

    def counts(self, experiment: str | None) -> list[tuple[StoredConfiguration, RunCounts]]:
        """The runs of each configuration, counted by description."""
        pending = pending_table_configurations(self._client)
        found = []
        for name in self._wanted(experiment, pending.values()):
            sent = read_counts(self._client, name)
            own = [of for of, _ in pending.values() if of.experiment == name]
            labels = labels_in_backend(self._client, [*(one.configuration for one in sent), *own])
            found += [
                (self._stored(one.configuration, name, {}, labels), one)
                for one in sent
                if one.configuration.fingerprint not in pending
            ]
            for stored in (self._stored(one, name, pending, labels) for one in own):
                runs = [one.result for one in self.results(stored)]
                folder = None if stored.folder is None else str(stored.folder)
                found += [(stored, one) for one in count_by_description(stored.configuration, runs, folder)]
        return found

    def _wanted(self, experiment: str | None, pending: Iterable[PendingConfiguration]) -> list[str]:
        if experiment is not None and not self._client.supports(Capability.EXPERIMENTS):
            return [experiment]
        known = {*self._client.experiments(), *(one.configuration.experiment for one in pending)}
        if experiment is None:
            return sorted(known)
        if experiment not in known:
            raise StorageError(
                f"the backend {self._client.name!r} has no experiment {experiment!r}; "
                f"{closest(experiment, known)}"
            )
        return [experiment]

    def _stored(
        self,
        configuration: Configuration,
        experiment: str,
        pending: Mapping[str, PendingConfiguration],
        labels: Mapping[str, str],
    ) -> StoredConfiguration:
        key, folder = configuration.fingerprint, self._client.folder(configuration)
        logs = tuple(pending[key].logs) if key in pending else ()
        return StoredConfiguration(configuration, readable_name(labels[key]), folder, experiment, logs)

    def results(self, configuration: StoredConfiguration) -> Iterator[StoredResult]:
        """The runs of a configuration, whatever their status."""
        logs = None if configuration.folder is None else LogFolder.of(configuration.folder)
        known: set[str] = set()
        for result in read_runs(self._client, configuration.configuration):
            known.add(result.run.run_id)
            yield StoredResult(result, None if logs is None else logs.find(result.run.run_id))
        for path in configuration.pending:
            if path.stem not in known:
                own = LogFolder.containing(path)
                unsent = read_result_from_log(path, live=is_log_locked(path))
                found = [] if unsent is None else [unsent]
                yield from (StoredResult(one, own.find(path.stem)) for one in runs_with_marks(found, own))

    def series(
        self, configuration: StoredConfiguration, metrics: frozenset[str] | None
    ) -> Iterator[RunResult]:
        """The runs of a configuration with their series."""
        return read_runs(self._client, configuration.configuration, None, metrics)

    def runs(
        self, configuration: StoredConfiguration, histories: frozenset[str] | None
    ) -> Iterator[RunResult]:
        """The runs of a configuration, of any status, with the series of dev metrics; None for all."""
        return read_runs(self._client, configuration.configuration, None, histories)

    def media(self, configuration: StoredConfiguration, run: Run) -> list[Media]:
        """The media of a run.

        Raises:
            NotSupported: the backend does not return media.
        """
        del configuration
        return self._client.media(run)

    def media_content(self, configuration: StoredConfiguration, run: Run, file: MediaFile) -> bytes:
        """The content of a file of a medium."""
        del configuration
        return self._client.media_content(run, file)


class PendingConfiguration(NamedTuple):
    """A configuration, and the logs of its runs that a backend may not have yet."""

    configuration: Configuration
    logs: list[Path]


def pending_table_configurations(client: BackendClient) -> dict[str, PendingConfiguration]:
    """By fingerprint, the configurations with runs on this machine that a backend may not have yet.

    Args:
        client: of the backend.
    """
    found: dict[str, PendingConfiguration] = {}
    for path in find_pending_logs(client.root):
        try:
            head = read_log_head(path)
            if client.name in read_log_backends(path):
                of = head.run.configuration
                found.setdefault(of.fingerprint, PendingConfiguration(of, [])).logs.append(path)
        except LegmError as error:  # also of one that was moved since: the backend has its run
            log.debug("%s", error)
    return found
