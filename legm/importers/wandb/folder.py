"""The folders that W&B keeps on a machine, read without W&B.

::

    wandb/offline-run-20260131_101502-<id>/run-<id>.wandb     the log, which has everything but files
                                           files/             media, saved files, code, the console
    wandb/run-20260131_101502-<id>/                           the same, of a run that a server has too

A run that W&B went on with, or began again under its id, has several folders: its fragments.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from legm.errors import LegmError, StorageError
from legm.importers.external import ExternalFile, ExternalRun, unreadable_run
from legm.importers.files import files_below
from legm.importers.notes import Notes
from legm.importers.wandb.external_run import (
    INTERNAL_ARTIFACT_TYPES,
    UNCATEGORIZED,
    WandbRun,
    external_run,
    status_from_exit_code,
    summary_numbers,
)
from legm.importers.wandb.log import LogReader
from legm.importers.wandb.run_fold import LoggedArtifact, RunFold
from legm.records import BestRule, Display, Points

__all__ = ["WandbFolderSource"]

_BATCH = 1 << 16  # numbers and texts that are given at once, and a little more
_CHECK_EVERY = 256  # records


@dataclass(frozen=True, slots=True)
class _CachedRun:
    """A run that was read, and the sizes and times of its logs then."""

    state: tuple[tuple[int, int], ...]
    told: WandbRun
    artifacts: tuple[LoggedArtifact, ...]


class WandbFolderSource:
    """The runs in W&B's folders.

    Args:
        path: the folder ``wandb``, the folder of one run, or one log.
        deleted: means nothing here: what is deleted is gone.
        follows: whether a run's links to files elsewhere stand for these, which a script saved just now.
    """

    kind = "wandb"

    def __init__(self, path: Path, *, deleted: bool = False, follow_links: bool = False) -> None:  # noqa: ARG002
        self._path = path
        self._follow_links = follow_links
        self.location = str(path)
        self.notes = Notes()
        self._log_paths: dict[str, tuple[Path, ...]] = {}  # by key
        self._cached: dict[str, _CachedRun] = {}

    @staticmethod
    def find_store(path: Path) -> Path | None:
        """W&B's folder at a path, or in it; the folder of a run; a log."""
        if path.is_file():
            return path if path.suffix == ".wandb" else None
        for folder in (path, path / "wandb", path / ".wandb"):
            if folder.is_dir() and next(_log_paths(folder), None) is not None:
                return folder
        return None

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, oldest first."""
        found: dict[str, list[tuple[float, Path]]] = {}
        for log in _log_paths(self._path):
            try:
                told = _read_run_record(log)
            except LegmError as error:
                yield unreadable_run(str(log), UNCATEGORIZED, error)
                continue
            if told is None:
                self.notes.add("logs without a run were left out: nothing of it was written", str(log))
                continue
            found.setdefault(_describe(told).key, []).append((told.started, log))
        for logs in found.values():
            logs.sort()
        self._log_paths = {key: tuple(log for _, log in logs) for key, logs in found.items()}
        for key in sorted(found, key=lambda key: (found[key][0], key)):
            run = self._read_run(key)
            if run is not None:
                yield run

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        found = self._read_run(key) if key in self._log_paths else None
        if found is None:
            raise StorageError(f"{self.location} has no run {key} any more")
        return found

    def close(self) -> None:
        """Nothing is held."""

    def _read_run(self, key: str) -> ExternalRun | None:
        logs = self._log_paths[key]
        try:
            cached = self._read_cached(key, logs)
        except LegmError as error:
            return unreadable_run(key, key.split("/")[-2], error)
        return self._external_run(cached, logs)

    def run_from_fold(self, told: RunFold, logs: Sequence[Path]) -> ExternalRun | None:
        """The run of logs that somebody reads as they grow, by what they have said so far."""
        return self._external_run(_CachedRun((), _describe(told), tuple(told.artifacts)), logs)

    def _external_run(self, cached: _CachedRun, logs: Sequence[Path]) -> ExternalRun | None:
        told = cached.told
        native_logs = [log for log in logs if log.with_name("files").joinpath("legm", "run.json").is_file()]
        if "legm_run" in told.parameters and native_logs:
            logs = (native_logs[-1],)  # legm writes a run that goes on anew
        return external_run(
            told,
            lambda: self._read_records(logs),
            lambda: self._all_files(logs, cached),
            lambda: self._saved_files(logs[-1]),
            self.notes,
        )

    def _read_cached(self, key: str, logs: Sequence[Path]) -> _CachedRun:
        """What the logs say of the run, read again only where they changed."""
        state = tuple(_log_state(log) for log in logs)
        cached = self._cached.get(key)
        if cached is None or cached.state != state:
            told = RunFold(skim=True)
            for _ in self._fold_logs(logs, told):
                pass
            told.add_last_row()
            if told.has_statistics:
                self.notes.add("measurements of the machine (system metrics) are not taken", key)
            cached = _CachedRun(state, _describe(told), tuple(told.artifacts))
            self._cached[key] = cached
        return cached

    def _fold_logs(self, logs: Sequence[Path], told: RunFold) -> Iterator[Points | Display]:
        """Read logs, one after the other; their numbers and texts in batches."""
        for number, log in enumerate(logs):
            if number:
                told.begin_fragment()
            reader = LogReader(log)
            for count, record in enumerate(reader.new_records()):
                told.add_record(record)
                if not count % _CHECK_EVERY and told.pending >= _BATCH:
                    yield from told.take_new()
            if reader.unread_bytes:
                self.notes.add(
                    "logs that end in the middle of a record: they were used as far as they go", str(log)
                )
            if reader.damaged:
                self.notes.add("logs with damaged places: the records there were left out", str(log))
            if told.undecoded:
                self.notes.add("logs with values that are no values of W&B's: these were left out", str(log))
        yield from told.take_new()

    def _read_records(self, logs: Sequence[Path]) -> Iterator[Points | Display | BestRule]:
        told = RunFold()
        yield from self._fold_logs(logs, told)
        yield from summary_numbers(told.summary, told.step, told.ended)
        if told.best is not None:
            yield told.best

    # Files

    def _saved_files(self, log: Path) -> Iterable[ExternalFile]:
        """The files that belong to a log; one that was moved away alone has none beside it."""
        is_alone = self._path == log and "run-" not in log.absolute().parent.name
        if is_alone:
            return ()
        return files_below(log.with_name("files"), self.notes, what="files", follow_links=self._follow_links)

    def _all_files(self, logs: Sequence[Path], cached: _CachedRun) -> Iterator[ExternalFile]:
        """The files of the run, a later fragment's in place of an earlier one's, and of its artifacts."""
        names = set()
        for number, log in reversed([*enumerate(logs)]):
            for file in self._saved_files(log):
                name = file.name if file.name not in names else f"fragments/{number}/{file.name}"
                names.add(name)
                yield replace(file, name=name)
        versions: dict[str, int] = {}
        for artifact in cached.artifacts:
            if artifact.type.startswith(INTERNAL_ARTIFACT_TYPES):
                continue
            version = versions[artifact.name] = versions.get(artifact.name, -1) + 1
            label = f"{artifact.name}:v{version}"
            for name, one in artifact.files.items():
                path = _artifact_file_path(one.path, one.digest)
                if one.is_reference:
                    self.notes.add("references to files elsewhere, in artifacts, are not taken", label)
                elif path is None:
                    self.notes.add("files of artifacts that are not on this machine (any more)", label)
                else:
                    yield ExternalFile.from_path(f"{label}/{name}", path)


def _describe(told: RunFold) -> WandbRun:
    status, error = status_from_exit_code(told.exit_code)
    artifacts = [
        {"name": one.name, "type": one.type, "aliases": list(one.aliases)}
        for one in told.artifacts
        if not one.type.startswith(INTERNAL_ARTIFACT_TYPES)
    ]
    origin = {**told.origin, "sweep": told.sweep, "artifacts": artifacts}
    return WandbRun(
        run_id=told.run_id,
        project=told.project,
        entity=told.entity,
        name=told.name,
        group=told.group,
        job_type=told.job_type,
        notes=told.notes,
        tags=told.tags,
        status=status,
        error=error,
        started=told.started,
        ended=told.ended if told.exit_code is not None else None,
        parameters=told.parameters,
        summary=told.summary,
        origin={"host": told.host, **origin},
    )


def _log_paths(path: Path) -> Iterator[Path]:
    """The logs at a path: itself, or in the folder, or in the folders in it, sorted; links are left out."""
    if path.is_file():
        yield path
        return
    for pattern in ("run-*.wandb", "*run-*/run-*.wandb"):
        for log in sorted(path.glob(pattern)):
            if log.is_file() and not log.is_symlink() and not log.parent.is_symlink():
                yield log


def _read_run_record(log: Path) -> RunFold | None:
    """What is known of a run when it begins; None where there is no run in the log."""
    told = RunFold()
    for record in LogReader(log).new_records():
        if record.WhichOneof("record_type") == "run":
            told.add_record(record)
            return told
    return None


def _log_state(log: Path) -> tuple[int, int]:
    try:
        found = log.stat()
    except OSError:
        return (0, 0)
    return found.st_size, found.st_mtime_ns


def _artifact_file_path(path: str, digest: str) -> Path | None:
    """Where a file of an artifact is: where W&B staged it, or in its cache, never elsewhere."""
    staged = Path(path)
    if staged.is_absolute() and staged.is_file():
        location = staged.resolve()
        return location if location.parts[-3:-1] == ("artifacts", "staging") else None
    try:
        name = b64decode(digest, validate=True).hex()
    except (binascii.Error, ValueError):
        return None
    cache = os.environ.get("WANDB_CACHE_DIR") or Path.home() / ".cache" / "wandb"
    cached = Path(cache) / "artifacts" / "obj" / "md5" / name[:2] / name[2:]
    return cached if name and cached.is_file() and not cached.is_symlink() else None
