"""The folders of configurations: which folders are some, and where those are."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from legm.errors import StorageError, storage_error
from legm.runlog.file_names import (
    ARTIFACTS,
    INDEX,
    OPEN,
    OWN_FOLDER,
    PARAMETERS_FILE,
    PLOTS,
    RUNS,
    TENSORBOARD,
)
from legm.util.packed_names import PackedNames

__all__ = [
    "DEPTH",
    "artifacts_folder",
    "configuration_folders",
    "configuration_folders_with",
    "configuration_paths",
    "experiment_folder_of_configuration",
    "experiment_paths",
    "holds_configuration_folders",
    "is_configuration_folder",
    "packed_configuration_paths",
    "packed_subfolders",
    "refuse_folder_links",
    "refuse_linked_configuration_folder",
    "subfolders",
]

log = logging.getLogger(__name__)

T = TypeVar("T")

DEPTH = 3
"""Levels of folders in an experiment's folder into which a user may move configurations, and of those in a
root directory into which one may move experiments."""
_MAX_SEARCHED = 1000  # folders in which experiments that were moved are searched for
_NO_GROUPS = frozenset((PLOTS, TENSORBOARD, RUNS, ARTIFACTS))


def artifacts_folder(folder: Path, run_id: str) -> Path:
    """The folder of a run's artifacts.

    Args:
        folder: the folder of the run's configuration.
        run_id: the run's id.
    """
    return folder / ARTIFACTS / run_id


def refuse_folder_links(*paths: str | Path) -> None:
    """Refuse to write through links: in a root directory that somebody else made they may lead anywhere.

    A root directory, an experiment and a configuration may be links; what legm keeps in them may not.

    Args:
        paths: of folders or files that may not exist yet.

    Raises:
        StorageError: one is a link.
    """
    for path in paths:
        if os.path.islink(path):  # noqa: PTH114 - quicker than Path's
            raise StorageError(
                f"{path} is a link, and legm does not write through links: move its target here"
            )


def refuse_linked_configuration_folder(folder: Path) -> None:
    """Refuse to write into a configuration's folder where what legm keeps in it is a link.

    Raises:
        StorageError: a folder in it is one.
    """
    refuse_folder_links(
        *(f"{folder}/{name}" for name in (RUNS, f"{RUNS}/{OPEN}", ARTIFACTS, TENSORBOARD, PLOTS))
    )


def is_configuration_folder(folder: str | Path) -> bool:
    """Whether a folder is a configuration's."""
    return os.path.isfile(f"{folder}/{PARAMETERS_FILE}")  # noqa: PTH113 - quicker than Path's


def experiment_folder_of_configuration(folder: Path) -> Path:
    """The folder of the experiment that a configuration's folder is in, which a user may have moved deeper.

    Args:
        folder: the configuration's; it need not exist.
    """
    return next((one for one in list(folder.parents)[:DEPTH] if _is_indexed_folder(one)), folder.parent)


def subfolders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, without hidden ones; none if it does not exist.

    Raises:
        StorageError: the folder cannot be read.
    """
    return _subfolders(folder, sorted)


def packed_subfolders(folder: Path) -> PackedNames:
    """The same for a folder with very many, in little memory."""
    return _subfolders(folder, PackedNames.sorted)


def _subfolders(folder: Path, collected: Callable[[Iterable[str]], T]) -> T:
    try:
        with os.scandir(folder) as found:
            return collected(e.name for e in found if not e.name.startswith(".") and e.is_dir())
    except FileNotFoundError:
        return collected(())
    except OSError as cause:
        raise storage_error("read the folder", folder, cause) from cause


def configuration_folders_with(folder: Path, found: Callable[[str], T]) -> Iterator[tuple[str, T]]:
    """The configurations in an experiment's folder, and in folders inside it to which a user moved them.

    Args:
        folder: the experiment's.
        found: for the path of a subfolder, what is wanted of a configuration; something false of any other.

    Yields:
        the path below the experiment's folder, and what was found; sorted, those that were moved last.

    Raises:
        StorageError: a folder cannot be read.
    """
    yield from _configuration_folders_below(
        str(folder), "", found, DEPTH if _is_indexed_folder(folder) else 1, subfolders
    )


def _configuration_folders_below(
    folder: str,
    below: str,
    found: Callable[[str], T],
    depth: int,
    names_in: Callable[[Path], Iterable[str]],
) -> Iterator[tuple[str, T]]:
    groups = []
    for name in names_in(Path(folder)):
        one = found(f"{folder}/{name}")
        if one:
            yield below + name, one
        elif depth > 1 and holds_configuration_folders(f"{folder}/{name}"):
            groups.append(name)
    for name in groups:
        yield from _configuration_folders_below(
            f"{folder}/{name}", f"{below}{name}/", found, depth - 1, names_in
        )


def holds_configuration_folders(folder: str) -> bool:
    """Whether a user may have moved configurations of an experiment into a folder inside its own."""
    if not _may_be_folder_group(folder):
        return False
    if _is_indexed_folder(folder):
        log.warning("%s is an experiment inside another one, and is left out: move it out", folder)
        return False
    return True


def _may_be_folder_group(folder: str) -> bool:
    name = os.path.basename(folder)  # noqa: PTH119 - quicker than Path's
    return not (name in _NO_GROUPS or name.endswith(f"-{PLOTS}") or os.path.islink(folder))  # noqa: PTH114


def _is_indexed_folder(folder: str | Path) -> bool:
    """Whether legm made a folder as that of an experiment."""
    return os.path.exists(f"{folder}/{OWN_FOLDER}/{INDEX}")  # noqa: PTH110 - quicker than Path's


def experiment_paths(root: Path) -> Iterator[str]:
    """The paths of the experiments in a root directory, and in folders inside it to which a user moved them.

    Yields:
        the path below the root directory; sorted, those that were moved last.

    Raises:
        StorageError: the root directory cannot be read.
    """
    groups = []
    for name in subfolders(root):
        if any(True for _ in configuration_paths(root / name)):
            yield name
        elif _may_be_folder_group(f"{root}/{name}"):
            groups.append(name)
    searched = 0
    for _ in range(DEPTH - 1):
        deeper = []
        for group in groups[: _MAX_SEARCHED - searched]:
            with contextlib.suppress(StorageError):  # a folder of somebody else's
                for name in (f"{group}/{one}" for one in subfolders(root / group)):
                    if _is_indexed_folder(root / name) and any(
                        True for _ in configuration_paths(root / name)
                    ):
                        yield name
                    elif _may_be_folder_group(f"{root}/{name}"):
                        deeper.append(name)
        searched += len(groups)
        groups = deeper


def configuration_paths(folder: Path) -> Iterator[str]:
    """The paths of the configurations below an experiment; see :func:`configuration_folders_with`."""
    return (name for name, _ in configuration_folders_with(folder, is_configuration_folder))


def packed_configuration_paths(folder: Path) -> PackedNames:
    """The same, all of them at one moment, in little memory."""
    depth = DEPTH if _is_indexed_folder(folder) else 1
    found = _configuration_folders_below(str(folder), "", is_configuration_folder, depth, packed_subfolders)
    return PackedNames(name for name, _ in found)


def configuration_folders(folder: Path) -> Iterator[Path]:
    """The folder of every configuration at or below a folder: a root directory, an experiment, or itself.

    Raises:
        StorageError: there is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise StorageError(f"there is no folder {folder}")
    if is_configuration_folder(folder):
        yield folder
        return
    found = [folder / name for name in configuration_paths(folder)]
    if found:
        yield from found
        return
    for name in experiment_paths(folder):
        yield from (folder / name / one for one in configuration_paths(folder / name))
