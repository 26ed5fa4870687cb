"""What the commands share that change what is stored."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from legm.errors import NotSupported, StorageError
from legm.runlog.file_names import INDEX, OWN_FOLDER
from legm.runlog.trashed import missing_folder_text

if TYPE_CHECKING:
    from legm.cli.locations import Location

__all__ = ["backend_without_folders", "experiment_to_change", "root_of_changes", "short_path"]


def short_path(path: Path) -> Path:
    """A path as a user would write it: from the working folder on, where it is below that."""
    with contextlib.suppress(ValueError, OSError):
        return path.relative_to(Path.cwd())
    return path


def backend_without_folders(path: Path) -> str:
    """The backend that alone has the runs of the experiment that a path names; "" where there are folders."""
    from legm.core.naming import safe_name
    from legm.runlog.log_folder import LogFolder
    from legm.runlog.log_reader import read_log_backends

    own = path.parent / OWN_FOLDER / safe_name(path.name)
    if path.is_dir() or not own.is_dir():
        return ""
    logs = (log for folder in sorted(own.iterdir()) for log in LogFolder.of(folder).logs_except(()))
    return next((name for log in logs for name in read_log_backends(log)), "")


def _refusal_without_folders(backend: str) -> NotSupported:
    return NotSupported(
        f"runs that only {backend} has are not changed there: a change is replayed from run logs, which are "
        "in folders. legm import copies them into folders of a new root directory, where they are changed, "
        f"and legm export NEW_ROOT --to {backend} writes them to a store again"
    )


def root_of_changes(path: Path) -> Path:
    """The root directory that a path is, or is in: where the journal and the trash are.

    Raises:
        NotSupported: it is an experiment of a backend without folders, where nothing can be changed.
        StorageError: there is no such folder.
    """
    from legm.runlog.configuration_folders import (
        configuration_paths,
        experiment_folder_of_configuration,
        is_configuration_folder,
    )

    path = path.absolute()
    if backend := backend_without_folders(path):
        raise _refusal_without_folders(backend)
    if not path.is_dir():
        raise StorageError(missing_folder_text(path))
    if is_configuration_folder(path):
        return experiment_folder_of_configuration(path).parent
    if (path / OWN_FOLDER / INDEX).exists() or next(configuration_paths(path), None) is not None:
        return path.parent
    return path


def experiment_to_change(location: Location) -> Path:
    """The folder of the experiment at a location.

    Raises:
        NotSupported: it is in a backend without folders, where nothing can be changed.
        StorageError: there is none, or there are several.
    """
    from legm.cli.locations import experiment_folder_at

    if location.folders is None:
        raise _refusal_without_folders(location.backend)
    return experiment_folder_at(location)
