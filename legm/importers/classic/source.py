"""A folder of the original legm as a source of runs."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile, LegmError, StorageError
from legm.importers.classic.entry_locations import (
    EntryLocation,
    classic_entry_names,
    locate_classic_entries,
    read_classic_entry,
    read_classic_entry_description,
    read_classic_entry_mapping,
)
from legm.importers.classic.entry_numbers import ClassicEntryNumbers, parse_classic_entry
from legm.importers.classic.file_kinds import (
    require_classic_examples,
    require_classic_metrics,
    require_classic_parameters,
    require_classic_steps,
)
from legm.importers.classic.handler_state import (
    HandlerState,
    describe_state_parameters,
    handler_state_from,
    name_parameters_in_state,
)
from legm.importers.classic.layout import (
    INDEXED_METRICS,
    METRICS,
    READ_FILES,
    classic_configuration_folders,
    classic_file_description,
    classic_layout_start_time,
    is_classic_configuration_folder,
)
from legm.importers.external_run import ExternalFile, ExternalRun, unreadable_run
from legm.importers.import_notes import ImportNotes
from legm.importers.import_source import RunGroup
from legm.importers.run_files import run_files_below
from legm.importers.unpickling import unpickle_unevaluated
from legm.records import BestRule, Points, Status
from legm.util.yaml_text import yaml_block

__all__ = ["ClassicSource"]

_NOT_NUMBERS_FILE = "not-numbers.yml"
_MAX_NAMES_BYTES = 1 << 20
_MAX_SEARCH_DEPTH = 4  # levels of folders in which a store is looked for


@dataclass(frozen=True, slots=True)
class _ClassicCompletedRun:
    """A completed run: the locations of its entries, and what distinguishes it.

    Args:
        name: the name of its entry.
        plain, indexed: the location of its entry in each file.
        description: "" for none.
        is_cut: whether an entry is incomplete.
    """

    name: str
    plain: EntryLocation | None
    indexed: EntryLocation | None
    description: str
    is_cut: bool

    @property
    def number(self) -> int:
        """The number of the run within its configuration, from 0."""
        return int(self.name.rpartition("_")[2])


@dataclass(frozen=True, slots=True)
class _Configuration:
    """A configuration's folder, without its numbers.

    Args:
        folder: the folder.
        experiment: the experiment.
        key: the common prefix of the keys of its runs.
        parameters: by name of the entry; under "" those of the last start if only these are stored.
        named: the parameters that make up the name.
        handler_state: the state of its handler, if known.
        runs: its completed runs by key.
        first_start_time: when the first run started (s).
        steps: the content of ``steps.yml``.
    """

    folder: Path
    experiment: str
    key: str
    parameters: Mapping[str, Mapping[str, Any]]
    named: str
    handler_state: HandlerState | None
    runs: dict[str, _ClassicCompletedRun]
    first_start_time: float
    steps: Mapping[str, Any] = field(default_factory=dict)


class ClassicSource:
    """The completed runs below a folder of the original legm.

    Args:
        path: its root directory, or the folder of an experiment or a configuration.
        deleted: has no effect: deleted runs are gone.
    """

    kind = "original-legm"

    def __init__(self, path: Path, *, deleted: bool = False) -> None:  # noqa: ARG002 - as every source
        self._root = Path(os.path.normpath(path.absolute()))
        self.location = str(path)
        self.notes = ImportNotes()
        self._folders: dict[str, Path] = {}
        self._last_configuration: _Configuration | None = None
        self._last_read: tuple[_ClassicCompletedRun, ClassicEntryNumbers] | None = None

    @staticmethod
    def find_store(path: Path) -> Path | None:
        """The path, if it is a configuration's folder or contains one."""
        is_one = path.is_dir() and any(
            True for _ in classic_configuration_folders(path, ImportNotes(), max_depth=_MAX_SEARCH_DEPTH)
        )
        return path if is_one else None

    @staticmethod
    def nearest_store_folder(path: Path) -> Path:
        """The subfolder of a store that contains the first configuration, or the store itself."""
        folder = next(classic_configuration_folders(path, ImportNotes(), max_depth=_MAX_SEARCH_DEPTH))
        return path.joinpath(*folder.relative_to(path).parts[:1])

    def runs(self) -> Iterator[ExternalRun]:
        """Every completed run, configuration by configuration."""
        for group in self.groups():
            yield from group.runs()

    def number_of_runs(self) -> int:
        """How many runs are completed, without parsing them."""
        return sum(
            len(classic_entry_names(folder / METRICS) | classic_entry_names(folder / INDEXED_METRICS))
            for folder in classic_configuration_folders(self._root, ImportNotes())
        )

    def groups(self) -> Iterator[RunGroup]:
        """The runs of each configuration's folder."""
        for folder in classic_configuration_folders(self._root, self.notes):
            key = folder.relative_to(self._root).as_posix()
            yield RunGroup(key, [folder], partial(self._runs_of_folder, folder))

    def _runs_of_folder(self, folder: Path) -> Iterator[ExternalRun]:
        try:
            configuration = self._configuration(folder)
        except LegmError as error:
            experiment, key = self._experiment_and_key(folder, None)
            yield unreadable_run(key, experiment, error)
            return
        if not configuration.runs:
            self.notes.add("configurations without a completed run were left out", str(folder))
        for key in configuration.runs:
            self._folders[key] = folder
            yield self._external_run(configuration, key)

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        configuration = self._configuration(self._folders[key]) if key in self._folders else None
        if configuration is None or key not in configuration.runs:
            raise StorageError(f"the folder {self._root} no longer has the run {key}")
        return self._external_run(configuration, key)

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _configuration(self, folder: Path) -> _Configuration:
        if self._last_configuration is None or self._last_configuration.folder != folder:
            self._last_configuration = self._read_configuration(folder)
        return self._last_configuration

    def _read_configuration(self, folder: Path) -> _Configuration:
        handler_state = self._read_handler_state(folder)
        experiment, key = self._experiment_and_key(folder, handler_state)
        runs = self._completed_runs(folder, key)
        steps = read_classic_entry_mapping(folder / "steps.yml") or {}
        require_classic_steps(folder / "steps.yml", steps)
        content = read_classic_entry_mapping(folder / "params.yml")
        require_classic_parameters(folder / "params.yml", content or {}, steps)
        if content is None and handler_state is None:
            raise StorageError(f"{folder} has neither a readable params.yml nor a readable obj.pkl")
        parameters = {"": (handler_state.parameters if handler_state else {}) if content is None else content}
        if content and all(
            _is_classic_entry_name(name) and isinstance(value, dict) for name, value in content.items()
        ):
            parameters = content
            if len(parameters) > len(runs):
                self.notes.add("runs that were started but never logged were left out", str(folder))
        return _Configuration(
            folder,
            experiment,
            key,
            parameters,
            self._read_text(folder / "names.txt"),
            handler_state,
            {f"{key}/{run.name}": run for run in runs},
            classic_layout_start_time(folder),
            steps,
        )

    def _read_handler_state(self, folder: Path) -> HandlerState | None:
        path = folder / "obj.pkl"
        try:
            return handler_state_from(unpickle_unevaluated(path)) if path.is_file() else None
        except LegmError as error:
            self.notes.add(
                f"parameter metadata, which is inferred instead: {_classic_problem_without_path(error)}",
                str(path),
            )
            return None

    def _read_text(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                return file.read(_MAX_NAMES_BYTES).decode(errors="replace")
        except OSError:
            return ""

    def _experiment_and_key(self, folder: Path, handler_state: HandlerState | None) -> tuple[str, str]:
        """The experiment of a configuration, and the common prefix of the keys of its runs."""
        path, root = folder.absolute(), self._root
        name = Path(handler_state.experiment) if handler_state is not None else Path()
        size = len(name.parts)
        called = [one for one in path.parents if size and one.parts[-size:] == name.parts]
        for above in called:
            if root.is_relative_to(Path(*above.parts[:-size])):
                return name.as_posix(), (name / path.relative_to(above)).as_posix()
        below = path.relative_to(root)
        if called and called[-1] != root and called[-1].is_relative_to(root):  # several root directories
            return called[-1].relative_to(root).as_posix(), below.as_posix()
        if len(below.parts) > 1:
            return below.parts[0], below.as_posix()
        above = root if below.parts else root.parent
        return above.name or self.kind, f"{above.name}/{path.name}"

    def _completed_runs(self, folder: Path, key: str) -> list[_ClassicCompletedRun]:
        """The completed runs of a configuration, in order."""
        plain, indexed = (
            locate_classic_entries(folder / METRICS),
            locate_classic_entries(folder / INDEXED_METRICS),
        )
        runs = []
        for name in sorted({*plain, *indexed}, key=lambda one: (len(one), one)):
            both = (plain.get(name), indexed.get(name))
            descriptions = [
                None if entry is None else read_classic_entry_description(folder / file, name, entry)
                for file, entry in zip((METRICS, INDEXED_METRICS), both, strict=True)
            ]
            is_cut = any(
                entry is not None and (entry.is_cut or description is None)
                for entry, description in zip(both, descriptions, strict=True)
            )
            if is_cut:
                self.notes.add("numbers after the point where a file is cut", f"{key}/{name}")
            known = [one for one in descriptions if one is not None]
            if len({*known}) > 1:  # a run without metrics of one kind shifted the others
                self.notes.add("metrics of examples that cannot be assigned to a run", f"{key}/{name}")
                both = (both[0], None)
            runs.append(_ClassicCompletedRun(name, *both, known[0] if known else "", is_cut))
        return runs

    def _external_run(self, configuration: _Configuration, key: str) -> ExternalRun:
        run = configuration.runs[key]
        last = [*configuration.runs.values()][-1]
        parameters = configuration.parameters.get(run.name)
        has_shared_parameters = parameters is None and run != last
        if parameters is None:
            parameters = [*configuration.parameters.values()][-1]
        if has_shared_parameters:
            self.notes.add(
                "uncompared parameters of runs before the last: the original legm kept only the last run's",
                key,
            )
        try:
            values, metadata = describe_state_parameters(
                parameters,
                name_parameters_in_state(configuration.named, parameters),
                configuration.handler_state,
            )
        except LegmError as error:
            return unreadable_run(key, configuration.experiment, error)
        started = configuration.first_start_time + run.number / 1000
        return ExternalRun(
            key=key,
            experiment=configuration.experiment,
            name="",
            parameters=values,
            tags={},
            status=Status.RUNNING if run.is_cut else Status.COMPLETED,
            started=started,
            ended=self._end_time(configuration, run, started) if run == last else None,
            error="its file is cut off" if run.is_cut else None,
            records=lambda: self._records(configuration, key, started),
            files=lambda: self._files(configuration, run),
            details={"folder": configuration.folder.name},
            description=run.description,
            metadata=metadata,
            marks_test_metrics=True,
            has_shared_parameters=has_shared_parameters,
        )

    def _end_time(
        self, configuration: _Configuration, run: _ClassicCompletedRun, started: float
    ) -> float | None:
        """When the last run was logged, which is when its file was written."""
        file = METRICS if run.plain is not None else INDEXED_METRICS
        try:
            written = (configuration.folder / file).stat().st_mtime
        except OSError:
            return None
        return written if written >= started else None

    def _numbers(self, configuration: _Configuration, run: _ClassicCompletedRun) -> ClassicEntryNumbers:
        plain: Mapping[str, Any] = {}
        indexed: Mapping[str, Any] = {}
        if run.plain is not None:
            path = configuration.folder / METRICS
            plain = read_classic_entry(path, run.name, run.plain)
            require_classic_metrics(path, run.plain.line, plain)
        if run.indexed is not None:
            path = configuration.folder / INDEXED_METRICS
            indexed = read_classic_entry(path, run.name, run.indexed)
            require_classic_examples(path, run.indexed.line, indexed)
        return parse_classic_entry(plain, indexed, configuration.steps)

    def _records(self, configuration: _Configuration, key: str, time: float) -> Iterator[Points | BestRule]:
        run = configuration.runs[key]
        numbers = self._numbers(configuration, run)
        self._last_read = run, numbers  # its files are read next
        if numbers.dev or numbers.test:
            yield numbers.points(time)
        if numbers.with_guessed_steps:
            self.notes.add("steps of metrics that are not stored for each value: replaced by 0, 1, …", key)
        rule = numbers.best_rule()
        if rule is None:
            self.notes.add("best steps that no rule of legm selects: the last step counts instead", key)
        elif rule != BestRule():
            yield rule

    def _files(self, configuration: _Configuration, run: _ClassicCompletedRun) -> Iterator[ExternalFile]:
        """What is not a number; and the folder's files, which belong to the last run of their description."""
        known, self._last_read = self._last_read, None
        is_known = known is not None and known[0] is run
        others = (known[1] if known and is_known else self._numbers(configuration, run)).not_numbers
        if others:
            yield ExternalFile(_NOT_NUMBERS_FILE, partial(io.BytesIO, yaml_block(others).encode()))
        folder, runs = configuration.folder, list(configuration.runs.values())
        last = {"": runs[-1]} | {one.description: one for one in runs}

        def is_excluded(path: Path) -> bool:
            name = path.relative_to(folder).parts[0]
            if last[classic_file_description(name, last)] != run:
                return True
            if path.parent == folder and path.name in READ_FILES:
                return True
            return path.is_dir() and is_classic_configuration_folder([one.name for one in path.iterdir()])

        for file in run_files_below(folder, self.notes, is_excluded=is_excluded):
            yield ExternalFile(f"files/{file.name}", file.open) if file.name == _NOT_NUMBERS_FILE else file


def _is_classic_entry_name(name: str) -> bool:
    prefix, _, number = name.rpartition("_")
    return prefix == "experiment" and number.isascii() and number.isdigit()


def _classic_problem_without_path(error: LegmError) -> str:
    """The error's text without the path, which is reported next to it."""
    text = str(error)
    return text.removeprefix(f"{error.path}, ") if isinstance(error, CorruptFile) else text
