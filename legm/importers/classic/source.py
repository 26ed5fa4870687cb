"""A folder of the original legm as a source of runs."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from legm.backends.local.yamltext import block
from legm.errors import CorruptFile, LegmError, StorageError
from legm.importers.classic.entries import Entry, description_of, entries_in, read_entry, read_mapping
from legm.importers.classic.entry_numbers import Numbers, numbers_of
from legm.importers.classic.handler_state import Knowledge, described, knowledge_of, named_in
from legm.importers.classic.layout import (
    FILES,
    INDEXED,
    METRICS,
    began,
    configurations,
    description_of_file,
    is_classic,
)
from legm.importers.external import ExternalFile, ExternalRun, unreadable
from legm.importers.files import files_below
from legm.importers.notes import Notes
from legm.importers.unpickling import unpickled
from legm.records import BestRule, Points, Status

__all__ = ["FolderSource"]

_OTHERS = "not-numbers.yml"
_MOST_NAMES = 1 << 20  # bytes of names.txt
_DEEPEST = 4  # folders in which a source is looked for


@dataclass(frozen=True, slots=True)
class _Run:
    """A completed run: where it stands in the files, and what tells it apart.

    Args:
        name: its entry's.
        plain, indexed: where it stands in each file.
        description: "" for none.
    """

    name: str
    plain: Entry | None
    indexed: Entry | None
    description: str
    is_cut: bool

    @property
    def number(self) -> int:
        """Which run of the configuration it is, from 0."""
        return int(self.name.rpartition("_")[2])


@dataclass(frozen=True, slots=True)
class _Configuration:
    """A configuration's folder, but for the numbers in it.

    Args:
        folder: the folder.
        experiment: the experiment.
        key: what the keys of its runs begin with.
        parameters: by the entry's name; under "" those of the last start where it is all there is.
        named: the parameters that make up the name.
        knowledge: what its handler held, where that is known.
        runs: its completed runs by key.
        began: when the first one began (s).
        steps: what ``steps.yml`` says.
    """

    folder: Path
    experiment: str
    key: str
    parameters: Mapping[str, Mapping[str, Any]]
    named: str
    knowledge: Knowledge | None
    runs: dict[str, _Run]
    began: float
    steps: Mapping[str, Any] = field(default_factory=dict)


class FolderSource:
    """The completed runs below a folder of the original legm's.

    Args:
        path: its root directory, the folder of an experiment, or that of a configuration.
        deleted: means nothing here: what is deleted is gone.
    """

    kind = "original-legm"

    def __init__(self, path: Path, *, deleted: bool = False) -> None:  # noqa: ARG002 - as every source
        self._root = Path(os.path.normpath(path.absolute()))
        self.place = str(path)
        self.notes = Notes()
        self._places: dict[str, Path] = {}
        self._last: _Configuration | None = None
        self._read_last: tuple[_Run, Numbers] | None = None

    @staticmethod
    def recognise(path: Path) -> Path | None:
        """The folder at a path, if there are configurations in it, or it is one."""
        is_one = path.is_dir() and any(True for _ in configurations(path, Notes(), deepest=_DEEPEST))
        return path if is_one else None

    @staticmethod
    def inner(path: Path) -> Path:
        """The folder in a recognised one in which the first configuration is, or itself."""
        folder = next(configurations(path, Notes(), deepest=_DEEPEST))
        return path.joinpath(*folder.relative_to(path).parts[:1])

    def runs(self) -> Iterator[ExternalRun]:
        """Every completed run, configuration by configuration."""
        for folder in configurations(self._root, self.notes):
            try:
                configuration = self._configuration(folder)
            except LegmError as error:
                experiment, key = self._named(folder, None)
                yield unreadable(key, experiment, error)
                continue
            if not configuration.runs:
                self.notes.add("configurations without a completed run were left out", str(folder))
            for key in configuration.runs:
                self._places[key] = folder
                yield self._foreign(configuration, key)

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        configuration = self._configuration(self._places[key]) if key in self._places else None
        if configuration is None or key not in configuration.runs:
            raise StorageError(f"the folder {self._root} has no run {key} any more")
        return self._foreign(configuration, key)

    def close(self) -> None:
        """Nothing is held."""

    def _configuration(self, folder: Path) -> _Configuration:
        if self._last is None or self._last.folder != folder:
            self._last = self._read(folder)
        return self._last

    def _read(self, folder: Path) -> _Configuration:
        knowledge = self._knowledge(folder)
        experiment, key = self._named(folder, knowledge)
        runs = self._completed(folder, key)
        told = read_mapping(folder / "params.yml")
        if told is None and knowledge is None:
            raise StorageError(f"{folder} has neither a params.yml nor an obj.pkl that can be read")
        parameters = {"": (knowledge.parameters if knowledge else {}) if told is None else told}
        if told and all(_is_entry(name) and isinstance(value, dict) for name, value in told.items()):
            parameters = told
            if len(parameters) > len(runs):
                self.notes.add("runs that were begun, and never logged, were left out", str(folder))
        return _Configuration(
            folder,
            experiment,
            key,
            parameters,
            self._text(folder / "names.txt"),
            knowledge,
            {f"{key}/{run.name}": run for run in runs},
            began(folder),
            read_mapping(folder / "steps.yml") or {},
        )

    def _knowledge(self, folder: Path) -> Knowledge | None:
        path = folder / "obj.pkl"
        try:
            return knowledge_of(unpickled(path)) if path.is_file() else None
        except LegmError as error:
            self.notes.add(f"metadata of parameters, so that it is inferred: {_problem(error)}", str(path))
            return None

    def _text(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                return file.read(_MOST_NAMES).decode(errors="replace")
        except OSError:
            return ""

    def _named(self, folder: Path, knowledge: Knowledge | None) -> tuple[str, str]:
        """The experiment of a configuration, and what the keys of its runs begin with."""
        place, root = folder.absolute(), self._root
        name = Path(knowledge.experiment) if knowledge is not None else Path()
        size = len(name.parts)
        called = [one for one in place.parents if size and one.parts[-size:] == name.parts]
        for above in called:
            if root.is_relative_to(Path(*above.parts[:-size])):
                return name.as_posix(), (name / place.relative_to(above)).as_posix()
        below = place.relative_to(root)
        if called and called[-1] != root and called[-1].is_relative_to(root):  # there are several roots
            return called[-1].relative_to(root).as_posix(), below.as_posix()
        if len(below.parts) > 1:
            return below.parts[0], below.as_posix()
        above = root if below.parts else root.parent
        return above.name or self.kind, f"{above.name}/{place.name}"

    def _completed(self, folder: Path, key: str) -> list[_Run]:
        """The completed runs of a configuration, in their order."""
        plain, indexed = entries_in(folder / METRICS), entries_in(folder / INDEXED)
        runs = []
        for name in sorted({*plain, *indexed}, key=lambda one: (len(one), one)):
            both = (plain.get(name), indexed.get(name))
            descriptions = [
                None if entry is None else description_of(folder / file, name, entry)
                for file, entry in zip((METRICS, INDEXED), both, strict=True)
            ]
            is_cut = any(
                entry is not None and (entry.is_cut or description is None)
                for entry, description in zip(both, descriptions, strict=True)
            )
            if is_cut:
                self.notes.add("numbers behind the place where a file is cut", f"{key}/{name}")
            told = [one for one in descriptions if one is not None]
            if len({*told}) > 1:  # a run without metrics of one kind shifted the others
                self.notes.add("metrics of examples that belong to no run for sure", f"{key}/{name}")
                both = (both[0], None)
            runs.append(_Run(name, *both, told[0] if told else "", is_cut))
        return runs

    def _foreign(self, configuration: _Configuration, key: str) -> ExternalRun:
        run = configuration.runs[key]
        last = [*configuration.runs.values()][-1]
        told = configuration.parameters.get(run.name)
        is_shared = told is None and run != last
        if told is None:
            told = [*configuration.parameters.values()][-1]
        if is_shared:
            self.notes.add(
                "parameters that are not compared of runs before the last: the original kept the last one's",
                key,
            )
        try:
            values, metadata = described(told, named_in(configuration.named, told), configuration.knowledge)
        except LegmError as error:
            return unreadable(key, configuration.experiment, error)
        started = configuration.began + run.number / 1000
        return ExternalRun(
            key=key,
            experiment=configuration.experiment,
            name="",
            parameters=values,
            tags={},
            status=Status.RUNNING if run.is_cut else Status.COMPLETED,
            started=started,
            ended=self._ended(configuration, run, started) if run == last else None,
            error="its file is cut" if run.is_cut else None,
            records=lambda: self._records(configuration, key, started),
            files=lambda: self._files(configuration, run),
            details={"folder": configuration.folder.name},
            description=run.description,
            metadata=metadata,
            knows_tests=True,
            is_shared=is_shared,
        )

    def _ended(self, configuration: _Configuration, run: _Run, started: float) -> float | None:
        """When the last run was logged: when its file was written."""
        file = METRICS if run.plain is not None else INDEXED
        try:
            written = (configuration.folder / file).stat().st_mtime
        except OSError:
            return None
        return written if written >= started else None

    def _numbers(self, configuration: _Configuration, run: _Run) -> Numbers:
        folder = configuration.folder
        plain = {} if run.plain is None else read_entry(folder / METRICS, run.name, run.plain)
        indexed = {} if run.indexed is None else read_entry(folder / INDEXED, run.name, run.indexed)
        return numbers_of(plain, indexed, configuration.steps)

    def _records(self, configuration: _Configuration, key: str, time: float) -> Iterator[Points | BestRule]:
        run = configuration.runs[key]
        numbers = self._numbers(configuration, run)
        self._read_last = run, numbers  # its files are asked for next
        if numbers.dev or numbers.test:
            yield numbers.points(time)
        if numbers.guessed:
            self.notes.add("steps of metrics, which are not said for each value: 0, 1, … were taken", key)
        rule = numbers.best_rule()
        if rule is None:
            self.notes.add("best steps that none of legm's rules chooses: the last one counts", key)
        elif rule != BestRule():
            yield rule

    def _files(self, configuration: _Configuration, run: _Run) -> Iterator[ExternalFile]:
        """What is no number; and the folder's files, which belong to the last run of their description."""
        known, self._read_last = self._read_last, None
        is_known = known is not None and known[0] is run
        others = (known[1] if known and is_known else self._numbers(configuration, run)).others
        if others:
            yield ExternalFile(_OTHERS, partial(io.BytesIO, block(others).encode()))
        folder, runs = configuration.folder, list(configuration.runs.values())
        last = {"": runs[-1]} | {one.description: one for one in runs}

        def is_other(path: Path) -> bool:
            name = path.relative_to(folder).parts[0]
            if last[description_of_file(name, last)] != run:
                return True
            if path.parent == folder and path.name in FILES:
                return True
            return path.is_dir() and is_classic([one.name for one in path.iterdir()])

        for file in files_below(folder, self.notes, is_other=is_other):
            yield ExternalFile(f"files/{file.name}", file.open) if file.name == _OTHERS else file


def _is_entry(name: str) -> bool:
    prefix, _, number = name.rpartition("_")
    return prefix == "experiment" and number.isascii() and number.isdigit()


def _problem(error: LegmError) -> str:
    """What is wrong, without the path, which is told beside it."""
    text = str(error)
    return text.removeprefix(f"{error.path}, ") if isinstance(error, CorruptFile) else text
