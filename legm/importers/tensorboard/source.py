"""A folder of TensorBoard event files as a source of runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from legm.errors import LegmError, StorageError
from legm.importers.external_run import ExternalFile, ExternalRun, unreadable_run
from legm.importers.import_notes import ImportNotes
from legm.importers.import_source import RunGroup
from legm.importers.labels import Label, LabelKind
from legm.importers.run_files import run_files_below
from legm.importers.tensorboard.event_folders import (
    event_folders,
    is_event_file,
    is_other_store_folder,
    is_skipped_event_folder,
)
from legm.importers.tensorboard.event_reader import EventReader, TextEvent
from legm.importers.tensorboard.experiment_names import (
    choose_run_name_folders,
    infer_run_name_folders,
    seed_in_experiment_path,
)
from legm.importers.tensorboard.file_head import open_file_head
from legm.importers.tensorboard.folder_scan import EventFolderScan, scan_event_files
from legm.importers.tensorboard.hparams import merge_hparams
from legm.importers.tensorboard.media import event_media_files
from legm.importers.tensorboard.parameter_files import EventParameterFiles
from legm.importers.tensorboard.run_layout import RunFolder, RunLayoutPart, group_into_run_layout
from legm.importers.valid_names import valid_name
from legm.records import Display, Plain, Points, Status
from legm.util.progress import show_progress

__all__ = ["TensorboardSource"]

_FOLDER_PARAMETER = "folder"
"""The parameter of runs without any: only their paths distinguish them."""
_FOLDER_LABEL = "tensorboard.folder"
_SEED_PARAMETER = "seed"
_END_TOLERANCE = 1.0  # seconds by which an event may follow the end of its session


class TensorboardSource:
    """The runs in a folder of event files, as they are when they are first read.

    Args:
        path: the folder.
        deleted: has no effect: deleted runs are gone.
    """

    kind = "tensorboard"

    def __init__(self, path: Path, *, deleted: bool = False) -> None:  # noqa: ARG002 - as every source
        self._root = path
        self.location = str(path)
        self.notes = ImportNotes()
        self._scans: dict[PurePosixPath, EventFolderScan] = {}
        self._parameter_files = EventParameterFiles(path, self.notes)
        self._runs: dict[str, RunFolder] | None = None
        self._name_depths: dict[PurePosixPath, int] = {}  # how many last folders name a run
        self._given_run_folders: int | None = None
        self._known_run_folders: Mapping[str, int] = {}

    @staticmethod
    def find_store(path: Path) -> Path | None:
        """The path, if there are event files in it or below it."""
        is_one = path.is_dir() and not is_other_store_folder(Path(os.path.realpath(path)))
        return path if is_one and any(True for _ in event_folders(path, ImportNotes())) else None

    @staticmethod
    def nearest_store_folder(path: Path) -> Path:
        """The subfolder of a store that contains the nearest event files, or the store itself."""
        folder, _ = next(event_folders(path, ImportNotes()))
        return path.joinpath(*folder.relative_to(path).parts[:1])

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, by path."""
        for key in self._run_folders():
            yield self.run(key)

    def number_of_runs(self) -> int:
        """How many runs the folders make."""
        return len(self._run_folders())

    def groups(self) -> Iterator[RunGroup]:
        """All runs, as one group: which folders are parts of one run is only in their event files."""
        yield RunGroup("", [self._root.absolute()], self.runs)

    def run(self, key: str) -> ExternalRun:
        """The run with a key, which is its path."""
        found = self._run_folders().get(key)
        if found is None:
            raise StorageError(f"the folder {self._root} has no run {key}")
        scans = [self._scans[part.folder] for part in found.parts]
        experiment = self._experiment_of(found.path)
        seed, name = seed_in_experiment_path(found.path.parts[-self._name_depths[found.path] :])
        try:
            for scan in scans:
                if scan.problem is not None:
                    raise scan.problem
            parameters = merge_hparams(
                _merged_source_field(scans, "parameters"),
                self._parameter_files.of_run(self._root / found.path),
            )
            parameters = {**self._parameter_files.above(self._root / found.path), **parameters}
        except LegmError as error:
            return unreadable_run(key, experiment, error)
        status, ended = next(
            ((scan.status, scan.ended) for scan in reversed(scans) if scan.status is not None), (None, None)
        )
        last = max((scan.last for scan in scans if scan.last is not None), default=None)
        knows_end = ended is not None and (last is None or last <= ended + _END_TOLERANCE)
        return ExternalRun(
            key=key,
            experiment=experiment,
            name=key if found.path.parts else self._root.absolute().name,
            parameters=_with_source_path(
                parameters, name or found.path.name or self._root.absolute().name, seed
            ),
            tags={},
            status=status or Status.COMPLETED,
            started=min((scan.first for scan in scans if scan.first is not None), default=0.0),
            ended=ended if knows_end else last,
            error=None,
            records=lambda: self._read_records(found),
            files=lambda: self._files(found),
            details=_merged_source_field(scans, "details"),
            can_grow=not knows_end,
            labels={_FOLDER_LABEL: Label(LabelKind.NAME, name)} if name and parameters else {},
        )

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _run_folders(self) -> dict[str, RunFolder]:
        """The runs by key; all event files are scanned the first time."""
        if self._runs is None:
            folders = list(event_folders(self._root, self.notes))
            for folder, paths in show_progress(folders, "reading event files"):
                scan = scan_event_files(paths, self.notes)
                if scan.files:
                    self._scans[PurePosixPath(folder.relative_to(self._root).as_posix())] = scan
            runs = group_into_run_layout(self._scans)
            self._runs = {run.path.as_posix(): run for run in runs if self._has_content(run)}
            self._name_depths = self._count_run_folders([run.path for run in self._runs.values()])
        return self._runs

    def use_run_folders(self, given: int | None, known: Mapping[str, int]) -> None:
        """Say how many of the last folders of a run's path name the run; those above are its experiment.

        Args:
            given: the number; None to infer it.
            known: by experiment, the number with which earlier imports were made.
        """
        self._given_run_folders, self._known_run_folders = given, known

    def run_folders(self) -> dict[str, int]:
        """By experiment, how many folders name its runs."""
        found: dict[str, int] = {}
        for path, count in self._name_depths.items():
            experiment = self._experiment_of(path)
            found[experiment] = max(count, found.get(experiment, 1))
        return found

    def confirms_experiments(self, experiments: Mapping[str, str]) -> bool:
        """Whether all of its runs still belong to these experiments, which nothing but their paths decides.

        Args:
            experiments: by the runs' keys. If it does, :meth:`run_folders` is known too.
        """
        paths = [PurePosixPath(key) for key in experiments]
        self._name_depths = self._count_run_folders(paths)
        return all(
            self._experiment_of(path) == experiment
            for path, experiment in zip(paths, experiments.values(), strict=True)
        )

    def _count_run_folders(self, paths: Sequence[PurePosixPath]) -> dict[PurePosixPath, int]:
        if self._given_run_folders is not None:
            return dict.fromkeys(paths, self._given_run_folders)
        inferred = infer_run_name_folders(paths)
        experiments = {
            PurePosixPath(*path.parts[:count]) for path in paths for count in range(len(path.parts))
        }
        known = {
            one: self._known_run_folders[name]
            for one in experiments
            if (name := valid_name(self._experiment_name(one))) in self._known_run_folders
        }
        return {path: choose_run_name_folders(path, inferred[path], known) for path in paths}

    def _has_content(self, run: RunFolder) -> bool:
        if not all(self._scans[part.folder].is_empty for part in run.parts):
            return True
        try:
            if self._parameter_files.of_run(self._root / run.path):
                return True
        except LegmError:
            return True
        self.notes.add(
            "folders whose event files contain nothing of a run were left out", run.path.as_posix()
        )
        return False

    def _experiment_of(self, path: PurePosixPath) -> str:
        """The experiment, named after the folders above those that name the run."""
        if not path.parts:
            return Path(os.path.realpath(self._root)).parent.name or self.kind
        return self._experiment_name(PurePosixPath(*path.parts[: -self._name_depths[path]]))

    def _experiment_name(self, path: PurePosixPath) -> str:
        return path.as_posix() if path.parts else Path(os.path.realpath(self._root)).name or self.kind

    def _event_reader(self, part: RunLayoutPart) -> EventReader:
        return EventReader(self.notes, part.metric_name)

    def _read_records(self, run: RunFolder) -> Iterator[Points | Display]:
        for part in run.parts:
            reader = self._event_reader(part)
            for path, size in self._scans[part.folder].files:
                for content in reader.read(path, size):
                    if isinstance(content, Points):
                        yield content
                    elif isinstance(content, TextEvent):
                        yield Display(valid_name(content.tag), content.value, content.step, content.time)

    def _files(self, run: RunFolder) -> Iterator[ExternalFile]:
        """Images, sounds, histograms, event files with what legm does not support, and all other files."""
        taken = set()
        for file in self._files_from_events(run):
            if file.medium is None:
                taken.add(file.name)
            yield file
        folder = self._root / run.path
        for file in run_files_below(
            folder, self.notes, is_excluded=lambda path: self._is_excluded(path, folder)
        ):
            yield ExternalFile(f"files/{file.name}", file.open) if file.name in taken else file

    def _is_excluded(self, path: Path, run: Path) -> bool:
        """Whether a path below a run's folder does not belong to its files."""
        if is_event_file(path):
            return True
        below = path.relative_to(self._root).as_posix()
        return (
            path != run and path.is_dir() and (below in self._run_folders() or is_skipped_event_folder(path))
        )

    def _files_from_events(self, run: RunFolder) -> Iterator[ExternalFile]:
        counts: dict[str, int] = {}
        for part in run.parts:
            scan, reader = self._scans[part.folder], self._event_reader(part)
            for path, size in scan.files if scan.has_media else ():
                yield from event_media_files(reader, path, size, counts)
            for path, size in scan.files if scan.others else ():
                below = path.relative_to(self._root / run.path).as_posix()
                yield ExternalFile(f"events/{below}", partial(open_file_head, path, size))


def _with_source_path(parameters: Mapping[str, Plain], name: str, seed: int | None) -> dict[str, Plain]:
    """The parameters with what the run's path has: the seed, and its name if there are no others."""
    found = dict(parameters) or {_FOLDER_PARAMETER: name}
    if seed is not None:
        found.setdefault(_SEED_PARAMETER, seed)
    return found


def _merged_source_field(scans: Sequence[EventFolderScan], field: str) -> dict[str, Plain]:
    return {name: value for scan in scans for name, value in getattr(scan, field).items()}
