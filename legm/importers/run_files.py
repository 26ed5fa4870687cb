"""The files of a run in a local folder; symbolic links never lead out of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from legm.importers.external_run import ExternalFile
from legm.importers.import_notes import ImportNotes

__all__ = ["run_files_below"]


def run_files_below(
    folder: Path,
    notes: ImportNotes,
    prefix: str = "",
    *,
    what: str = "artifacts",
    follow_links: bool = False,
    is_excluded: Callable[[Path], bool] = lambda _: False,
) -> Iterator[ExternalFile]:
    """The files below a folder, by name; links to folders are not followed.

    Args:
        folder: the folder.
        notes: collects what is left out: links that lead out of the folder, and what is not a file.
        prefix: a prefix for the files' names.
        what: the store's word for files.
        follow_links: whether a link to a file elsewhere counts as that file.
        is_excluded: selects files, and whole folders, that do not belong to the run.
    """
    root = os.path.realpath(folder)
    for parent, names, files in os.walk(folder):
        current = Path(parent)
        links = [name for name in names if (current / name).is_symlink()]
        names[:] = sorted(name for name in names if not is_excluded(current / name))
        for name in sorted([*files, *links]):
            path = current / name
            if is_excluded(path):
                continue
            leads_out = path.is_symlink() and not (follow_links and path.is_file())
            if leads_out and not Path(os.path.realpath(path)).is_relative_to(root):
                notes.add(f"links that lead out of a run's {what} were left out", str(path))
            elif path.is_file():
                yield ExternalFile.from_path(prefix + path.relative_to(folder).as_posix(), path)
            else:
                notes.add(f"{what} that are not files were left out", str(path))
