"""What the folders of configurations say, without a root directory: a :class:`legm.hooks.FolderReader`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from legm.errors import CorruptFile, LegmError
from legm.hooks import Backend
from legm.records import Configuration, ConfigurationStatus, Query, RunCounts, RunResult, StoredRun, Summary

__all__ = [
    "backend_of",
    "counted_once",
    "experiment_in",
    "read_configuration",
    "read_configurations",
    "read_runs",
    "read_status",
    "read_statuses",
    "read_stored_runs",
    "read_summaries",
    "repair",
    "upgrade",
]


def read_configuration(folder: Path) -> Configuration:
    """The configuration in a folder.

    Raises:
        StorageError: it is not a configuration's folder.
        CorruptFile: its parameters were edited or damaged.
    """
    from legm.backends.local.parameters_file import read_configuration

    return read_configuration(folder)


def read_configurations(
    experiment: Path, paths: Iterable[str] | None = None
) -> Iterator[tuple[str, Configuration]]:
    """The configurations in an experiment's folder, each with the path of its folder below that.

    Args:
        experiment: the experiment's.
        paths: those of the configurations' folders below it; None for all.

    Raises:
        StorageError: the folder cannot be read.
        CorruptFile: the parameters of one were edited or damaged.
    """
    from legm.backends.local.folder_contents import configurations_in_folder

    return configurations_in_folder(experiment, paths)


def backend_of(folder: Path) -> tuple[Path, Backend]:
    """The root directory of a configuration's folder, and a backend that keeps its runs in this folder.

    Raises:
        StorageError: it is not a configuration's folder.
        CorruptFile: its parameters were edited or damaged.
    """
    from legm.backends.local.backend import LocalBackend
    from legm.backends.local.folder_index import root_of_folder

    root = root_of_folder(folder)
    backend = LocalBackend(root)
    backend.use_folder(folder)
    return root, backend


def read_status(folder: Path) -> ConfigurationStatus:
    """A configuration's folder as it is, read anew."""
    from legm.backends.local.folder_contents import scan_folder_contents

    return scan_folder_contents(str(folder))


def read_statuses(experiment: Path) -> list[ConfigurationStatus]:
    """The configurations in an experiment's folder, by the folders' names, from the catalogue.

    Raises:
        StorageError: the folder cannot be read.
    """
    from legm.backends.local.status_cache import read_cached_statuses

    return read_cached_statuses(experiment)


def counted_once(statuses: Iterable[ConfigurationStatus]) -> Iterator[RunCounts]:
    """The runs in folders, counted, but for those in damaged ones; those in copies of a folder once."""
    from legm.backends.local.status_cache import cached_statuses_once

    return cached_statuses_once(statuses)


def experiment_in(folder: Path) -> str | None:
    """The name by which the backend finds an experiment's folder; None for a folder of no experiment.

    Raises:
        StorageError: the folder cannot be read.
    """
    from legm.backends.local.folder_contents import experiment_in_folder

    return experiment_in_folder(folder)


def read_runs(
    folder: Path, histories: frozenset[str] | None = frozenset(), configuration: Configuration | None = None
) -> Iterator[RunResult]:
    """The runs in a configuration's folder, with the series of these dev metrics.

    Args:
        folder: the configuration's.
        histories: the names of the metrics; None for all.
        configuration: the one in the folder, where it was read before.

    Raises:
        LegmError: a file is damaged, or cannot be read.
    """
    from legm.backends.local.folder_contents import runs_in_folders

    return runs_in_folders([folder], Query("", histories=histories), configuration)


def read_stored_runs(
    folder: Path, configuration: Configuration | None, *, series: bool = True
) -> Iterator[StoredRun]:
    """The completed runs in a configuration's folder, each by itself, so that damage hides no other one.

    Args:
        folder: the configuration's.
        configuration: None where it cannot be read; then no run has a result.
        series: whether the series are wanted.

    Raises:
        LegmError: the folder's files cannot be read at all.
    """
    from legm.backends.local.entry_file import Entry, EntryFile
    from legm.backends.local.result_yaml import read_result_yaml
    from legm.runlog.file_names import METRICS_FILE, STEPS_FILE

    def read_folder_entries(file: EntryFile) -> tuple[list[Entry], list[str]]:
        try:
            return file.entries(), []
        except CorruptFile:
            sound, damaged = file.check()
        numbers = (f"experiment_{one.number}" if one.number >= 0 else "an entry" for one, _ in damaged)
        return sound, [f"{number} of {file.path.name}" for number in numbers]

    metrics, steps = EntryFile(folder / METRICS_FILE), EntryFile(folder / STEPS_FILE)
    entries, damaged = read_folder_entries(metrics)
    steps_by_run = {str(entry.head.get("run_id")): entry for entry in read_folder_entries(steps)[0]}
    names = None if series else frozenset[str]()

    def read_folder_runs() -> Iterator[StoredRun]:
        for what in damaged:
            yield StoredRun("", None, f"{what} is not what legm wrote: try `legm recover`")
        for entry in entries:
            run_id = str(entry.head.get("run_id"))
            if configuration is None:
                yield StoredRun(run_id, None)
                continue
            try:
                result = read_result_yaml(metrics, entry, (steps, steps_by_run), configuration, names)
            except LegmError as error:
                yield StoredRun(run_id, None, str(error))
            else:
                yield StoredRun(run_id, result, is_edited=entry.trailer is None)

    return read_folder_runs()


def read_summaries(folder: Path, completed: Mapping[str, int]) -> dict[str, Summary]:
    """The aggregates that are stored in a configuration's folder, by description.

    Args:
        folder: the configuration's.
        completed: by description, how many runs completed.

    Raises:
        CorruptFile: the file does not hold aggregates.
        StorageError: it cannot be read.
    """
    from legm.runlog.file_names import AGGREGATES_FILE
    from legm.stats.aggregate import aggregated_summary_from_dict
    from legm.util.yaml_files import load_yaml

    path = folder / AGGREGATES_FILE
    try:
        content = load_yaml(path) or {}
        return {
            str(description): aggregated_summary_from_dict(stored, completed.get(str(description), 0))
            for description, stored in content.items()
        }
    except (AttributeError, ValueError) as cause:
        raise CorruptFile(path, "the file", str(cause), "Aggregate the runs again.") from cause


def repair(folder: Path) -> list[str]:
    """Make what is damaged in a configuration's folder again, as far as the run logs have it.

    Returns:
        what was done, and what could not be, in a sentence each.

    Raises:
        StorageError: a file cannot be written.
    """
    from legm.backends.local.repair import repair

    return repair(folder)


def upgrade(folder: Path, *, dry_run: bool) -> list[str]:
    """Bring the files of a configuration's folder to the current version of their format.

    Args:
        folder: the configuration's.
        dry_run: whether to only say what would be done.

    Returns:
        what was done, a sentence for each file.

    Raises:
        StorageError: a file cannot be read or written.
        CorruptFile: a file is damaged, or of a newer version.
    """
    from legm.backends.local.upgrading import upgrade

    return upgrade(folder, dry_run=dry_run)
