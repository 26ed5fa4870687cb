"""Finding folders of event files, except for those of other stores and of legm's own runs."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from legm.backends.mlflow.names import ARTIFACTS_FOLDER
from legm.importers.import_notes import ImportNotes
from legm.importers.legm_root import is_legm_root_file
from legm.runlog.file_names import PARAMETERS_FILE

__all__ = ["event_folders", "is_event_file", "is_skipped_event_folder"]

_EVENT_FILE_NAME = re.compile(r"tfevents\.(\d+)")
_STORE_NAMES = frozenset({"mlruns", ARTIFACTS_FOLDER, "wandb"})


def is_event_file(path: Path) -> bool:
    """Whether a file is an event file: by its name, as for TensorBoard, unless a text is in it.

    An event file begins with a length of eight bytes, of which some are always zero.
    """
    if "tfevents" not in path.name:
        return False
    if path.is_symlink() or not path.is_file():
        return True
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return True
    return len(head) < 8 or b"\0" in head


def is_other_store_folder(folder: Path) -> bool:
    """Whether a folder belongs to another store, or to a configuration of legm."""
    return folder.name in _STORE_NAMES or is_legm_root_file(folder / PARAMETERS_FILE)


def is_skipped_event_folder(folder: Path) -> bool:
    """Whether a folder below the source is not searched."""
    return folder.name[:1] == "." or is_other_store_folder(folder)


def event_folders(root: Path, notes: ImportNotes) -> Iterator[tuple[Path, list[Path]]]:
    """The folders that contain event files, nearest first, each with its files in the order of their start.

    Links are not followed.

    Args:
        root: the folder to search.
        notes: collects what is left out.
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
                if not is_skipped_event_folder(path):
                    folders.append(path)
            elif is_event_file(path) and entry.is_file(follow_symlinks=False):
                files.append(path)
            elif is_event_file(path) or (entry.is_symlink() and path.is_dir()):
                notes.add("links, which may lead anywhere, were left out", str(path))
        if files:
            yield folder, sorted(files, key=_event_file_order)


def _event_file_order(path: Path) -> tuple[int, list[str | int]]:
    """A sort key from a file's name: the second it was started, then the writer's own file counters."""
    found = _EVENT_FILE_NAME.search(path.name)
    pieces = re.split(r"(\d+)", path.name)
    rest = [int(piece[:20]) if at % 2 else piece for at, piece in enumerate(pieces)]
    return int(found[1][:20]) if found else 0, rest
