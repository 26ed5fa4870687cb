"""Where there are event files: those of other stores, and of legm's own runs, are not looked for."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from legm.importers.legm_root import is_configuration_file
from legm.importers.notes import Notes

__all__ = ["event_folders", "is_event_file", "is_skipped_folder"]

_EVENT_FILE_NAME = re.compile(r"tfevents\.(\d+)")
_STORE_NAMES = frozenset({"mlruns", "mlartifacts", "wandb"})


def is_event_file(path: Path) -> bool:
    """Whether TensorBoard takes a file of this name for an event file."""
    return "tfevents" in path.name


def is_other_store(folder: Path) -> bool:
    """Whether a folder is another store's, or that of a configuration of legm's."""
    return folder.name in _STORE_NAMES or is_configuration_file(folder / "params.yml")


def is_skipped_folder(folder: Path) -> bool:
    """Whether what is in a folder below the source is not looked at."""
    return folder.name[:1] == "." or is_other_store(folder)


def event_folders(root: Path, notes: Notes) -> Iterator[tuple[Path, list[Path]]]:
    """The folders that hold event files, nearest ones first, each with them in the order of their start.

    Links are not followed.

    Args:
        root: where to look.
        notes: takes what is left out.
    """
    folders = deque([root])
    while folders:
        folder = folders.popleft()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda one: one.name)
        except OSError as error:
            notes.add(f"folders that cannot be read: {error.strerror}", str(folder))
            continue
        files = []
        for entry in found:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if not is_skipped_folder(path):
                    folders.append(path)
            elif is_event_file(path) and entry.is_file(follow_symlinks=False):
                files.append(path)
            elif is_event_file(path) or (entry.is_symlink() and path.is_dir()):
                notes.add("links, which may lead anywhere, were left out", str(path))
        if files:
            yield folder, sorted(files, key=_start_order)


def _start_order(path: Path) -> tuple[int, list[str | int]]:
    """When a file was begun by its name: whole seconds, and the rest, in which writers count their files."""
    found = _EVENT_FILE_NAME.search(path.name)
    pieces = re.split(r"(\d+)", path.name)
    rest = [int(piece[:20]) if at % 2 else piece for at, piece in enumerate(pieces)]
    return int(found[1][:20]) if found else 0, rest
