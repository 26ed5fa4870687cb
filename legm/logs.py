"""The run logs of one configuration: which there are, which are settled, and what only they know."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from legm import runlog
from legm.errors import CorruptFile, StorageError
from legm.records import Plain, Run, RunResult, Status

__all__ = ["LogFolder", "unfinished"]

log = logging.getLogger(__name__)


class LogFolder:
    """The run logs of one configuration: ``<run id>.log``, and below ``open/`` those not settled yet.

    A log is settled when its run ended and the backend has all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open_folder = folder / "open"

    def create(self, run: Run, places: Mapping[str, Mapping[str, Plain]]) -> runlog.LogWriter:
        """The log of a new run.

        Args:
            run: the run.
            places: by backend that it goes to, what makes it again.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            self.open_folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise runlog.storage_error("make the folder", self.open_folder, cause) from cause
        # It gets its name when it says whose it is: a process killed in between leaves no log without a run.
        writer = runlog.LogWriter(self.open_folder / f"{run.run_id}.new", create=True)
        try:
            writer.append(runlog.run_frame(run), runlog.places_frame(places))
            writer.move(self.open_folder / f"{run.run_id}.log")
        except StorageError:
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

    def unsettled(self) -> list[Path]:
        """The logs below ``open/``, oldest first."""
        return sorted(self.open_folder.glob("*.log"))

    def paths(self) -> list[Path]:
        """Every log, oldest first."""
        return sorted([*self.folder.glob("*.log"), *self.unsettled()], key=lambda path: path.name)


def unfinished(logs: LogFolder, known: Iterable[str]) -> list[RunResult]:
    """The results of runs of which only the log knows: running, failed, interrupted, not stored yet.

    A settled run that was completed and that the backend does not know was taken out by a person.

    Args:
        logs: a configuration's.
        known: the ids of runs that the backend knows.
    """
    from legm import selection

    ids = {f"{run_id}.log" for run_id in known}
    results = []
    for path in logs.paths():
        if path.name in ids:
            continue
        live = runlog.is_live(path)  # asked first: what a writer that is gone has written is all there
        try:
            found = runlog.read(path)
        except CorruptFile as error:
            log.error("%s", error)  # noqa: TRY400
            continue
        except StorageError:
            continue  # settled just now by somebody else
        result = selection.result(found.run, found.records, Status.RUNNING if live else Status.INTERRUPTED)
        if result.status is not Status.COMPLETED or path.parent == logs.open_folder:
            results.append(result)
    return results
