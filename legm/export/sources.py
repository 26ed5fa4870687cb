"""Sources of exported runs: folders that are named by their paths, or any backend."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from legm.core import results
from legm.core.result_equality import differing_result_fields, result_digests
from legm.core.results import records_from_result
from legm.delivery.backlog import dead_run_outcome
from legm.delivery.client import BackendClient
from legm.delivery.folder_access import FolderAccess
from legm.delivery.reading import read_runs
from legm.errors import CorruptFile, LegmError, StorageError
from legm.records import Configuration, Plain, Record, RunResult, Status, StoredRun, Summary
from legm.runlog import log_reader, log_writer
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import read_all_marks
from legm.tables.sources import pending_table_configurations

__all__ = [
    "BackendExportSource",
    "ConfigurationRuns",
    "ExportSource",
    "FolderExportSource",
    "LoadedRun",
    "UnavailableRun",
]

_STILL_RUNNING = "it is still running"


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run with everything that is known about it.

    Args:
        result: its result.
        records: all of its records.
        log: the run log that holds them, with times; None if they were made from the result.
        folder: the configuration's; None if it has none.
        note: what a user should know about it; "" for nothing.
        is_partial: whether values may be missing, because its log is damaged.
        is_running: whether it is still running, and this is what it has so far.
    """

    result: RunResult
    records: Sequence[Record]
    log: Path | None = None
    folder: Path | None = None
    note: str = ""
    is_partial: bool = False
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class UnavailableRun:
    """A run that cannot be exported.

    Args:
        where: its folder or configuration, and its id, for a user.
        reason: why not.
        is_running: whether the reason is that it is still running.
    """

    where: str
    reason: str
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class ConfigurationRuns:
    """The runs of one configuration.

    Args:
        where: the configuration's folder or name, for a user.
        runs: an iterable for one pass; each run is loaded when it is reached.
        configuration: None if it cannot be read.
        summaries: reads the aggregates that are stored with it, by description, as
            :meth:`legm.hooks.FolderReader.read_summaries` does.
    """

    where: str
    runs: Iterable[LoadedRun | UnavailableRun]
    configuration: Configuration | None
    summaries: Callable[[Mapping[str, int]], Mapping[str, Summary]] = lambda _completed: {}


class ExportSource(Protocol):
    """A source of runs."""

    @property
    def backend(self) -> tuple[str, dict[str, Plain]]:
        """The backend's name and options."""

    def configurations(self) -> Iterator[ConfigurationRuns]:
        """The configurations, each with its runs."""

    def number_of_runs(self) -> int | None:
        """How many runs there are; None where they would have to be read to know."""


class FolderExportSource:
    """The runs in the folders of configurations.

    The result in ``metrics.yml`` is authoritative. If the run's log agrees with it, the log is used, since it
    has the times too.

    Args:
        folders: reads the folders.
        folder: a root directory, an experiment or a configuration.
        series: whether series are read.
        running: whether runs that are still running are loaded, as they are now.

    Raises:
        StorageError: there are no configurations.
    """

    def __init__(
        self, folders: FolderAccess, folder: Path, *, series: bool = True, running: bool = False
    ) -> None:
        self._access = folders
        self._folders = list(configuration_folders(folder))
        if not self._folders:
            raise StorageError(f"there are no runs below {folder}")
        self._series = series
        self._running = running
        self.root = self._folders[0].parent.parent

    @property
    def backend(self) -> tuple[str, dict[str, Plain]]:
        """The backend's name and options."""
        return self._access.backend, {}

    def number_of_runs(self) -> int | None:
        """How many runs there are."""
        statuses = map(self._access.read_status, self._folders)
        counts = [count for one in statuses for count in one.counts]
        return sum(one.completed + one.running + sum(one.left_out.values()) for one in counts)

    def configurations(self) -> Iterator[ConfigurationRuns]:
        """The folders of configurations, each with its runs."""
        for folder in self._folders:
            try:
                configuration = self._access.read_configuration(folder)
            except LegmError as error:
                runs = _marked_source_runs(self._runs(folder, None, str(error)), LogFolder.of(folder))
                yield ConfigurationRuns(str(folder), runs, None)
            else:
                summaries = functools.partial(self._access.read_summaries, folder)
                runs = _marked_source_runs(self._runs(folder, configuration, ""), LogFolder.of(folder))
                yield ConfigurationRuns(str(folder), runs, configuration, summaries)

    def _runs(
        self, folder: Path, configuration: Configuration | None, damage: str
    ) -> Iterator[LoadedRun | UnavailableRun]:
        try:
            stored = self._access.read_completed_runs(folder, configuration, series=self._series)
        except LegmError as error:
            yield UnavailableRun(str(folder), str(error))
            return
        logs = LogFolder.of(folder)
        known: set[str] = set()
        for one in stored:
            known.add(one.run_id)
            yield (
                self._stored_run(folder, one, configuration, damage)
                if one.run_id
                else UnavailableRun(str(folder), one.problem)
            )
        others = logs.logs_except(known)
        being_written = log_writer.logs_being_written(path for path in others if logs.is_open(path))
        for path in others:
            if path in being_written:
                yield self._running_run(folder, path)
                continue
            found = _read_unstored_source_run(folder, path, configuration, is_open=logs.is_open(path))
            if found is not None:
                yield found
        if damage and not known:
            yield UnavailableRun(str(folder), damage)

    def _running_run(self, folder: Path, path: Path) -> LoadedRun | UnavailableRun:
        """A run whose log a process is writing, with what it has so far where that is wanted."""
        where = f"{folder}, run {path.stem}"
        if not self._running:
            return UnavailableRun(where, _STILL_RUNNING, is_running=True)
        return _read_running_source_run(LogFolder.of(folder), path, where, folder)

    def _stored_run(
        self, folder: Path, one: StoredRun, configuration: Configuration | None, damage: str
    ) -> LoadedRun | UnavailableRun:
        """A run that is in ``metrics.yml``."""
        where = f"{folder}, run {one.run_id}"
        logs, result = LogFolder.of(folder), one.result
        damage = one.problem or damage
        path = logs.find(one.run_id)
        if path is not None and logs.is_open(path) and log_writer.logs_being_written([path]):
            return self._running_run(folder, path)
        if path is not None and logs.is_open(path):
            found = _read_unstored_source_run(folder, path, configuration, is_open=True)
            if isinstance(found, LoadedRun) and found.result.status is not Status.COMPLETED:
                return found  # it continued after it was logged
        if result is not None and not self._series:
            return LoadedRun(result, (), folder=folder)
        logged, problem = _read_source_run_from_log(path, configuration)
        if logged is None:
            if result is None:
                return UnavailableRun(where, damage)
            note = problem or "its log is missing, so the times of its values are unknown"
            return LoadedRun(result, records_from_result(result), folder=folder, note=note)
        known, replayed, lost = logged
        if result is not None and lost:
            return LoadedRun(result, records_from_result(result), folder=folder, note=lost)
        if lost:
            note = f"what is intact of its log was used: {damage} {lost}"
            return LoadedRun(replayed, known.records, folder=folder, note=note, is_partial=True)
        if result is None:
            return LoadedRun(
                replayed, known.records, known.path, folder, f"it was read from its log instead: {damage}"
            )
        changed = differing_result_fields(replayed, result_digests(result))
        if changed:
            note = f"metrics.yml was used; the run's log differs in {', '.join(changed)}"
            return LoadedRun(result, records_from_result(result), folder=folder, note=note)
        return LoadedRun(replayed, known.records, known.path, folder)


def _read_source_log(
    path: Path, configuration: Configuration | None
) -> tuple[log_reader.Log, RunResult, str]:
    """A log with the run's result, as far as it is intact, and what is damaged of it; "" for nothing.

    Raises:
        CorruptFile: it is so damaged that nobody knows whose run it is.
        StorageError: it cannot be read.
    """
    damage = ""
    try:
        known = log_reader.read_log(path)
    except CorruptFile as error:
        intact = log_reader.read_intact_log(path, configuration)
        if intact is None:
            raise
        known, damage = intact[0], "; ".join(map(str, intact[1])) or str(error)
        if results.result_outcome(known.records) is None:
            known.records = [*known.records, dead_run_outcome(path)]
    return known, results.run_result(known.run, known.records), damage


def _read_source_run_from_log(
    path: Path | None, configuration: Configuration | None
) -> tuple[tuple[log_reader.Log, RunResult, str] | None, str]:
    """A log with the run's result and what is damaged of it; without one, the reason as text."""
    if path is None:
        return None, ""
    try:
        return _read_source_log(path, configuration), ""
    except LegmError as error:
        return None, str(error)


def _read_unstored_source_run(
    folder: Path, path: Path, configuration: Configuration | None, *, is_open: bool
) -> LoadedRun | UnavailableRun | None:
    """A run that only its log has; None if a user deleted its entry."""
    try:
        known, result, damage = _read_source_log(path, configuration)
        if results.result_outcome(known.records) is None:
            known.records = [*known.records, dead_run_outcome(path)]
            result = results.run_result(known.run, known.records)
    except (LegmError, FileNotFoundError) as error:
        return UnavailableRun(f"{folder}, run {path.stem}", str(error))
    if result.status is Status.COMPLETED and not is_open:
        return None
    if damage:
        note = f"{damage} What is intact of it was used"
        return LoadedRun(result, known.records, folder=folder, note=note, is_partial=True)
    return LoadedRun(result, known.records, path, folder)


def _read_running_source_run(
    logs: LogFolder, path: Path, where: str, folder: Path | None = None
) -> LoadedRun | UnavailableRun:
    """A run whose log a process is writing, with what it has so far."""
    try:
        found = logs.follow(path, log_reader.read_log)
    except LegmError as error:
        return UnavailableRun(where, str(error))
    if found is None:
        return UnavailableRun(where, "it was deleted while the table was written")
    known, now = found
    result = results.run_result(known.run, known.records, Status.RUNNING)
    return LoadedRun(result, known.records, now, folder, _STILL_RUNNING, is_running=True)


def _marked_source_runs(
    runs: Iterable[LoadedRun | UnavailableRun], logs: LogFolder
) -> Iterator[LoadedRun | UnavailableRun]:
    """Runs with what users note about them."""
    marks = read_all_marks(logs)
    for one in runs:
        own = None if isinstance(one, UnavailableRun) else marks.get(one.result.run.run_id)
        if own is None or isinstance(one, UnavailableRun):
            yield one
        else:
            yield replace(one, result=replace(one.result, marks=own))


class BackendExportSource:
    """The runs of any backend, as it returns them.

    Args:
        client: of the backend.
        experiment: only this one; None for all.
        series: whether series are read.
        running: whether runs that are still running are loaded, as they are now.

    Raises:
        NotSupported: no experiment was named, and the backend cannot list them.
        LegmError: it could not be read.
    """

    def __init__(
        self,
        client: BackendClient,
        experiment: str | None = None,
        *,
        series: bool = True,
        running: bool = False,
    ) -> None:
        self._client = client
        self._running = running
        self._pending = pending_table_configurations(client) if running else {}
        self._experiments = client.experiments() if experiment is None else [experiment]
        if experiment is None:
            new = {one.configuration.experiment for one in self._pending.values()}
            self._experiments = [*self._experiments, *sorted(new.difference(self._experiments))]
        self._histories = None if series else frozenset[str]()

    @property
    def backend(self) -> tuple[str, dict[str, Plain]]:
        """The backend's name and options."""
        return self._client.name, self._client.options

    def number_of_runs(self) -> int | None:
        """None: the backend would have to read the runs."""
        return None

    def configurations(self) -> Iterator[ConfigurationRuns]:
        """The configurations, each with its runs."""
        for experiment in self._experiments:
            stored = {one.fingerprint: one for one in self._client.configurations(experiment)}
            stored |= {
                key: one.configuration
                for key, one in self._pending.items()
                if one.configuration.experiment == experiment and key not in stored
            }
            for configuration in stored.values():
                where = f"{experiment}/{configuration.name or configuration.fingerprint}"
                yield ConfigurationRuns(where, self._runs(configuration, where), configuration)

    def _runs(self, configuration: Configuration, where: str) -> Iterator[LoadedRun | UnavailableRun]:
        damaged: list[StoredRun] = []
        known: set[str] = set()
        try:
            for result in read_runs(self._client, configuration, None, self._histories, damaged.append):
                known.add(result.run.run_id)
                is_running = result.status is Status.RUNNING
                if is_running and not self._running:
                    yield UnavailableRun(f"{where}, run {result.run.run_id}", _STILL_RUNNING, is_running=True)
                else:
                    note = _STILL_RUNNING if is_running else ""
                    yield LoadedRun(result, records_from_result(result), note=note, is_running=is_running)
        except LegmError as error:
            yield UnavailableRun(where, str(error))
        pending = self._pending.get(configuration.fingerprint)
        for path in () if pending is None else pending.logs:
            if path.stem not in known and log_writer.logs_being_written([path]):
                yield _read_running_source_run(LogFolder.containing(path), path, f"{where}, run {path.stem}")
        for one in damaged:
            yield UnavailableRun(f"{where}, run {one.run_id}" if one.run_id else where, one.problem)
