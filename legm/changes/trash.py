"""What commands changed or deleted: a folder for each of them, until a user empties the trash.

``<root>/.legm/trash/<id>/<id>.jsonl`` is the command's journal, which says what was there before. Below
``files/`` is what was below the root directory, by the same paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from legm.changes.journal import Journal
from legm.errors import LegmError, ParameterError, closest, storage_error
from legm.media.content_files import delete_unused_contents
from legm.runlog.configuration_folders import experiment_paths, refuse_folder_links
from legm.runlog.file_names import JOURNAL_SUFFIX, LOG_SUFFIX, OWN_FOLDER, RUNS, TRASH, TRASHED_FILES
from legm.runlog.log_folder import find_logs
from legm.util.atomic_files import delete_folder

__all__ = [
    "TrashContent",
    "TrashItem",
    "empty_trash",
    "find_trash_item",
    "is_own_path",
    "keep_folder_without_runs",
    "keep_in_trash",
    "move_path",
    "runs_left_in_trash",
    "trash_folder",
    "trash_items",
    "trashed_path",
]


class TrashContent(NamedTuple):
    """How much one command left in the trash.

    Args:
        runs: how many runs it changed or deleted; None where that is not known.
        size: bytes of its files.
    """

    runs: int | None
    size: int


@dataclass(frozen=True, slots=True)
class TrashItem:
    """What one command left in the trash.

    Args:
        folder: where it is.
        title: what the command did.
        time: when, in seconds since 1970.
        problem: why its journal cannot be read, so that nothing of it can be brought back; None where it can.
    """

    folder: Path
    title: str
    time: float
    problem: LegmError | None = None

    @property
    def name(self) -> str:
        """The id of the command."""
        return self.folder.name

    @property
    def journal(self) -> Journal:
        """The command's journal."""
        return _trash_journal_in(self.folder)

    def content(self) -> TrashContent:
        """How much it is, read anew; of a damaged journal the runs are not known."""
        size = sum(one.lstat().st_size for one in self.folder.rglob("*") if one.is_file())
        try:
            return TrashContent(self.journal.count_runs(), size)
        except LegmError:
            return TrashContent(None, size)


def trash_folder(root: Path, name: str) -> Path:
    """The folder of what a command leaves in the trash."""
    folder = root / OWN_FOLDER / TRASH / name
    refuse_folder_links(folder.parent, folder)
    return folder


def trashed_path(name: str, path: str) -> str:
    """Where a path below the root directory is in the trash, below the root directory too."""
    return f"{OWN_FOLDER}/{TRASH}/{name}/{TRASHED_FILES}/{path}"


def keep_in_trash(root: Path, name: str, path: Path) -> Path | None:
    """Move a file or folder to the trash; returns where it is then, None where there is none any more.

    Raises:
        StorageError: it cannot be moved.
    """
    trash_folder(root, name)
    kept = root / trashed_path(name, path.relative_to(root).as_posix())
    number = 1
    free = kept
    while free.exists():  # of an earlier attempt
        free = kept.with_name(f"{kept.name}~{number}")
        number += 1
    try:
        free.parent.mkdir(parents=True, exist_ok=True)
        path.rename(free)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise storage_error("move to the trash", path, cause) from cause
    return free


def keep_folder_without_runs(root: Path, name: str, folder: Path) -> None:
    """Move a folder in which there is no run to the trash, and back where one began in it just now.

    Raises:
        StorageError: it cannot be moved.
    """
    kept = keep_in_trash(root, name, folder)
    if kept is not None and any(_logs_in(kept)):
        move_path(kept, folder)


def runs_left_in_trash(root: Path, name: str) -> set[str]:
    """The runs that only what a command left in the trash has."""
    left = {path.stem for path in _logs_in(trash_folder(root, name) / TRASHED_FILES)}
    return left - {path.stem for path in find_logs(root)} if left else left


def _logs_in(folder: Path) -> Iterator[Path]:
    """The run logs in a folder, however deep."""
    return (path for path in folder.rglob(f"*{LOG_SUFFIX}") if RUNS in path.parts[-3:-1])


def is_own_path(root: Path, path: Path) -> bool:
    """Whether a path is in legm's own folder of a root directory, such as in the trash."""
    return path.is_relative_to(root / OWN_FOLDER)


def move_path(path: Path, now: Path) -> None:
    """Rename a file or folder; nothing where it is not there any more, or was moved before.

    Raises:
        StorageError: it cannot be renamed.
    """
    if not path.exists() or now.exists():
        return
    refuse_folder_links(now.parent)
    try:
        now.parent.mkdir(parents=True, exist_ok=True)
        path.rename(now)
    except OSError as cause:
        raise storage_error("move to", now, cause) from cause


def _trash_journal_in(folder: Path) -> Journal:
    return Journal(folder / f"{folder.name}{JOURNAL_SUFFIX}")


def trash_items(root: Path) -> list[TrashItem]:
    """What is in the trash of a root directory, oldest first; what is damaged says so.

    Raises:
        StorageError: the trash cannot be read.
    """
    folder = root / OWN_FOLDER / TRASH
    refuse_folder_links(folder)
    found = []
    for path in sorted(folder.glob("*")):
        journal = _trash_journal_in(path)
        if path.is_symlink() or not journal.path.is_file():
            continue
        try:
            header = journal.header()
        except LegmError as error:
            found.append(TrashItem(path, f"damaged: {error}", 0.0, error))
        else:
            found.append(TrashItem(path, header["title"], header["time"]))
    return found


def find_trash_item(root: Path, name: str) -> TrashItem:
    """What a command with this id, or the end of it, left in the trash.

    Raises:
        ParameterError: there is none, or there are several.
    """
    items = {one.name: one for one in trash_items(root)}
    found = [known for known in items if name and known.endswith(name)]
    if len(found) != 1:
        several = f"{len(found)} ids in the trash end in {name!r}" if found else f"the trash has no {name!r}"
        raise ParameterError(f"{several}; {closest(name, found or items)}")
    return items[found[0]]


def empty_trash(root: Path) -> int:
    """Delete what is in the trash of a root directory; returns how many commands had left something.

    Raises:
        StorageError: something cannot be deleted.
    """
    folder = root / OWN_FOLDER / TRASH
    refuse_folder_links(folder)
    found = [path for path in sorted(folder.glob("*")) if path.is_dir() and not path.is_symlink()]
    for path in found:
        delete_folder(path)
    for name in experiment_paths(root) if found else ():
        delete_unused_contents(root / name)
    return len(found)
