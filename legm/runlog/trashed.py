"""Says of what is not found that it is in the trash of its root directory, and how it comes back."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from legm.runlog.configuration_folders import DEPTH, configuration_folders
from legm.runlog.file_names import (
    JOURNAL_SUFFIX,
    LOG_SUFFIX,
    OPEN,
    OWN_FOLDER,
    RUNS,
    TRASH,
    TRASHED_FILES,
    log_file_name,
)

__all__ = ["in_trash_text", "missing_folder_text"]

_LEAST_END = 6  # characters of a run's id that may stand for it


def in_trash_text(path: Path) -> str:
    """That a path names what a command deleted, and the command that brings it back.

    Args:
        path: of a configuration's or an experiment's folder, or of one with a run's id behind it, or the end
            of the id; there is nothing of that name.

    Returns:
        the sentence; "" where it is in no trash, or the run is elsewhere now.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - links are not resolved
    if "\0" in str(path) or whole.exists():
        return ""
    for root in list(whole.parents)[: DEPTH + 2]:
        for item in _trash_items_of(root):
            found = _trashed_at(item, whole.relative_to(root))
            if found is not None and (not found or not _is_trashed_anywhere(root, found)):
                command = [
                    "legm",
                    "restore",
                    os.path.relpath(root),
                    item.name,
                    *(["--run", found] if found else []),
                ]
                what = f"the run {found} is" if found else "it is"
                return f"{what} in the trash; {shlex.join(command)} brings it back"
    return ""


def missing_folder_text(folder: Path) -> str:
    """The message that a folder is not there, and whether it is in the trash.

    Args:
        folder: its path.
    """
    trashed = in_trash_text(folder)
    return f"there is no folder {folder}" + (f": {trashed}" if trashed else "")


def _trash_items_of(root: Path) -> Iterator[Path]:
    """What commands left in the trash of a root directory, newest first."""
    own = root / OWN_FOLDER
    if own.is_symlink() or (own / TRASH).is_symlink():
        return
    for item in sorted((own / TRASH).glob("*"), reverse=True):
        if not item.is_symlink() and (item / f"{item.name}{JOURNAL_SUFFIX}").is_file():
            yield item


def _trashed_at(item: Path, path: Path) -> str | None:
    """The id of the run that a path names in the trash; "" for a folder, and None for nothing."""
    files, name = item / TRASHED_FILES, path.name
    if (files / path).is_dir():
        return ""
    if len(name) < _LEAST_END:
        return None
    logs = (
        log.stem
        for log in files.rglob(f"*{glob.escape(name)}{LOG_SUFFIX}")
        if log.parent.name == RUNS or (log.parent.name == OPEN and log.parent.parent.name == RUNS)
    )
    return next(logs, None)


def _is_trashed_anywhere(root: Path, run_id: str) -> bool:
    """Whether a run is still in the root directory, as one that was moved to another configuration."""
    name = log_file_name(run_id)
    return any(
        (folder / RUNS / name).exists() or (folder / RUNS / OPEN / name).exists()
        for folder in configuration_folders(root)
    )
