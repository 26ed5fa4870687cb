"""What the commands share that change what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from legm.errors import NotSupported, StorageError
from legm.runlog.file_names import INDEX, OWN_FOLDER

if TYPE_CHECKING:
    from legm.cli.locations import Location

__all__ = ["experiment_to_change", "root_of_changes"]

_COPY = (
    "legm import copies them into folders of a new root directory, where legm amend changes them, and "
    "legm export NEW_ROOT --to {backend} writes them to a store again"
)


def root_of_changes(path: Path) -> Path:
    """The root directory that a path is, or is in: where the journal and the trash are.

    Raises:
        StorageError: there is no such folder.
    """
    from legm.runlog.configuration_folders import configuration_paths, is_configuration_folder

    path = path.absolute()
    if not path.is_dir():
        raise StorageError(f"there is no folder {path}")
    if is_configuration_folder(path):
        return path.parent.parent
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
        raise NotSupported(
            f"runs that only {location.backend} has are not changed there: a change is replayed from run "
            f"logs, which are in folders. {_COPY.format(backend=location.backend)}"
        )
    return experiment_folder_at(location)
