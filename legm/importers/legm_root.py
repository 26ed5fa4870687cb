"""Another legm root directory as a source of runs, which stay as they are."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from legm.core.results import records_from_result, result_records
from legm.core.rewinding import without_rewound
from legm.delivery.client import connect_client
from legm.delivery.folder_access import default_folder_access
from legm.errors import CorruptFile, LegmError, StorageError
from legm.importers.external_run import ExternalFile, ExternalMedium, ExternalRun, unreadable_run
from legm.importers.import_notes import ImportNotes
from legm.importers.import_source import RunGroup
from legm.importers.run_validation import require_valid_run
from legm.records import (
    Artifact,
    BestRule,
    Configuration,
    Display,
    Media,
    Points,
    Query,
    Record,
    RunMarks,
    RunResult,
    Status,
)
from legm.runlog import log_reader
from legm.runlog.configuration_folders import artifacts_folder, experiment_paths
from legm.runlog.file_names import (
    AGGREGATES_FILE,
    METRICS_FILE,
    OWN_FOLDER,
    PARAMETERS_FILE,
    PLOTS,
    STEPS_FILE,
)
from legm.runlog.log_folder import LogFolder, read_result_from_log
from legm.runlog.log_writer import is_log_locked
from legm.runlog.marks_files import read_marks
from legm.util.given_paths import resolved_path

__all__ = ["LegmRootSource", "is_legm_root_file"]

_OWN_FILES = frozenset({PARAMETERS_FILE, METRICS_FILE, STEPS_FILE})
_COMPUTED = frozenset({AGGREGATES_FILE, PLOTS})
_FINGERPRINT = re.compile(rb"^fingerprint: ['\"]?v\d+-", re.MULTILINE)


class LegmRootSource:
    """The runs below a root directory of the local backend.

    A run log has more than the YAML files, such as the time of each number. What was set after a run had
    completed does not count and is not imported.

    Args:
        path: the root directory.
        deleted: has no effect: deleted runs are gone.
    """

    kind = "legm"

    def __init__(self, path: Path, *, deleted: bool = False) -> None:  # noqa: ARG002 - as every source
        self.location = str(path)
        self.notes = ImportNotes()
        self._client = connect_client(path)
        self._folders = default_folder_access()
        self._root = path.absolute()
        self._configurations: dict[str, Configuration] = {}  # by run id
        self._unfinished: set[str] = set()  # experiments with running runs

    @staticmethod
    def find_store(path: Path) -> Path | None:
        """The root directory at a path."""
        is_root = path.is_dir() and any(
            is_legm_root_file(file) for file in path.glob(f"*/*/{PARAMETERS_FILE}")
        )
        return path if is_root else None

    def runs(self) -> Iterator[ExternalRun]:
        """Every run that has ended, experiment by experiment."""
        for group in self.groups():
            yield from group.runs()

    def number_of_runs(self) -> int:
        """How many runs have ended; those in damaged folders are not counted."""
        number = 0
        for experiment in self._client.experiments():
            with contextlib.suppress(CorruptFile):  # reading the runs says what is damaged
                counts = self._client.counts_as_stored(experiment)
                number += sum(one.completed + sum(one.left_out.values()) for one in counts)
        return number

    def groups(self) -> Iterator[RunGroup]:
        """The runs of each experiment; of one without a readable configuration what is damaged."""
        experiments = self._client.experiments()
        for experiment in experiments:
            paths = self._configuration_folders(experiment)
            runs, outside = partial(self._runs_of, experiment), partial(self._paths_outside, experiment)
            yield RunGroup(experiment, paths, runs, outside)
        known = {self._experiment_folder(experiment) for experiment in experiments}
        for path in experiment_paths(self._client.root):
            if (folder := self._client.root / path) not in known:
                yield RunGroup(path, [folder], partial(self._unreadable_runs, path, folder))

    def _experiment_folder(self, experiment: str) -> Path:
        return self._client.own_folder_of_experiment(experiment).parent

    def _configuration_folders(self, experiment: str) -> list[Path]:
        """Everything in the folder of an experiment, which a user may have renamed, but legm's own caches."""
        folder = self._experiment_folder(experiment).absolute()
        with contextlib.suppress(OSError):  # reading the runs says what cannot be read
            if folder.is_relative_to(self._root):
                top = self._root / folder.relative_to(self._root).parts[0]
                return sorted(one for one in top.iterdir() if one.name != OWN_FOLDER)
        return []

    def _paths_outside(self, experiment: str) -> Iterable[Path] | None:
        """Nothing; None while a run is left out that may end although its files stay as they are."""
        return None if experiment in self._unfinished else ()

    def _runs_of(self, experiment: str) -> Iterator[ExternalRun]:
        folder = self._experiment_folder(experiment)
        configurations = (one.configuration for one in self._folders.statuses_as_stored(folder))
        readable = [one for one in configurations if one is not None]
        for fingerprint, configuration in {one.fingerprint: one for one in readable}.items():
            try:
                yield from self._runs_found_by(experiment, Query(experiment, fingerprint))
            except LegmError as error:  # of which the other configurations know nothing
                its = self._client.folder(configuration)
                yield unreadable_run(
                    fingerprint if its is None else f"{experiment}/{its.name}", experiment, error
                )
        yield from self._unreadable_runs(experiment, folder)

    def _unreadable_runs(self, experiment: str, experiment_folder: Path) -> Iterator[ExternalRun]:
        """A placeholder for each configuration of legm's whose parameters cannot be read."""
        for one in self._folders.statuses_as_stored(experiment_folder):
            if one.configuration is not None or one.problem is None:
                continue
            folder = Path(one.folder)
            if LogFolder.of(folder).folder.is_dir() or is_legm_root_file(folder / PARAMETERS_FILE):
                yield unreadable_run(f"{experiment}/{one.label}", experiment, one.problem)
            else:
                self.notes.add("folders of another program were left out", one.folder)

    def _runs_found_by(self, experiment: str, query: Query) -> Iterator[ExternalRun]:
        for result in self._client.runs_as_stored(query):
            if result.status is Status.RUNNING:
                self._unfinished.add(experiment)
                self.notes.add("runs that are still running were left out: import again", result.run.run_id)
                continue
            self._configurations[result.run.run_id] = result.run.configuration
            self._note_other_files(result.run.configuration)
            yield self._external_run(result)

    def _note_other_files(self, configuration: Configuration) -> None:
        """Note what is in a configuration's folder but belongs to no run."""
        folder = self._client.folder(configuration)
        for path in sorted(folder.iterdir()) if folder is not None and folder.is_dir() else ():
            if path.name in _COMPUTED:
                self.notes.add("plots and aggregates, which can be made again, were left out", str(path))
            elif path.is_file() and path.name not in _OWN_FILES:
                self.notes.add("files of configurations, which belong to no run, were left out", str(path))

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        log = self._log_path(key)
        found = None if log is None else read_result_from_log(log, live=is_log_locked(log))
        return self._external_run(found or self._read_result(key))

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _log_path(self, key: str) -> Path | None:
        """The path of the run's log, if it exists."""
        folder = self._client.folder(self._configurations[key])
        return None if folder is None else LogFolder.of(folder).find(key)

    def _read_result(self, key: str, histories: frozenset[str] | None = frozenset()) -> RunResult:
        configuration = self._configurations[key]
        query = Query(configuration.experiment, configuration.fingerprint, None, histories)
        for result in self._client.runs_as_stored(query):
            if result.run.run_id == key:
                found: RunResult = result
                return found
        raise StorageError(f"the root directory {self.location} no longer has the run {key}")

    def _external_run(self, result: RunResult) -> ExternalRun:
        key = result.run.run_id
        log = self._log_path(key)
        try:
            run = result.run
            if log is not None:
                with contextlib.suppress(CorruptFile):  # which is noted when its records are read
                    run = log_reader.read_log_head(log).run
                    run = replace(run, environment={**run.environment, **result.run.environment})
            require_valid_run(run)
        except StorageError as error:
            return unreadable_run(key, result.run.configuration.experiment, error)
        configuration = run.configuration
        active = {name: configuration.parameters[name] for name in configuration.active}
        return ExternalRun(
            key=key,
            experiment=configuration.experiment,
            name="",
            parameters={**active, **run.parameters},
            tags={},
            status=result.status,
            started=run.started,
            ended=result.ended,
            error=result.error,
            records=lambda: self._read_records(key, log, result.status),
            files=lambda: self._artifact_files(key, log, result.status),
            native_run=run,
            marks=self._marks(key),
        )

    def _marks(self, key: str) -> RunMarks:
        folder = self._client.folder(self._configurations[key])
        try:
            return RunMarks() if folder is None else read_marks(LogFolder.of(folder), key)
        except LegmError as error:
            self.notes.add(f"tags and notes that cannot be read were left out: {error}", key)
            return RunMarks()

    def _read_records(
        self, key: str, log: Path | None, status: Status
    ) -> Iterator[Points | Display | BestRule]:
        logged = self._read_logged_records(key, log, status)
        if logged is None:
            self.notes.add("runs without a whole run log: the times of their numbers are unknown", key)
            logged = records_from_result(self._read_result(key, None))
        for record in without_rewound(logged):
            if isinstance(record, (Points, Display, BestRule)):
                yield record

    def _read_logged_records(self, key: str, log: Path | None, status: Status) -> Sequence[Record] | None:
        """A run's records from its log; of a damaged one what is intact, None where the result has more."""
        if log is None:
            return None
        try:
            return result_records(log_reader.read_log(log).records, status)
        except CorruptFile as error:
            self.notes.add(f"what is damaged of the logs of runs was left out: {error}", key)
            intact = log_reader.read_intact_log(log, self._configurations[key])
        if intact is None or status is Status.COMPLETED:
            return None
        return result_records(intact[0].records, status)

    def _artifact_files(self, key: str, log: Path | None, status: Status) -> Iterator[ExternalFile]:
        if log is None:
            return
        for record in without_rewound(self._read_logged_records(key, log, status) or ()):
            if isinstance(record, Artifact):
                yield from self._file_in_folder(key, log, record.name, record.path)
            elif isinstance(record, Media):
                for one in record.files:
                    medium = ExternalMedium(
                        record.name, record.kind, record.step, record.time, one.caption, dict(one.details)
                    )
                    yield from self._file_in_folder(key, log, Path(one.path).name, one.path, medium)

    @staticmethod
    def _file_in_folder(
        key: str, log: Path, name: str, recorded: str, medium: ExternalMedium | None = None
    ) -> Iterator[ExternalFile]:
        """A file of a run where it is now; nothing if that is outside of the configuration's folder."""
        folder = LogFolder.containing(log).folder.parent
        parts = Path(recorded).parts  # the root directory may have been moved since
        below = parts[parts.index(key) + 1 :] if key in parts else (name,)
        path = artifacts_folder(folder, key).joinpath(*below)
        if resolved_path(path).is_relative_to(resolved_path(folder)):
            yield ExternalFile.from_path(name, path, medium)


def is_legm_root_file(path: Path) -> bool:
    """Whether a parameter file is legm's: the original legm had files of that name too."""
    try:
        with path.open("rb") as file:
            return _FINGERPRINT.search(file.read(1 << 16)) is not None
    except OSError:
        return False
