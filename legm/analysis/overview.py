"""Reads the folders below a root directory: configurations with their runs, differences."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from legm.delivery.folder_access import FolderAccess, default_folder_access
from legm.errors import LegmError, StorageError
from legm.records import Configuration, RunResult
from legm.runlog.configuration_folders import is_configuration_folder
from legm.runlog.file_names import (
    AGGREGATES_FILE,
    ARTIFACTS,
    MEDIA,
    METRICS_FILE,
    PARAMETERS_FILE,
    RUNS,
    STEPS_FILE,
    TENSORBOARD,
)

__all__ = [
    "Overview",
    "kept_configuration_files",
    "read_overview",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Overview:
    """A configuration with its runs.

    Args:
        folder: where it is.
        configuration: None where its parameters cannot be read.
        runs: in the order of their starts.
        problem: what could not be read; "" where all could.
    """

    folder: Path
    configuration: Configuration | None
    runs: list[RunResult] = field(default_factory=list)
    problem: str = ""


def read_overview(
    folder: Path, histories: frozenset[str] = frozenset(), folders: FolderAccess | None = None
) -> Overview:
    """A configuration's folder as it is; damage is reported, not raised.

    Args:
        folder: the configuration's.
        histories: the dev metrics whose series are wanted.
        folders: reads it; None for the default backend's.

    Raises:
        StorageError: it is not a configuration's folder.
    """
    if not is_configuration_folder(folder):
        raise StorageError(f"{folder} is not a configuration's folder: it has no {PARAMETERS_FILE}")
    reader = folders or default_folder_access()
    try:
        configuration = reader.read_configuration(folder)
    except LegmError as error:
        return Overview(folder, None, problem=str(error))
    try:
        runs = sorted(reader.read_runs(folder, histories), key=lambda result: result.run.run_id)
    except LegmError as error:
        return Overview(folder, configuration, problem=str(error))
    return Overview(folder, configuration, runs)


def kept_configuration_files(folder: Path) -> list[tuple[str, int]]:
    """The files that belong to a configuration beside legm's own and media: artifacts, models, data, plots.

    Args:
        folder: the configuration's. Links in it are not followed.

    Returns:
        each file's path below the folder and its size in bytes, sorted by path.
    """
    own = {PARAMETERS_FILE, METRICS_FILE, STEPS_FILE, AGGREGATES_FILE, RUNS, TENSORBOARD}
    found = []
    for parent, folders, files in os.walk(folder):
        left_out = own if Path(parent) == folder else set()
        if Path(parent).parent == folder / ARTIFACTS:  # of a run
            left_out = {MEDIA}
        folders[:] = [name for name in folders if name not in left_out]
        paths = [Path(parent, name) for name in files if name not in left_out and not name.startswith(".")]
        found += [(path.relative_to(folder).as_posix(), path.lstat().st_size) for path in paths]
    return sorted(found)
