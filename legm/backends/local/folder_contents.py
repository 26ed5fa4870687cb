"""What is in the folders of experiments and configurations, read anew."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from legm.backends.local.entry_file import EntryFile
from legm.backends.local.folder_index import experiment_folder, find_experiment_folder
from legm.backends.local.parameters_file import read_configuration
from legm.backends.local.parameters_overview import read_configuration_overview
from legm.backends.local.result_yaml import count_yaml_entries, read_result_yaml
from legm.errors import LegmError
from legm.records import Configuration, ConfigurationStatus, Query, RunResult
from legm.runlog.configuration_folders import configuration_paths, experiment_paths
from legm.runlog.file_names import METRICS_FILE, STEPS_FILE
from legm.runlog.log_folder import (
    LogFolder,
    has_only_finalized_logs_of,
    results_only_in_log_folder,
    results_resumed_in_log_folder,
)
from legm.runlog.marks_files import has_marks, has_marks_file

__all__ = [
    "FolderScanner",
    "configurations_in_folder",
    "experiment_in_folder",
    "experiments_in_folders",
    "runs_in_folders",
    "scan_folder_contents",
]

log = logging.getLogger(__name__)

_MAX_KNOWN = 5_000  # texts in parameters files that are kept, so that equal ones are parsed once


def experiments_in_folders(root: Path) -> Iterator[str]:
    """The experiments whose folders are below a root directory, each by the name that finds its folder.

    Raises:
        StorageError: the folder cannot be read.
    """
    for path in experiment_paths(root):
        name = experiment_in_folder(root / path)
        if name is not None and "/" in path and find_experiment_folder(root, name) != root / path:
            name = path
        if name is not None:
            yield name


def experiment_in_folder(folder: Path) -> str | None:
    """The name by which an experiment's folder is found; None where it is not an experiment's.

    Raises:
        StorageError: the folder cannot be read.
    """
    for path in configuration_paths(folder):
        try:
            name = read_configuration_overview(folder / path)[0].experiment
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
            continue
        # A folder that a user renamed is found by its own name.
        return name if experiment_folder(folder.parent, name).name == folder.name else folder.name
    return None


class FolderScanner:
    """Reads many configurations' folders, and parses once what they have in common."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._parts: dict[str, Any] = {}

    def scan(self, path: str) -> tuple[ConfigurationStatus, bool]:
        """What a configuration's folder holds, and whether something is noted about a run in it.

        Args:
            path: the folder.
        """
        files: list[str] = []
        status = scan_folder_contents(path, self._known, self._parts, files)
        return status, has_marks_file(files) if files else has_marks(path)


def scan_folder_contents(
    path: str,
    known: dict[str, Any] | None = None,
    parts: dict[str, Any] | None = None,
    files: list[str] | None = None,
) -> ConfigurationStatus:
    """What a configuration's folder holds, read anew.

    Args:
        path: the folder.
        known: values in parameters files by their text, for whoever reads many.
        parts: the same of parts of entries' heads.
        files: takes the names of the files beside the run logs, unless a log is pending.
    """
    try:
        configuration, is_shortened = read_configuration_overview(Path(path), known)
    except LegmError as error:
        return ConfigurationStatus(path, None, problem=error)
    try:
        entries = EntryFile(f"{path}/{METRICS_FILE}", parts).entries()
        ids = [str(entry.head.get("run_id", "")) for entry in entries]
        if has_only_finalized_logs_of(path, ids, files):  # as in most folders
            counts = count_yaml_entries(path, configuration, entries, ())
            return ConfigurationStatus(
                path, configuration, counts, has_pending_logs=False, is_shortened=is_shortened
            )
        logs, damaged = LogFolder.of(Path(path)), list[Path]()
        unfinished = results_resumed_in_log_folder(logs, ids)
        others = [*unfinished, *results_only_in_log_folder(logs, ids, configuration, damaged)]
        left_out = {result.run.run_id for result in unfinished}
        entries = [entry for entry, run_id in zip(entries, ids, strict=True) if run_id not in left_out]
        counts = count_yaml_entries(path, configuration, entries, others)
        return ConfigurationStatus(
            path,
            configuration,
            counts,
            has_damaged_logs=bool(damaged),
            has_pending_logs=logs.has_pending_logs(),
            is_shortened=is_shortened,
        )
    except LegmError as error:
        return ConfigurationStatus(path, configuration, problem=error, is_shortened=is_shortened)


def configurations_in_folder(
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
    known: dict[str, Any] = {}
    for path in configuration_paths(experiment) if paths is None else paths:
        if len(known) > _MAX_KNOWN:
            known.clear()
        yield path, read_configuration(experiment / path, known)


def runs_in_folders(
    folders: Iterable[Path], query: Query, configuration: Configuration | None = None
) -> Iterator[RunResult]:
    """The runs in a configuration's folder and its copies, each once.

    Args:
        folders: the folders.
        query: which of the runs, and how much of each; the configuration is that of the folders.
        configuration: the one in the folders, where it was read before.
    """
    seen: set[str] = set()
    for folder in folders:
        found = configuration or read_configuration(folder)
        metrics, steps = EntryFile(folder / METRICS_FILE), EntryFile(folder / STEPS_FILE)
        series_wanted = query.histories is None or bool(query.histories)
        by_run = {str(e.head.get("run_id")): e for e in steps.entries()} if series_wanted else {}
        entries, logs = metrics.entries(), LogFolder.of(folder)
        here = {str(entry.head.get("run_id", "")) for entry in entries}
        unfinished = results_resumed_in_log_folder(logs, here)
        left_out = {result.run.run_id for result in unfinished}
        for entry in entries:
            run_id = str(entry.head.get("run_id", ""))
            is_wanted = query.description in (None, entry.head.get("description") or "")
            if run_id in seen or run_id in left_out or not is_wanted:
                continue
            seen.add(run_id)
            steps_of_runs = (steps, by_run) if series_wanted else None
            yield read_result_yaml(metrics, entry, steps_of_runs, found, query.histories)
        for result in [*unfinished, *results_only_in_log_folder(logs, here, found)]:
            known = result.run.run_id in seen
            if not known and query.description in (None, result.run.description):
                seen.add(result.run.run_id)
                yield result
