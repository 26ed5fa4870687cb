"""Files of runs in folders of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from legm.importers.foreign import ForeignFile
from legm.importers.notes import Notes

__all__ = ["files_below"]


def files_below(folders: Mapping[str, Path], notes: Notes, what: str) -> Iterator[ForeignFile]:
    """The files in some folders, by name; a link that leads out of its folder is left out.

    Args:
        folders: each with the prefix of its files' names.
        notes: takes what is left out.
        what: the store's word for files.
    """
    for prefix, folder in folders.items():
        root = folder.resolve()
        for parent, names, files in os.walk(folder):
            names.sort()
            for name in sorted([*files, *(one for one in names if (Path(parent) / one).is_symlink())]):
                path = Path(parent) / name
                if path.is_symlink() and not path.resolve().is_relative_to(root):
                    notes.add(f"links that lead out of a run's {what} were left out", str(path))
                elif path.is_file():
                    yield ForeignFile.at(prefix + path.relative_to(folder).as_posix(), path)
                else:
                    notes.add(f"{what} that are no regular files were left out", str(path))
