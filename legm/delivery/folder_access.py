"""Access to folders that a user names by their paths, without a root directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.delivery.reading import finalize_before_reading
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_reader
from legm.errors import BackendError, LegmError
from legm.records import Configuration, ConfigurationStatus, RunCounts, RunResult, StoredRun, Summary
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import runs_with_marks

if TYPE_CHECKING:
    from legm.hooks import Backend, FolderReader

__all__ = ["FolderAccess", "default_folder_access", "open_folder_access"]


def open_folder_access(backend: object, options: Mapping[str, Any]) -> FolderAccess | None:
    """The way to folders that a user names by their paths.

    Args:
        backend: as :func:`legm.delivery.registry.make_backend` takes it.
        options: the backend's own.

    Returns:
        None where the backend has no folder reader, or options say which of its stores is meant: then
        experiments and configurations are found by their names.

    Raises:
        BackendError: the package that declares the folder reader is broken.
    """
    reader = find_folder_reader(backend) if isinstance(backend, str) and not options else None
    return None if reader is None else FolderAccess(str(backend), reader)


def default_folder_access() -> FolderAccess:
    """The way to folders for calls that are given a folder and no backend.

    Raises:
        BackendError: the default backend has no folder reader.
    """
    found = open_folder_access(DEFAULT_BACKEND, {})
    if found is None:
        raise BackendError(f"the backend {DEFAULT_BACKEND!r} reads no folders by their paths")
    return found


class FolderAccess:
    """Reads the folders of one backend that a user names by their paths, without a root directory.

    Runs whose process died are finalized before anything of a run is read. Where that is not possible, for
    instance in a folder that cannot be written, they are read as they are.

    Args:
        backend: the backend's name.
        reader: its folder reader.
    """

    def __init__(self, backend: str, reader: FolderReader) -> None:
        self.backend = backend
        self._reader = reader

    # What the folders are

    def experiment_in(self, folder: Path) -> str | None:
        """The name by which the backend finds an experiment's folder; None for a folder of no experiment.

        Raises:
            StorageError: the folder cannot be read.
        """
        return self._reader.experiment_in(folder)

    def backend_of(self, folder: Path) -> tuple[Path, Backend]:
        """The root directory of a configuration's folder, and a backend that keeps its runs in this one.

        Raises:
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged.
        """
        return self._reader.backend_of(folder)

    def read_configuration(self, folder: Path) -> Configuration:
        """The configuration in a folder.

        Raises:
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged.
        """
        return self._reader.read_configuration(folder)

    def read_configurations(
        self, experiment: Path, paths: Iterable[str] | None = None
    ) -> Iterator[tuple[str, Configuration]]:
        """The configurations in an experiment's folder, each with the path of its folder below that.

        Args:
            experiment: the experiment's.
            paths: those of the configurations' folders below it; None for all.

        Raises:
            StorageError: the folder cannot be read.
            CorruptFile: the parameters of one were edited or damaged.
        """
        return self._reader.read_configurations(experiment, paths)

    # The runs in them

    def read_status(self, folder: Path) -> ConfigurationStatus:
        """A configuration's folder as it is; damage is in the answer, and not raised."""
        self._finalize_quietly(folder)
        return self._reader.read_status(folder)

    def read_statuses(self, experiment: Path) -> list[ConfigurationStatus]:
        """The configurations in an experiment's folder, by the folders' names.

        Raises:
            StorageError: the folder cannot be read.
        """
        found = self.statuses_as_stored(experiment)
        pending = [Path(one.folder) for one in found if one.has_pending_logs is not False]
        finalized = [result for folder in pending for result in self._finalize_quietly(folder)]
        if finalized:
            return self._reader.read_statuses(experiment)
        return found

    def statuses_as_stored(self, experiment: Path) -> list[ConfigurationStatus]:
        """The same as they are: runs whose process died may still have to be finalized.

        Raises:
            StorageError: the folder cannot be read.
        """
        return self._reader.read_statuses(experiment)

    def count_once(self, statuses: Iterable[ConfigurationStatus]) -> Iterator[RunCounts]:
        """The runs in folders, counted, but for those in damaged ones; those in copies of a folder once."""
        return self._reader.counted_once(statuses)

    def read_runs(
        self,
        folder: Path,
        histories: frozenset[str] | None = frozenset(),
        configuration: Configuration | None = None,
    ) -> Iterator[RunResult]:
        """The runs in a configuration's folder, with the series of these dev metrics.

        Args:
            folder: the configuration's.
            histories: the names of the metrics; None for all.
            configuration: the one in the folder, where it was read before.

        Raises:
            LegmError: a file is damaged, or cannot be read.
        """
        self._finalize_quietly(folder)
        return runs_with_marks(self._reader.read_runs(folder, histories, configuration), LogFolder.of(folder))

    def read_completed_runs(
        self, folder: Path, configuration: Configuration | None, *, series: bool = True
    ) -> Iterator[StoredRun]:
        """The completed runs in a configuration's folder, each by itself, so that damage hides no other one.

        Args:
            folder: the configuration's.
            configuration: None where it cannot be read; then no run has a result.
            series: whether the series are wanted.

        Raises:
            LegmError: the folder's files cannot be read at all.
        """
        self._finalize_quietly(folder)
        return self._reader.read_stored_runs(folder, configuration, series=series)

    def read_summaries(self, folder: Path, completed: Mapping[str, int]) -> Mapping[str, Summary]:
        """The aggregates that are stored in a configuration's folder, by description.

        Args:
            folder: the configuration's.
            completed: by description, how many runs completed.

        Raises:
            CorruptFile: the folder does not hold aggregates where they should be.
            StorageError: they cannot be read.
        """
        return self._reader.read_summaries(folder, completed)

    # What dead processes left

    def repair(self, folder: Path) -> list[str]:
        """Repair what is damaged in a configuration's folder; returns what was or was not repaired.

        Raises:
            LegmError: a file cannot be read or written.
        """
        return self._reader.repair(folder)

    def upgrade(self, folder: Path, *, dry_run: bool) -> list[str]:
        """Bring a configuration's files to the current version of their format; returns what was done.

        A reader that has no ``upgrade`` has only one version.

        Raises:
            LegmError: a file is damaged, of a newer version, or cannot be read or written.
        """
        upgrade = getattr(self._reader, "upgrade", None)
        return [] if upgrade is None else list(upgrade(folder, dry_run=dry_run))

    def finalize(self, folder: Path) -> list[RunResult]:
        """Finalize the runs in a configuration's folder whose process died, and return them.

        Raises:
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged.
        """
        logs = LogFolder.of(folder)
        if not logs.pending_logs():
            return []
        from legm.delivery.client import BackendClient

        root, backend = self._reader.backend_of(folder)
        return finalize_before_reading(BackendClient(backend, root), logs)

    def _finalize_quietly(self, folder: Path) -> list[RunResult]:
        with contextlib.suppress(LegmError):  # whoever reads the folder next reports its damage
            return self.finalize(folder)
        return []
