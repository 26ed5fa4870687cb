"""The run logs in a configuration's folder.

They are in the subfolder ``runs``: ``<run id>.log`` once a log is finalized, that is, once its run has
ended and every backend has all of it. Until then it is pending, and in the subfolder ``runs/open``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from legm.core.rewinding import without_rewound
from legm.errors import CorruptFile, ParameterError, StorageError, closest, storage_error
from legm.records import Configuration, Media, Plain, Run, RunResult, Status, is_record_file_name
from legm.runlog import log_frames, log_reader, log_writer
from legm.runlog.configuration_folders import (
    artifacts_folder,
    configuration_folders,
    configuration_paths,
    experiment_paths,
    is_configuration_folder,
    refuse_folder_links,
)
from legm.runlog.file_names import (
    LOCK_FILE,
    LOG_SUFFIX,
    MARKS_SUFFIX,
    MEDIA,
    OPEN,
    OWN_FOLDER,
    RUNS,
    log_file_name,
)
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.trashed import in_trash_text
from legm.util.atomic_files import delete_folder

__all__ = [
    "LogFolder",
    "find_logs",
    "find_pending_logs",
    "find_run_log",
    "has_only_finalized_logs_of",
    "read_result_from_log",
    "results_only_in_log_folder",
    "results_resumed_in_log_folder",
]

log = logging.getLogger(__name__)


def find_logs(root: Path) -> list[Path]:
    """All logs in a root directory, of backends with and without folders."""
    found = (
        root / experiment / name
        for experiment in experiment_paths(root)
        for name in configuration_paths(root / experiment)
    )
    folders = [*root.glob(f"{OWN_FOLDER}/*/*"), *found]
    return [path for folder in folders for path in LogFolder.of(folder).logs_except(())]


def find_pending_logs(root: Path) -> list[Path]:
    """The pending logs in a root directory, of backends with and without folders, sorted by path."""
    logs = f"*/*/{RUNS}/{OPEN}/*{LOG_SUFFIX}"
    own = root.glob(f"{OWN_FOLDER}/{logs}")
    moved = (
        path
        for experiment in experiment_paths(root)
        for name in configuration_paths(root / experiment)
        if "/" in experiment or "/" in name
        for path in LogFolder.of(root / experiment / name).pending_logs()
    )
    return sorted([*own, *root.glob(logs), *moved])


def find_run_log(root: Path, run: str) -> Path:
    """The log of the run that a text names: one rule for every command that takes a run.

    Args:
        root: the root directory.
        run: the run's id, or the end of it; or the path of a root directory, an experiment's or a
            configuration's folder with that behind it; or a configuration's folder, for its newest run.

    Raises:
        ParameterError: no run has this id, or several do; or the configuration has none.
    """
    if run and is_configuration_folder(run):
        newest = sorted(LogFolder.of(Path(run)).logs_except(()), key=lambda path: path.stem)
        if not newest:
            raise ParameterError(f"the configuration {run} has no run")
        return newest[-1]
    path = Path(run)
    if path.name != run and path.parent.is_dir():
        root, run = path.parent, path.name
    logs = {path.stem: path for path in find_logs(root)}
    for folder in configuration_folders(root):
        logs |= {path.stem: path for path in LogFolder.of(folder).logs_except(())}
    found = [run_id for run_id in logs if run and run_id.endswith(run)]
    if len(found) != 1:
        if not found and (trashed := in_trash_text(root / run)):
            raise ParameterError(f"there is no run {run!r}: {trashed}")
        several = f"{len(found)} runs have ids that end in {run!r}" if found else f"there is no run {run!r}"
        raise ParameterError(f"{several}; {closest(run, found or logs)}")
    return logs[found[0]]


class LogFolder:
    """The run logs of one configuration.

    Args:
        folder: the folder of the logs; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.set_folder(folder)

    def set_folder(self, folder: Path) -> None:
        """Take the logs of another folder, where a user moved it."""
        self.folder = folder

    @property
    def open_folder(self) -> Path:
        """The folder of the pending logs."""
        return self.folder / OPEN

    @property
    def lock(self) -> Path:
        """The lock file for decisions about all runs of the configuration."""
        return self.folder / LOCK_FILE

    @staticmethod
    def of(folder: Path) -> LogFolder:
        """The logs of the configuration with this folder."""
        return LogFolder(folder / RUNS)

    @staticmethod
    def containing(path: Path) -> LogFolder:
        """The logs that include the one at this path."""
        folder = path.parent
        return LogFolder(folder.parent if folder.name == OPEN else folder)

    def is_open(self, path: Path) -> bool:
        """Whether the log at a path is pending."""
        return path.parent == self.open_folder

    def pending_path(self, run_id: str) -> Path:
        """The path of a run's log while it is pending."""
        return self.open_folder / log_file_name(run_id)

    def finalized_path(self, run_id: str) -> Path:
        """The path of a run's log once it is finalized."""
        return self.folder / log_file_name(run_id)

    def create_folders(self) -> None:
        """Create the folders if they do not exist.

        Raises:
            StorageError: they cannot be created, or one is a link.
        """
        refuse_folder_links(self.folder, self.open_folder)
        try:
            self.open_folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("create the folder", self.open_folder, cause) from cause

    def create_log(
        self, run: Run, backends: Mapping[str, Mapping[str, Plain]], content: Iterable[bytes] = ()
    ) -> log_writer.LogWriter:
        """Create the log of a new run.

        Args:
            run: the run.
            backends: by name, the options of each backend that the run is delivered to.
            content: the frames of a run that already has records, such as an imported one.

        Returns:
            the writer of the pending log.

        Raises:
            StorageError: the folder cannot be written.
        """
        self.create_folders()
        # It is moved to open/ once it has its run: a process killed before that leaves no log without a run.
        # Creating it here first changes this folder's modification time, which shows that there is a new log.
        fresh = self.folder / f"{run.run_id}.new"
        if fresh.exists() and not log_writer.logs_being_written([fresh]):  # left by a process that was killed
            fresh.unlink(missing_ok=True)
        writer = log_writer.LogWriter(fresh, create=True)
        try:
            writer.append(log_frames.run_frame(run), log_frames.backends_frame(backends))
            for frame in content:
                writer.append(frame)
            writer.move(self.pending_path(run.run_id))
        except BaseException:
            writer.close()
            writer.path.unlink(missing_ok=True)
            raise
        return writer

    def finalize_log(self, writer: log_writer.LogWriter) -> None:
        """Move a log out of ``open/``: its run has ended and is completely delivered.

        Raises:
            StorageError: it cannot be moved.
        """
        writer.move(self.folder / writer.path.name)

    def reopen_log(self, writer: log_writer.LogWriter) -> None:
        """Move a finalized log back to ``open/``: its run is resumed.

        Raises:
            StorageError: it cannot be moved.
        """
        writer.move(self.open_folder / writer.path.name)

    def delete_log(self, run_id: str) -> None:
        """Delete the log of a run and what is noted about it, even while another process moves it.

        Raises:
            StorageError: it cannot be deleted.
        """
        for path in (*self._paths(log_file_name(run_id)), *self._paths(f"{run_id}{MARKS_SUFFIX}")):
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise storage_error("delete", path, cause) from cause

    def delete_run_files(self, run_id: str) -> None:
        """Delete the artifacts of a run and its log, the log last.

        Raises:
            StorageError: they cannot be deleted.
        """
        folder = artifacts_folder(self.folder.parent, run_id)
        refuse_folder_links(folder.parent, folder)
        delete_folder(folder)
        self.delete_log(run_id)

    def pending_logs(self) -> list[Path]:
        """The paths of the pending logs, oldest first."""
        folder = self.open_folder
        return [folder / name for name in sorted(_log_folder_log_names(folder))]

    def has_pending_logs(self) -> bool:
        """Whether a log is pending."""
        return bool(_log_folder_log_names(self.open_folder))

    def logs_except(self, run_ids: Iterable[str]) -> list[Path]:
        """The paths of all logs except those of some runs, oldest first.

        A log that another process moves at this moment is included.

        Args:
            run_ids: the ids of the runs to leave out.
        """
        folders: dict[str, Path] = {}
        for folder in (self.open_folder, self.folder, self.open_folder):
            folders |= dict.fromkeys(_log_folder_log_names(folder), folder)
        names = set(folders).difference(map(log_file_name, run_ids))
        return [folders[name] / name for name in sorted(names)]

    def _paths(self, name: str) -> Iterator[Path]:
        """The possible paths of a log, in an order that also finds one that is moved meanwhile."""
        if not is_record_file_name(name):  # a run id that was read from a file made by others
            return
        for folder in (self.open_folder, self.folder, self.open_folder):
            yield folder / name

    def find(self, run_id: str) -> Path | None:
        """The path of a run's log; None if there is none."""
        return next((path for path in self._paths(log_file_name(run_id)) if path.is_file()), None)

    def read(self, run_id: str) -> log_reader.Log | None:
        """Read the log of a run, even while another process moves it; None if there is none.

        Raises:
            CorruptFile: it is damaged.
            StorageError: it cannot be read.
        """
        found = self.follow(self.pending_path(run_id))
        return None if found is None else found[0]

    def media(self, run_id: str) -> list[Media]:
        """The media of a run, without those that a rewind made void, in the order they were logged.

        The log is only read where the run has a folder of media.

        Raises:
            CorruptFile: the log is damaged.
            StorageError: it cannot be read.
        """
        if not (artifacts_folder(self.folder.parent, run_id) / MEDIA).is_dir():
            return []
        known = self.read(run_id)
        records = [] if known is None else without_rewound(known.records)
        return [record for record in records if isinstance(record, Media)]

    def follow(
        self, path: Path, read: Callable[[Path], log_reader.Log] = read_log_in_pieces
    ) -> tuple[log_reader.Log, Path] | None:
        """Read a log that may have been moved.

        Args:
            path: where it was.
            read: what reads it: all of it, or its head.

        Returns:
            its content, and its path when it was read; None if it does not exist any more.

        Raises:
            CorruptFile: it is damaged.
            StorageError: it cannot be read.
        """
        for candidate in (path, *self._paths(path.name)):
            try:
                return read(candidate), candidate
            except StorageError:  # includes damage
                if candidate.exists():
                    raise
        return None

    def read_run_status(self, path: Path) -> tuple[Run, Status] | None:
        """The run and status in a log.

        Args:
            path: the log, which may have been moved.

        Returns:
            None if nobody knows whose log it is, or it does not exist any more.

        Raises:
            StorageError: the log cannot be read.
        """
        is_live = any(log_writer.is_log_locked(candidate) for candidate in {path, *self._paths(path.name)})
        try:
            found = self.follow(path)
        except CorruptFile as error:
            log.error("%s", error)  # noqa: TRY400
            intact = log_reader.read_intact_log(error.path)
            if intact is None:
                return None
            known = intact[0]
        else:
            if found is None:
                return None
            known = found[0]
        from legm.core.results import result_outcome  # needs NumPy, as reading the log does

        outcome = result_outcome(known.records)
        status = Status.RUNNING if is_live else Status.INTERRUPTED
        return known.run, status if outcome is None else outcome.status


def has_only_finalized_logs_of(
    configuration_folder: str, run_ids: Iterable[str], files: list[str] | None = None
) -> bool:
    """Whether no log of a configuration is pending, and each is that of one of these runs.

    Args:
        configuration_folder: the configuration's; a text, which is quicker where thousands are asked for.
        run_ids: the ids of the runs.
        files: takes the names of all files beside the finalized logs, where no log is pending.
    """
    folder = f"{configuration_folder}/{RUNS}"
    pending = f"{folder}/{OPEN}"  # asked in the order of :meth:`LogFolder.logs_except`
    if _log_folder_log_names(pending):
        return False
    here = _log_folder_files(folder)
    if files is not None:
        files += here
    names, found = set(map(log_file_name, run_ids)), {name for name in here if name.endswith(LOG_SUFFIX)}
    # None of these was moved meanwhile where all are here.
    return found == names or (found < names and not _log_folder_log_names(pending))


def _log_folder_log_names(folder: Path | str) -> list[str]:
    return [name for name in _log_folder_files(folder) if name.endswith(LOG_SUFFIX)]


def _log_folder_files(folder: Path | str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - faster than Path's
    except OSError:  # the folder does not exist or is not readable
        return []


def results_only_in_log_folder(
    logs: LogFolder,
    known: Iterable[str],
    configuration: Configuration | None = None,
    damaged: list[Path] | None = None,
) -> list[RunResult]:
    """The results of the runs that only have a log: running, failed, interrupted or not delivered yet.

    A completed run with a finalized log that the backend does not have was deleted by a user and is left out.

    Args:
        logs: the logs of a configuration.
        known: the ids of the runs that the backend has.
        configuration: whose runs they are, where a log is too damaged to say it.
        damaged: takes the paths of damaged logs, of which what is intact is read.
    """
    paths = logs.logs_except(known)
    # Asked before reading: of a log whose writer has ended, everything is there.
    being_written = log_writer.logs_being_written(paths, recent=log_writer.RECENTLY)
    damaged = [] if damaged is None else damaged
    results = (
        (path, read_result_from_log(path, live=path in being_written, of=configuration, damaged=damaged))
        for path in paths
    )
    return [
        found
        for path, found in results
        if found is not None and (found.status is not Status.COMPLETED or logs.is_open(path))
    ]


def results_resumed_in_log_folder(logs: LogFolder, known: Iterable[str]) -> list[RunResult]:
    """The results of runs that were resumed after they were logged, and whose process died.

    The backend still has them as they were logged, until they are finalized.

    Args:
        logs: the logs of a configuration.
        known: the ids of the runs that the backend has as completed.
    """
    ids = set(known)
    paths = [path for path in logs.pending_logs() if path.stem in ids]
    being_written = log_writer.logs_being_written(paths, recent=log_writer.RECENTLY)
    found = (read_result_from_log(path, live=path in being_written) for path in paths)
    return [one for one in found if one is not None and one.status is not Status.COMPLETED]


def read_result_from_log(
    path: Path, *, live: bool, of: Configuration | None = None, damaged: list[Path] | None = None
) -> RunResult | None:
    """The result of a run so far, from its log.

    Args:
        path: the log, which may have been moved.
        live: whether a process is writing it.
        of: the configuration whose run it is, where a log is too damaged to say it.
        damaged: takes the path of a damaged log, of which what is intact is then read. Such a run does not
            count as completed where values may be missing, and the damage is in its error.

    Returns:
        None if the log cannot be read or does not exist any more.
    """
    from legm.core import results  # needs NumPy

    try:
        found = LogFolder.containing(path).follow(path)
    except StorageError as error:  # includes damage
        log.error("%s", error)  # noqa: TRY400
        if damaged is None or not isinstance(error, CorruptFile):
            return None
        damaged.append(error.path)
        return _intact_result(error.path, live=live, configuration=of)
    if found is None:  # deleted in the meantime
        return None
    known, now = found
    is_running = live or (now != path and log_writer.is_log_locked(now))
    return results.run_result(known.run, known.records, Status.RUNNING if is_running else Status.INTERRUPTED)


def _intact_result(path: Path, *, live: bool, configuration: Configuration | None) -> RunResult | None:
    """The result of a run as far as its damaged log has it."""
    from legm.core import results  # needs NumPy

    try:
        found = log_reader.read_intact_log(path, configuration)
    except StorageError as error:
        log.error("%s", error)  # noqa: TRY400
        return None
    if found is None:
        return None
    known, damage = found
    result = results.run_result(known.run, known.records, Status.RUNNING if live else Status.INTERRUPTED)
    return replace(result, error="; ".join([*([result.error] if result.error else []), *map(str, damage)]))
