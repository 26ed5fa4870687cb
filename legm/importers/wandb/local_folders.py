"""The local folders of W&B, read without W&B.

::

    wandb/offline-run-20260131_101502-<id>/run-<id>.wandb     the log: everything except files
                                           files/             media, saved files, code, console output
    wandb/run-20260131_101502-<id>/                           the same for a run that is also on a server

A run that W&B resumed, or started again under the same id, has several folders: its fragments.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from legm.backends import portable
from legm.backends.wandb import names
from legm.core.step_metrics import MetricDefinitions
from legm.errors import LegmError, StorageError
from legm.importers.external_run import ExternalFile, ExternalMedium, ExternalRun, unreadable_run
from legm.importers.import_notes import ImportNotes
from legm.importers.import_source import RunGroup
from legm.importers.run_files import run_files_below
from legm.importers.size_limits import read_within_size_limit
from legm.importers.wandb.folder_without_log import (
    FILES_OF_RUN,
    last_values_without_log,
    read_folder_without_log,
    run_id_in_folder_name,
)
from legm.importers.wandb.history_files import histogram_files
from legm.importers.wandb.media_values import MOST_TABLE_BYTES, wandb_media_in_table
from legm.importers.wandb.run_conversion import (
    INTERNAL_ARTIFACT_TYPES,
    UNCATEGORIZED,
    ExternalWandbRun,
    WandbRecord,
    convert_wandb_exit_code,
    convert_wandb_run,
    note_rounded_wandb_run,
    wandb_summary_numbers,
)
from legm.importers.wandb.run_fold import FoldedFile, FoldedWandbArtifact, WandbRunFold
from legm.importers.wandb.transaction_log import TransactionLogReader
from legm.records import Display, MediaKind, Points
from legm.util.given_paths import resolved_path

__all__ = ["WandbLocalFolderSource"]

T = TypeVar("T")

_BATCH = 1 << 16  # numbers and texts that are returned at once, approximately
_CHECK_EVERY = 256  # records
_STAGING = ("artifacts", "staging")  # the last folders of those of files that are not uploaded yet


@dataclass(frozen=True, slots=True)
class _CachedLocalRun:
    """A run that was read, with the sizes and modification times of its logs at that time."""

    state: tuple[tuple[int, int], ...]
    run: ExternalWandbRun
    artifacts: tuple[FoldedWandbArtifact, ...]
    has_histograms: bool
    definitions: MetricDefinitions


def _cached_local_run(state: tuple[tuple[int, int], ...], fold: WandbRunFold) -> _CachedLocalRun:
    described, artifacts = _describe_local_run(fold), tuple(fold.artifacts)
    return _CachedLocalRun(state, described, artifacts, fold.has_histograms, fold.definitions)


class WandbLocalFolderSource:
    """The runs in local W&B folders.

    Args:
        path: the folder ``wandb``, the folder of one run, or one log.
        deleted: has no effect: deleted runs are gone.
        follow_links: whether links to files elsewhere count as these files, because the script saved them
            just now.
    """

    kind = "wandb"

    def __init__(self, path: Path, *, deleted: bool = False, follow_links: bool = False) -> None:  # noqa: ARG002
        self._path = path
        self._follow_links = follow_links
        self.location = str(path)
        self.notes = ImportNotes()
        self._log_paths: dict[str, tuple[Path, ...]] = {}  # by key
        self._without_log: dict[str, Path] = {}  # folders by key
        self._cached: dict[str, _CachedLocalRun] = {}

    @staticmethod
    def find_store(path: Path) -> Path | None:
        """The W&B folder at, or in, a path; or the folder of a run, or a log."""
        if path.is_file():
            return path if path.suffix == ".wandb" else None
        for folder in (path, path / "wandb", path / ".wandb"):
            if folder.is_dir() and any(chain(_local_log_paths(folder), _wandb_folders_without_log(folder))):
                return folder
        return None

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, oldest first."""
        found: dict[str, list[tuple[float, Path]]] = {}
        for log in _local_log_paths(self._path):
            try:
                fold = _read_local_run_record(log)
            except LegmError as error:
                yield unreadable_run(str(log), UNCATEGORIZED, error)
                continue
            if fold is None:
                self.notes.add("logs without a run were left out: nothing was written to them", str(log))
                continue
            found.setdefault(_describe_local_run(fold).key, []).append((fold.started, log))
        for logs in found.values():
            logs.sort()
        self._log_paths = {key: tuple(log for _, log in logs) for key, logs in found.items()}
        for key in sorted(found, key=lambda key: (found[key][0], key)):
            run = self._read_run(key)
            if run is not None:
                yield run
        yield from self._runs_without_logs({key.split("/")[-1] for key in found})

    def groups(self) -> Iterator[RunGroup]:
        """All runs, as one group: which logs belong to one run is only in the logs."""
        path = self._path.absolute()
        files = [path] if path.is_dir() else [path, path.with_name("files")]
        yield RunGroup(str(_local_wandb_cache()), files, self.runs, self._artifact_paths)

    def _artifact_paths(self) -> set[Path]:
        """Where the files of the runs' artifacts are, or may be later."""
        files = chain.from_iterable(
            artifact.files.values() for cached in self._cached.values() for artifact in cached.artifacts
        )
        return {path for file in files for path in _local_folder_paths(file)}

    def _runs_without_logs(self, ids: Collection[str]) -> Iterator[ExternalRun]:
        """The runs of folders without a log.

        Args:
            ids: the ids of the runs with a log, to which such a folder adds nothing.
        """
        for folder in _wandb_folders_without_log(self._path):
            if run_id_in_folder_name(folder) in ids:
                self.notes.add(
                    "folders without their log, of runs that have others, were left out", str(folder)
                )
                continue
            try:
                run = self._read_without_log(folder)
            except LegmError as error:
                yield unreadable_run(str(folder), UNCATEGORIZED, error)
                continue
            if run is not None:
                self._without_log[run.key] = folder
                yield run

    def _read_without_log(self, folder: Path) -> ExternalRun | None:
        found = read_folder_without_log(folder)
        if found is None:
            return None
        run, summary = found
        remark = "runs without their log: only last values are known, and not whether the run failed"
        self.notes.add(remark, str(folder))
        files = partial(run_files_below, folder / "files", self.notes, what="files")
        values = partial(last_values_without_log, summary, run.ended or run.started)
        return convert_wandb_run(run, values, files, files, self.notes)

    def number_of_runs(self) -> int:
        """How many runs have folders; one that was resumed has several."""
        folders = chain(
            (log.parent for log in _local_log_paths(self._path)),
            _wandb_folders_without_log(self._path),
        )
        return len({run_id_in_folder_name(folder) for folder in folders})

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        if key in self._without_log:
            found = self._read_without_log(self._without_log[key])
        else:
            found = self._read_run(key) if key in self._log_paths else None
        if found is None:
            raise StorageError(f"{self.location} no longer has the run {key}")
        return found

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _read_run(self, key: str) -> ExternalRun | None:
        logs = self._log_paths[key]
        try:
            cached = self._read_cached(key, logs)
        except LegmError as error:
            return unreadable_run(key, key.split("/")[-2], error)
        return self._external_run(cached, logs)

    def run_from_fold(self, fold: WandbRunFold, logs: Sequence[Path]) -> ExternalRun | None:
        """The run of logs that a caller reads as they grow, from the records so far."""
        return self._external_run(_cached_local_run((), fold), logs)

    def _external_run(self, cached: _CachedLocalRun, logs: Sequence[Path]) -> ExternalRun | None:
        run = cached.run
        native_logs = [log for log in logs if (log.with_name("files") / portable.RUN_FILE).is_file()]
        if names.RUN_KEY in run.parameters and native_logs:
            logs = (native_logs[-1],)  # legm writes a resumed run from the beginning
        return convert_wandb_run(
            run,
            lambda: self._read_records(logs, cached.definitions),
            lambda: self._all_files(logs, cached),
            lambda: self._saved_files(logs[-1]),
            self.notes,
        )

    def _read_cached(self, key: str, logs: Sequence[Path]) -> _CachedLocalRun:
        """Read the run from its logs, or from the cache if they have not changed."""
        state = tuple(_local_log_state(log) for log in logs)
        cached = self._cached.get(key)
        if cached is None or cached.state != state:
            fold = WandbRunFold(skim=True)
            for _ in self._fold_logs(logs, fold):
                pass
            fold.add_last_row()
            cached = self._cached[key] = _cached_local_run(state, fold)
        return cached

    def _fold_logs(self, logs: Sequence[Path], fold: WandbRunFold) -> Iterator[Points | Display]:
        """Read logs one after the other; yields their numbers and texts in batches."""
        return self._folded(logs, fold, fold.take_new)

    def _folded(
        self, logs: Sequence[Path], fold: WandbRunFold, take: Callable[[], Iterable[T]]
    ) -> Iterator[T]:
        """Read logs one after the other; yields what is taken of the fold, in batches."""
        for number, log in enumerate(logs):
            if number:
                fold.begin_fragment()
            reader = TransactionLogReader(log)
            for count, record in enumerate(reader.new_records()):
                fold.add_record(record)
                if not count % _CHECK_EVERY and fold.pending >= _BATCH:
                    yield from take()
            if reader.unread_bytes:
                self.notes.add("logs that end in the middle of a record were used up to there", str(log))
            if reader.damaged:
                self.notes.add("logs with damaged parts: the records there were left out", str(log))
            if fold.undecoded:
                self.notes.add("logs with values that W&B does not write: these were left out", str(log))
        yield from take()

    def _read_records(self, logs: Sequence[Path], definitions: MetricDefinitions) -> Iterator[WandbRecord]:
        fold = WandbRunFold()
        yield definitions
        yield from self._fold_logs(logs, fold)
        summary = fold.summary
        yield from wandb_summary_numbers(summary, fold.step, fold.ended)
        note_rounded_wandb_run(self.notes, str(logs[-1]), fold.rounded, summary)
        if fold.best is not None:
            yield fold.best

    # Files

    def _saved_files(self, log: Path) -> Iterable[ExternalFile]:
        """The files next to a log; a log that was moved away on its own has none."""
        is_alone = self._path == log and "run-" not in log.absolute().parent.name
        if is_alone:
            return ()
        return run_files_below(
            log.with_name("files"), self.notes, what="files", follow_links=self._follow_links
        )

    def _read_media(
        self, logs: Sequence[Path], cached: _CachedLocalRun
    ) -> tuple[WandbRunFold, list[ExternalFile]]:
        """What the run's files show, and its histograms; the logs are only read where there is something."""
        fold = WandbRunFold()
        if names.RUN_KEY in cached.run.parameters:
            return fold, []
        if not cached.has_histograms and not any((log.with_name("files") / "media").is_dir() for log in logs):
            return fold, []
        return fold, list(histogram_files(self._folded(logs, fold, fold.take_histograms)))

    def _table_media(self, table: ExternalMedium, artifact: FoldedWandbArtifact) -> Iterator[ExternalFile]:
        """The media in the cells of a table, as far as W&B still has them on this machine."""
        paths = {name: _local_artifact_path(one.path, one.digest) for name, one in artifact.files.items()}
        for name, path in paths.items():
            if not name.endswith(".table.json") or path is None:
                continue
            try:
                content = read_within_size_limit(path, MOST_TABLE_BYTES, "Its media are left out.")
                found = list(wandb_media_in_table(content, table))
            except (LegmError, ValueError, RecursionError) as error:
                self.notes.add(f"tables whose media cannot be read: {error}", f"{artifact.name}/{name}")
                continue
            for inner, medium in found:
                file = paths.get(inner)
                if file is None:
                    self.notes.add("media of tables that are no longer on this machine", medium.name)
                else:
                    yield ExternalFile.from_path(inner, file, medium)

    def _all_files(self, logs: Sequence[Path], cached: _CachedLocalRun) -> Iterator[ExternalFile]:
        """The files of the run, with those of later fragments first, and the files of its artifacts."""
        taken = set()
        fold, histograms = self._read_media(logs, cached)
        media = fold.media
        for number, log in reversed([*enumerate(logs)]):
            for file in self._saved_files(log):
                name = file.name if file.name not in taken else f"fragments/{number}/{file.name}"
                taken.add(name)
                if name not in media:
                    yield replace(file, name=name)
        shown = {file.name: file for log in logs for file in self._saved_files(log) if file.name in media}
        by_id = {one.client_id: one for one in cached.artifacts if one.client_id}
        for name, media_of_file in media.items():  # in the order in which they were logged
            for medium in media_of_file:
                if name in shown:
                    yield replace(shown[name], medium=medium)
                artifact = by_id.get(fold.table_artifacts.get(name, ""))
                if medium.kind is MediaKind.TABLE and artifact is not None:
                    yield from self._table_media(medium, artifact)
        yield from histograms
        versions: dict[str, int] = {}
        for artifact in cached.artifacts:
            if artifact.type.startswith(INTERNAL_ARTIFACT_TYPES):
                continue
            version = versions[artifact.name] = versions.get(artifact.name, -1) + 1
            label = f"{artifact.name}:v{version}"
            for name, one in artifact.files.items():
                path = _local_artifact_path(one.path, one.digest)
                if one.is_reference:
                    self.notes.add("references to external files in artifacts are not imported", label)
                elif path is None:
                    self.notes.add("files of artifacts that are no longer on this machine", label)
                else:
                    yield ExternalFile.from_path(f"{label}/{name}", path)


def _describe_local_run(fold: WandbRunFold) -> ExternalWandbRun:
    status, error = convert_wandb_exit_code(fold.exit_code)
    artifacts = [one.origin for one in fold.artifacts if not one.type.startswith(INTERNAL_ARTIFACT_TYPES)]
    origin = {**fold.origin, "sweep": fold.sweep, "artifacts": artifacts}
    return ExternalWandbRun(
        run_id=fold.run_id,
        project=fold.project,
        entity=fold.entity,
        name=fold.name,
        group=fold.group,
        job_type=fold.job_type,
        notes=fold.notes,
        tags=fold.tags,
        status=status,
        error=error,
        started=fold.started,
        ended=fold.ended if fold.exit_code is not None else None,
        parameters=fold.parameters,
        summary=fold.summary,
        origin={"host": fold.host, **origin},
    )


def _local_log_paths(path: Path) -> Iterator[Path]:
    """The logs at a path, in it, or in its subfolders, sorted; links are left out."""
    if path.is_file():
        yield path
        return
    for pattern in ("run-*.wandb", "*run-*/run-*.wandb"):
        for log in sorted(path.glob(pattern)):
            if log.is_file() and not log.is_symlink() and not log.parent.is_symlink():
                yield log


def _wandb_folders_without_log(path: Path) -> Iterator[Path]:
    """The folders of runs at a path, or in it, that have files but no log; links are left out."""
    if path.is_file():
        return
    for folder in (path, *sorted(path.glob("*run-*"))):
        if (
            run_id_in_folder_name(folder) is not None
            and any((folder / "files" / name).is_file() for name in FILES_OF_RUN)
            and not folder.is_symlink()
            and not any(folder.glob("run-*.wandb"))
        ):
            yield folder


def _read_local_run_record(log: Path) -> WandbRunFold | None:
    """What is known about a run at its start; None if the log contains no run."""
    fold = WandbRunFold()
    for record in TransactionLogReader(log).new_records():
        if record.WhichOneof("record_type") == "run":
            fold.add_record(record)
            return fold
    return None


def _local_log_state(log: Path) -> tuple[int, int]:
    try:
        found = log.stat()
    except OSError:
        return (0, 0)
    return found.st_size, found.st_mtime_ns


def _local_artifact_path(path: str, digest: str) -> Path | None:
    """The path of an artifact's file in W&B's staging folder or cache; files elsewhere are never read."""
    staged = Path(path)
    if staged.is_absolute() and staged.is_file():
        location = resolved_path(staged)
        return location if location.parts[-3:-1] == _STAGING else None
    cached = _local_cached_path(digest)
    return cached if cached is not None and cached.is_file() and not cached.is_symlink() else None


def _local_folder_paths(file: FoldedFile) -> Iterator[Path]:
    """Where :func:`_local_artifact_path` looks for an artifact's file."""
    if Path(file.path).is_absolute() and Path(file.path).parts[-3:-1] == _STAGING:
        yield Path(file.path)
    cached = _local_cached_path(file.digest)
    if cached is not None:
        yield cached


def _local_cached_path(digest: str) -> Path | None:
    """Where W&B's cache has the file with a digest; None for what is none."""
    try:
        name = b64decode(digest, validate=True).hex()
    except (binascii.Error, ValueError):
        return None
    return _local_wandb_cache() / "artifacts" / "obj" / "md5" / name[:2] / name[2:] if name else None


def _local_wandb_cache() -> Path:
    return Path(os.environ.get("WANDB_CACHE_DIR") or Path.home() / ".cache" / "wandb")
