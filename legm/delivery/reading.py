"""The door to what backends hold: runs whose process died are finalized first, then the runs are read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.delivery.registry import DEFAULT_BACKEND, find_folder_reader
from legm.errors import BackendError, LegmError
from legm.hooks import Capability
from legm.records import Configuration, ConfigurationStatus, Query, RunCounts, RunResult, StoredRun, Summary
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import runs_with_marks

if TYPE_CHECKING:
    from legm.delivery.client import BackendClient
    from legm.hooks import Backend, FolderReader

__all__ = [
    "FolderAccess",
    "default_folder_access",
    "number_of_runs_to_read",
    "open_folder_access",
    "read_counts",
    "read_runs",
]


def read_runs(
    client: BackendClient,
    configuration: Configuration,
    description: str | None = None,
    histories: frozenset[str] | None = frozenset(),
    report: Callable[[StoredRun], None] | None = None,
) -> Iterator[RunResult]:
    """The runs of a configuration, without those of a store whose files are damaged.

    Args:
        client: of the backend.
        configuration: whose runs.
        description: only runs with this one; None for all.
        histories: the dev metrics whose series are wanted; None for all.
        report: takes each damaged run; by default it is logged.

    Raises:
        LegmError: the backend could not read them.
    """
    folder = client.folder(configuration)
    if folder is not None:
        _finalize_before_reading(client, LogFolder.of(folder))
    elif client.supports(Capability.FOLDERS):
        return iter(())
    query = Query(configuration.experiment, configuration.fingerprint, description, histories)
    found = client.intact_runs_as_stored(query, report)
    return found if folder is None else runs_with_marks(found, LogFolder.of(folder))


def number_of_runs_to_read(
    client: BackendClient, configuration: Configuration, description: str | None
) -> int | None:
    """How many runs :func:`read_runs` gives; None where the backend would have to read them to know."""
    if not client.supports(Capability.FOLDERS):
        return None
    return sum(
        one.completed + one.running + sum(one.left_out.values())
        for one in client.counts_as_stored(configuration.experiment)
        if one.configuration.fingerprint == configuration.fingerprint
        and description in {None, one.description}
    )


def read_counts(client: BackendClient, experiment: str) -> Sequence[RunCounts]:
    """The runs of every configuration of an experiment, counted by description.

    Raises:
        LegmError: the backend could not read them.
    """
    found = client.counts_as_stored(experiment)
    pending = [
        logs
        for folder in {one.folder for one in found if one.folder is not None}
        if (logs := LogFolder.of(Path(folder))).pending_logs()
    ]
    for logs in pending:
        _finalize_before_reading(client, logs)
    return client.counts_as_stored(experiment) if pending else found


def _finalize_before_reading(client: BackendClient, logs: LogFolder) -> list[RunResult]:
    from legm.delivery.backlog import finalize_dead_runs  # only where something is pending

    return finalize_dead_runs(client, logs) if logs.pending_logs() else []


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

    def read_configurations(self, experiment: Path) -> Iterator[tuple[str, Configuration]]:
        """The configurations in an experiment's folder, each with the path of its folder below that.

        Raises:
            StorageError: the folder cannot be read.
            CorruptFile: the parameters of one were edited or damaged.
        """
        return self._reader.read_configurations(experiment)

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
        found = self._reader.read_statuses(experiment)
        pending = [Path(one.folder) for one in found if one.has_pending_logs is not False]
        finalized = [result for folder in pending for result in self._finalize_quietly(folder)]
        if finalized:
            return self._reader.read_statuses(experiment)
        return found

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
        return _finalize_before_reading(BackendClient(backend, root), logs)

    def _finalize_quietly(self, folder: Path) -> list[RunResult]:
        with contextlib.suppress(LegmError):  # whoever reads the folder next reports its damage
            return self.finalize(folder)
        return []
