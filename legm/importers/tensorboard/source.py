"""A folder of TensorBoard's event files as a source of runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from legm.errors import LegmError, StorageError
from legm.importers.external import ExternalFile, ExternalRun, unreadable
from legm.importers.files import files_below
from legm.importers.names import taken_name
from legm.importers.notes import Notes
from legm.importers.tensorboard.event_folders import event_folders, is_elsewhere, is_event_file, is_store
from legm.importers.tensorboard.events import EventReader, Text
from legm.importers.tensorboard.file_head import opened_head
from legm.importers.tensorboard.folder_scan import Look, looked
from legm.importers.tensorboard.hparams import joined_parameters
from legm.importers.tensorboard.hparams_yaml import yaml_parameters
from legm.importers.tensorboard.media import media_files
from legm.importers.tensorboard.run_layout import Part, RunFolder, runs_in
from legm.records import Display, Plain, Points, Status
from legm.util.progress import watched

__all__ = ["FolderSource"]

_FOLDER = "folder"
"""The parameter of runs without any: what tells them apart is where they are."""
_SLACK = 1.0  # seconds that an event may be later than the end of its session


class FolderSource:
    """The runs in a folder of event files, as they are when they are first asked for.

    Args:
        path: the folder.
        deleted: means nothing here: what is deleted is gone.
    """

    kind = "tensorboard"

    def __init__(self, path: Path, *, deleted: bool = False) -> None:  # noqa: ARG002 - as every source
        self._root = path
        self.place = str(path)
        self.notes = Notes()
        self._looks: dict[PurePosixPath, Look] = {}
        self._runs: dict[str, RunFolder] | None = None

    @staticmethod
    def recognise(path: Path) -> Path | None:
        """The folder at a path, if there are event files in it or below it."""
        is_one = path.is_dir() and not is_store(Path(os.path.realpath(path)))
        return path if is_one and any(True for _ in event_folders(path, Notes())) else None

    @staticmethod
    def inner(path: Path) -> Path:
        """The folder in a recognised one in which the nearest event files are, or itself."""
        folder, _ = next(event_folders(path, Notes()))
        return path.joinpath(*folder.relative_to(path).parts[:1])

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, by path."""
        for key in self._found():
            yield self.run(key)

    def run(self, key: str) -> ExternalRun:
        """The run with a key, which is its path."""
        found = self._found().get(key)
        if found is None:
            raise StorageError(f"the folder {self._root} has no run {key}")
        looks = [self._looks[part.folder] for part in found.parts]
        experiment = self._experiment(found.path)
        try:
            for look in looks:
                if look.problem is not None:
                    raise look.problem
            parameters = joined_parameters(_together(looks, "parameters"), self._in_yaml(found.path))
        except LegmError as error:
            return unreadable(key, experiment, error)
        status, ended = next(
            ((look.status, look.ended) for look in reversed(looks) if look.status is not None), (None, None)
        )
        last = max((look.last for look in looks if look.last is not None), default=None)
        knows_end = ended is not None and (last is None or last <= ended + _SLACK)
        return ExternalRun(
            key=key,
            experiment=experiment,
            name=key if found.path.parts else self._root.absolute().name,
            parameters=parameters or {_FOLDER: found.path.name or self._root.absolute().name},
            tags={},
            status=status or Status.COMPLETED,
            started=min((look.first for look in looks if look.first is not None), default=0.0),
            ended=ended if knows_end else last,
            error=None,
            records=lambda: self._records(found),
            files=lambda: self._files(found),
            details=_together(looks, "details"),
            can_grow=not knows_end,
        )

    def close(self) -> None:
        """Nothing is held."""

    def _found(self) -> dict[str, RunFolder]:
        """The runs by key; the first time all event files are read."""
        if self._runs is None:
            for folder, paths in watched(event_folders(self._root, self.notes), "reading event files"):
                look = looked(paths, self.notes)
                if look.files:
                    self._looks[PurePosixPath(folder.relative_to(self._root).as_posix())] = look
            runs = runs_in(self._looks)
            self._runs = {run.path.as_posix(): run for run in runs if self._says_something(run)}
        return self._runs

    def _says_something(self, run: RunFolder) -> bool:
        if not all(self._looks[part.folder].is_empty for part in run.parts):
            return True
        try:
            if self._in_yaml(run.path):
                return True
        except LegmError:
            return True
        self.notes.add("folders whose event files say nothing of a run were left out", run.path.as_posix())
        return False

    def _experiment(self, path: PurePosixPath) -> str:
        """The folder that the run's folder is in."""
        if len(path.parts) > 1:
            return path.parent.as_posix()
        root = Path(os.path.realpath(self._root))
        return (root if path.parts else root.parent).name or self.kind

    def _in_yaml(self, path: PurePosixPath) -> dict[str, Plain]:
        """The parameters that Lightning wrote beside a run's event files."""
        file = self._root / path / "hparams.yaml"
        return yaml_parameters(file) if file.is_file() and not file.is_symlink() else {}

    def _reader(self, part: Part) -> EventReader:
        return EventReader(self.notes, part.named)

    def _records(self, run: RunFolder) -> Iterator[Points | Display]:
        for part in run.parts:
            reader = self._reader(part)
            for path, size in self._looks[part.folder].files:
                for said in reader.read(path, size):
                    if isinstance(said, Points):
                        yield said
                    elif isinstance(said, Text):
                        yield Display(taken_name(said.tag), said.value, said.step, said.time)

    def _files(self, run: RunFolder) -> Iterator[ExternalFile]:
        """Pictures and sounds, event files that hold more than legm has words for, and all other files."""
        taken = set()
        for file in self._of_events(run):
            taken.add(file.name)
            yield file
        folder = self._root / run.path
        for file in files_below(folder, self.notes, is_other=lambda path: self._is_other(path, folder)):
            yield ExternalFile(f"files/{file.name}", file.open) if file.name in taken else file

    def _is_other(self, path: Path, run: Path) -> bool:
        """Whether what is at a path below a run's folder is none of its files."""
        if is_event_file(path):
            return True
        below = path.relative_to(self._root).as_posix()
        return path != run and path.is_dir() and (below in self._found() or is_elsewhere(path))

    def _of_events(self, run: RunFolder) -> Iterator[ExternalFile]:
        counts: dict[str, int] = {}
        for part in run.parts:
            look, reader = self._looks[part.folder], self._reader(part)
            for path, size in look.files if look.has_media else ():
                yield from media_files(reader, path, size, counts)
            for path, size in look.files if look.others else ():
                below = path.relative_to(self._root / run.path).as_posix()
                yield ExternalFile(f"events/{below}", partial(opened_head, path, size))


def _together(looks: Sequence[Look], field: str) -> dict[str, Plain]:
    return {name: value for look in looks for name, value in getattr(look, field).items()}
