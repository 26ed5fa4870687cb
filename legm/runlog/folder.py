"""The run logs of one configuration: which there are, which are settled, and what only they know."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from legm.errors import CorruptFile, StorageError, storage_error
from legm.records import Outcome, Plain, Run, RunResult, Status
from legm.runlog import format as runlog

__all__ = ["LogFolder", "results_only_in_logs"]

log = logging.getLogger(__name__)


class LogFolder:
    """The run logs of one configuration: ``<run id>.log``, and below ``open/`` those not settled yet.

    A log is settled when its run ended and the backend has all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open_folder = folder / "open"
        self.lock = folder / ".lock"
        """The lock file of what is decided over all runs of the configuration."""

    def create_folders(self) -> None:
        """Make the folders.

        Raises:
            StorageError: they cannot be made.
        """
        try:
            self.open_folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("make the folder", self.open_folder, cause) from cause

    def create_log(
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
        self.create_folders()
        # It gets its place when it says whose it is: a process killed in between leaves no log without a run.
        # That it was here first shows in this folder's time that there is a new one.
        fresh = self.folder / f"{run.run_id}.new"
        if fresh.exists() and not runlog.logs_being_written([fresh]):  # of a process that was killed
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

    def finalize_log(self, writer: runlog.LogWriter) -> None:
        """The run is done with, for now."""
        writer.move(self.folder / writer.path.name)

    def reopen_log(self, writer: runlog.LogWriter) -> None:
        """The run goes on after all."""
        writer.move(self.open_folder / writer.path.name)

    def delete_log(self, run_id: str) -> None:
        """Remove the log of a run that is taken out, also one that is moved at this moment.

        Raises:
            StorageError: it cannot be removed.
        """
        for folder in (self.open_folder, self.folder, self.open_folder):
            path = folder / f"{run_id}.log"
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise storage_error("remove", path, cause) from cause

    def pending_logs(self) -> list[Path]:
        """The logs below ``open/``, oldest first."""
        return [self.open_folder / name for name in sorted(_log_names(self.open_folder))]

    def logs_except(self, known: Iterable[str]) -> list[Path]:
        """Every log but those of runs with these ids, oldest first; also one that is moved at this moment."""
        folders: dict[str, Path] = {}
        for place in (self.open_folder, self.folder, self.open_folder):
            folders |= dict.fromkeys(_log_names(place), place)
        names = set(folders).difference(f"{run_id}.log" for run_id in known)
        return [folders[name] / name for name in sorted(names)]

    def read_run_status(self, path: Path) -> tuple[Run, Status] | None:
        """Whose a log is and how far its run has come, by the log alone; None where it tells nothing.

        Raises:
            StorageError: the log cannot be read.
        """
        for place in (path, self.folder / path.name, self.open_folder / path.name):
            live = runlog.is_log_locked(place)
            try:
                known = runlog.read_log(place)
            except CorruptFile as error:
                log.error("%s", error)  # noqa: TRY400
                return None
            except StorageError:
                if place.exists():
                    raise
                continue  # settled just now
            outcomes = [record.status for record in known.records if isinstance(record, Outcome)]
            return known.run, outcomes[-1] if outcomes else Status.RUNNING if live else Status.INTERRUPTED
        return None


def _log_names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(".log")]  # noqa: PTH208 - quicker than Path's
    except OSError:  # no such folder, or none that we may read
        return []


def results_only_in_logs(logs: LogFolder, known: Iterable[str]) -> list[RunResult]:
    """The results of runs of which only the log knows: running, failed, interrupted, not stored yet.

    A settled run that was completed and that the backend does not know was taken out by a person.

    Args:
        logs: a configuration's.
        known: the ids of runs that the backend knows.
    """
    paths = logs.logs_except(known)
    being_written = runlog.logs_being_written(
        paths
    )  # asked first: what a writer that is gone has written is all there
    results = ((path, read_result_from_log(path, live=path in being_written)) for path in paths)
    return [
        found
        for path, found in results
        if found is not None and (found.status is not Status.COMPLETED or path.parent == logs.open_folder)
    ]


def read_result_from_log(path: Path, *, live: bool) -> RunResult | None:
    """What a run came to so far, by its log; None where that cannot be read."""
    from legm.core import results  # needs NumPy

    try:
        found = runlog.read_log(path)
    except CorruptFile as error:
        log.error("%s", error)  # noqa: TRY400
        return None
    except StorageError:
        return None  # settled just now by somebody else
    return results.run_result(found.run, found.records, Status.RUNNING if live else Status.INTERRUPTED)
