"""Where exported runs come from: folders of the local backend, or any backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from legm.core import results
from legm.core.equality import differing_fields, result_digests
from legm.core.to_records import records_from_result
from legm.delivery.backlog import interruption
from legm.delivery.client import BackendClient
from legm.delivery.registry import folder_reader
from legm.errors import CorruptFile, LegmError, StorageError
from legm.records import Configuration, Outcome, Plain, Query, Record, RunResult, Status, StoredRun, Summary
from legm.runlog import format as runlog
from legm.runlog.folder import AGGREGATES_FILE, LogFolder, configuration_folders
from legm.stats.aggregate import summary_from_dict
from legm.util.atomic_files import load_yaml

__all__ = ["BackendSource", "Found", "LocalSource", "Lost", "Part", "Source"]


@dataclass(frozen=True, slots=True)
class Found:
    """A run with all that is known of it.

    Args:
        result: what it came to.
        records: all of its records.
        log: where they are, with the times; None where they were made of the result.
        folder: the configuration's; None where it has none.
        note: what a person should know of it; "" for nothing.
    """

    result: RunResult
    records: Sequence[Record]
    log: Path | None = None
    folder: Path | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """A run that cannot be had.

    Args:
        where: which it is, for a person.
        reason: why not.
        goes_on: whether that is because it is not over.
    """

    where: str
    reason: str
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The runs of one configuration.

    Args:
        where: what they are, for a person.
        runs: to be gone through once; one is made at a time.
        configuration: None where it cannot be read.
        folder: the configuration's; None where it has none.
    """

    where: str
    runs: Iterable[Found | Lost]
    configuration: Configuration | None
    folder: Path | None = None

    def summaries(self, completed: dict[str, int]) -> dict[str, Summary]:
        """The aggregates that are kept with the configuration, by description.

        Args:
            completed: by description, how many runs completed.

        Raises:
            CorruptFile: they are not what was written.
            StorageError: they cannot be read.
        """
        if self.folder is None:
            return {}
        path = self.folder / AGGREGATES_FILE
        try:
            content = load_yaml(path) or {}
            return {
                str(description): summary_from_dict(stored, completed.get(str(description), 0))
                for description, stored in content.items()
            }
        except (AttributeError, ValueError) as cause:
            raise CorruptFile(path, "the file", str(cause), "Aggregate the runs again.") from cause


class Source(Protocol):
    """Where runs come from."""

    @property
    def place(self) -> tuple[str, dict[str, Plain]]:
        """The backend's name, and what makes it again."""

    def parts(self) -> Iterator[Part]:
        """The configurations, each with its runs."""


class LocalSource:
    """The runs in the folders of configurations.

    What ``metrics.yml`` says counts; where the run's log says the same, the log is taken, since it has the
    times too.

    Args:
        folder: a root directory, an experiment or a configuration.
        series: whether the series are wanted.

    Raises:
        StorageError: there is no configuration.
    """

    def __init__(self, folder: Path, *, series: bool = True) -> None:
        self._folders = list(configuration_folders(folder))
        if not self._folders:
            raise StorageError(f"there are no runs below {folder}")
        self._series = series
        self.root = self._folders[0].parent.parent

    @property
    def place(self) -> tuple[str, dict[str, Plain]]:
        """The local backend."""
        return "local", {}

    def parts(self) -> Iterator[Part]:
        """The folders."""
        for folder in self._folders:
            try:
                configuration = folder_reader().read_configuration(folder)
            except LegmError as error:
                yield Part(str(folder), self._runs(folder, None, str(error)), None, folder)
            else:
                yield Part(str(folder), self._runs(folder, configuration, ""), configuration, folder)

    def _runs(self, folder: Path, configuration: Configuration | None, damage: str) -> Iterator[Found | Lost]:
        try:
            stored = folder_reader().read_stored_runs(folder, configuration, series=self._series)
        except LegmError as error:
            yield Lost(str(folder), str(error))
            return
        logs = LogFolder.of(folder)
        known: set[str] = set()
        for one in stored:
            known.add(one.run_id)
            yield self._stored_run(folder, one, damage) if one.run_id else Lost(str(folder), one.problem)
        others = logs.logs_except(known)
        being_written = runlog.logs_being_written(path for path in others if logs.is_open(path))
        for path in others:
            if path in being_written:
                yield Lost(f"{folder}, run {path.stem}", "it is still running", goes_on=True)
                continue
            found = _unstored(folder, path, is_open=logs.is_open(path))
            if found is not None:
                yield found
        if damage and not known:
            yield Lost(str(folder), damage)

    def _stored_run(self, folder: Path, one: StoredRun, damage: str) -> Found | Lost:
        """A run that is in ``metrics.yml``."""
        where = f"{folder}, run {one.run_id}"
        logs, result = LogFolder.of(folder), one.result
        damage = one.problem or damage
        path = logs.find(one.run_id)
        if path is not None and logs.is_open(path) and runlog.logs_being_written([path]):
            return Lost(where, "it is still running", goes_on=True)
        if result is not None and not self._series:
            return Found(result, (), folder=folder)
        logged, trouble = _logged(path)
        if logged is None:
            if result is None:
                return Lost(where, damage)
            note = trouble or "its log is gone: when each value was set is not known"
            return Found(result, records_from_result(result), folder=folder, note=note)
        known, told = logged
        if result is None:
            return Found(told, known.records, known.path, folder, f"it is taken from its log: {damage}")
        changed = differing_fields(told, result_digests(result))
        if changed:
            note = f"metrics.yml counts, which differs from the run's log in {', '.join(changed)}"
            return Found(result, records_from_result(result), folder=folder, note=note)
        return Found(told, known.records, known.path, folder)


def _logged(path: Path | None) -> tuple[tuple[runlog.Log, RunResult] | None, str]:
    """A log with what the run came to; without one why not, in words."""
    if path is None:
        return None, ""
    try:
        known = runlog.read_log(path)
        return (known, results.run_result(known.run, known.records)), ""
    except LegmError as error:
        return None, str(error)


def _unstored(folder: Path, path: Path, *, is_open: bool) -> Found | Lost | None:
    """A run of which only the log knows; None where a person took it out."""
    where = f"{folder}, run {path.stem}"
    try:
        known = runlog.read_log(path)
        if not any(isinstance(record, Outcome) for record in known.records):
            known.records.append(interruption(path))
        result = results.run_result(known.run, known.records)
    except (LegmError, FileNotFoundError) as error:
        return Lost(where, str(error))
    if result.status is Status.COMPLETED and not is_open:
        return None
    return Found(result, known.records, path, folder)


class BackendSource:
    """The runs of any backend, made of what it gives back.

    Args:
        client: the way to it.
        experiment: only this one; None for all.
        series: whether the series are wanted.

    Raises:
        NotSupported: no experiment was named, and the backend does not list them.
        LegmError: it could not be read.
    """

    def __init__(self, client: BackendClient, experiment: str | None = None, *, series: bool = True) -> None:
        self._client = client
        self._experiments = client.experiments() if experiment is None else [experiment]
        self._histories = None if series else frozenset[str]()

    @property
    def place(self) -> tuple[str, dict[str, Plain]]:
        """The backend's name, and what makes it again."""
        return self._client.name, self._client.options

    def parts(self) -> Iterator[Part]:
        """The configurations."""
        for experiment in self._experiments:
            for configuration in list(self._client.configurations(experiment)):
                where = f"{experiment}/{configuration.name or configuration.fingerprint}"
                yield Part(where, self._runs(configuration, where), configuration)

    def _runs(self, configuration: Configuration, where: str) -> Iterator[Found | Lost]:
        query = Query(configuration.experiment, configuration.fingerprint, histories=self._histories)
        try:
            for result in self._client.runs(query):
                if result.status is Status.RUNNING:
                    yield Lost(f"{where}, run {result.run.run_id}", "it is still running", goes_on=True)
                else:
                    yield Found(result, records_from_result(result))
        except LegmError as error:
            yield Lost(where, str(error))
