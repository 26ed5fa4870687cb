"""A configuration's folder: the names of what legm puts into it, and its run logs.

The logs are in the subfolder ``runs``: ``<run id>.log``, and below ``open`` those whose run is still
running, or that a backend has not received whole.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from legm.errors import CorruptFile, StorageError, storage_error
from legm.records import Outcome, Plain, Run, RunResult, Status
from legm.runlog import format as runlog

__all__ = [
    "AGGREGATES_FILE",
    "ARTIFACTS",
    "METRICS_FILE",
    "OWN_FOLDER",
    "PARAMETERS_FILE",
    "PLOTS",
    "RUNS",
    "STEPS_FILE",
    "TENSORBOARD",
    "LogFolder",
    "artifacts_folder",
    "logged",
    "pending_logs",
    "unfinished",
]

log = logging.getLogger(__name__)

PARAMETERS_FILE = "params.yml"
"""What makes a folder a configuration's."""
METRICS_FILE = "metrics.yml"
STEPS_FILE = "steps.yml"
AGGREGATES_FILE = "aggregated_metrics.yml"
PLOTS = "plots"
TENSORBOARD = "tensorboard"
RUNS = "runs"
"""The run logs of a configuration."""
ARTIFACTS = "artifacts"
"""The files that were given to runs, in a folder for each."""
OWN_FOLDER = ".legm"
"""Below an experiment's folder what only legm reads; below a root directory the folders of configurations
whose backend has none."""

_OPEN = "open"


def artifacts_folder(folder: Path, run_id: str) -> Path:
    """Where a run's files are, below its configuration's folder."""
    return folder / ARTIFACTS / run_id


def pending_logs(root: Path) -> list[Path]:
    """The logs below a root directory that are not settled, of backends with folders and without."""
    own = root.glob(f"{OWN_FOLDER}/*/*/{RUNS}/{_OPEN}/*.log")
    return sorted([*own, *root.glob(f"*/*/{RUNS}/{_OPEN}/*.log")])


class LogFolder:
    """The run logs of one configuration: ``<run id>.log``, and below ``open/`` those not settled yet.

    A log is settled when its run ended and the backend has all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open_folder = folder / _OPEN
        self.lock = folder / ".lock"
        """The lock file of what is decided over all runs of the configuration."""

    @staticmethod
    def of(folder: Path) -> LogFolder:
        """The logs in a configuration's folder."""
        return LogFolder(folder / RUNS)

    @staticmethod
    def holding(path: Path) -> LogFolder:
        """The logs of which one is at a path."""
        folder = path.parent
        return LogFolder(folder.parent if folder.name == _OPEN else folder)

    def is_open(self, path: Path) -> bool:
        """Whether a log is below ``open/``."""
        return path.parent == self.open_folder

    def make(self) -> None:
        """Make the folders.

        Raises:
            StorageError: they cannot be made.
        """
        try:
            self.open_folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("make the folder", self.open_folder, cause) from cause

    def create(
        self, run: Run, places: Mapping[str, Mapping[str, Plain]], content: Iterable[bytes] = ()
    ) -> runlog.LogWriter:
        """The log of a new run.

        Args:
            run: the run.
            places: by backend that it goes to, what makes it again.
            content: frames that it has from the beginning, for a run that comes from elsewhere.

        Raises:
            StorageError: the folder cannot be written.
        """
        self.make()
        # It gets its place when it says whose it is: a process killed in between leaves no log without a run.
        # That it was here first shows in this folder's time that there is a new one.
        fresh = self.folder / f"{run.run_id}.new"
        if fresh.exists() and not runlog.being_written([fresh]):  # of a process that was killed
            fresh.unlink(missing_ok=True)
        writer = runlog.LogWriter(fresh, create=True)
        try:
            writer.append(runlog.run_frame(run), runlog.backends_frame(places))
            for frame in content:
                writer.append(frame)
            writer.move(self.open_folder / f"{run.run_id}.log")
        except BaseException:
            writer.close()
            writer.path.unlink(missing_ok=True)
            raise
        return writer

    def settle(self, writer: runlog.LogWriter) -> None:
        """The run is done with, for now."""
        writer.move(self.folder / writer.path.name)

    def reopen(self, writer: runlog.LogWriter) -> None:
        """The run goes on after all."""
        writer.move(self.open_folder / writer.path.name)

    def remove(self, run_id: str) -> None:
        """Remove the log of a run that is taken out, also one that is moved at this moment.

        Raises:
            StorageError: it cannot be removed.
        """
        for path in self._paths(f"{run_id}.log"):
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise storage_error("remove", path, cause) from cause

    def pending(self) -> list[Path]:
        """The logs below ``open/``, oldest first."""
        return [self.open_folder / name for name in sorted(_logs_in(self.open_folder))]

    def others(self, known: Iterable[str]) -> list[Path]:
        """Every log but those of runs with these ids, oldest first; also one that is moved at this moment."""
        folders: dict[str, Path] = {}
        for place in (self.open_folder, self.folder, self.open_folder):
            folders |= dict.fromkeys(_logs_in(place), place)
        names = set(folders).difference(f"{run_id}.log" for run_id in known)
        return [folders[name] / name for name in sorted(names)]

    def _paths(self, name: str) -> Iterator[Path]:
        """Where a log may be; whoever goes through them meets also one that is moved meanwhile."""
        for folder in (self.open_folder, self.folder, self.open_folder):
            yield folder / name

    def find(self, run_id: str) -> Path | None:
        """The log of a run; None where there is none."""
        return next((path for path in self._paths(f"{run_id}.log") if path.is_file()), None)

    def read(self, run_id: str) -> runlog.Log | None:
        """What the log of a run holds, also one that is moved at this moment; None where there is none.

        Raises:
            CorruptFile, StorageError: it cannot be read.
        """
        found = self.follow(self.open_folder / f"{run_id}.log")
        return None if found is None else found[0]

    def follow(self, path: Path) -> tuple[runlog.Log, Path] | None:
        """What a log holds, and where it was then; None where it is nowhere any more."""
        for place in (path, *self._paths(path.name)):
            try:
                return runlog.read(place), place
            except StorageError:  # damage too
                if place.exists():
                    raise
        return None

    def status_of(self, path: Path) -> tuple[Run, Status] | None:
        """Whose a log is and how far its run has come, by the log alone; None where it tells nothing.

        Raises:
            StorageError: the log cannot be read.
        """
        is_live = any(runlog.is_locked(place) for place in {path, *self._paths(path.name)})
        try:
            found = self.follow(path)
        except CorruptFile as error:
            log.error("%s", error)  # noqa: TRY400
            return None
        if found is None:
            return None
        known = found[0]
        outcomes = [record.status for record in known.records if isinstance(record, Outcome)]
        status = Status.RUNNING if is_live else Status.INTERRUPTED
        return known.run, outcomes[-1] if outcomes else status


def _logs_in(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(".log")]  # noqa: PTH208 - quicker than Path's
    except OSError:  # no such folder, or none that we may read
        return []


def unfinished(logs: LogFolder, known: Iterable[str]) -> list[RunResult]:
    """The results of runs of which only the log knows: running, failed, interrupted, not stored yet.

    A settled run that was completed and that the backend does not know was taken out by a person.

    Args:
        logs: a configuration's.
        known: the ids of runs that the backend knows.
    """
    paths = logs.others(known)
    # Asked first: of a writer that is gone everything it wrote is there.
    being_written = runlog.being_written(paths)
    results = ((path, logged(path, live=path in being_written)) for path in paths)
    return [
        found
        for path, found in results
        if found is not None and (found.status is not Status.COMPLETED or logs.is_open(path))
    ]


def logged(path: Path, *, live: bool) -> RunResult | None:
    """What a run came to so far, by its log; None where that cannot be read.

    Args:
        path: the log, which may have been moved since.
        live: whether a process writes it.
    """
    from legm.core import results  # needs NumPy

    try:
        found = LogFolder.holding(path).follow(path)
    except StorageError as error:  # damage too
        log.error("%s", error)  # noqa: TRY400
        return None
    if found is None:  # deleted meanwhile
        return None
    known, now = found
    is_running = live or (now != path and runlog.is_locked(now))
    return results.run_result(known.run, known.records, Status.RUNNING if is_running else Status.INTERRUPTED)
