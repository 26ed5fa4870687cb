"""Marks runs that are stored: tags and notes, in the files beside the run logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from legm.records import RunMarks
from legm.runlog.log_folder import LogFolder, find_run_log
from legm.runlog.marks_files import change_marks, read_marks

__all__ = ["mark_stored_run", "stored_marks"]


def stored_marks(root: Path, run: str) -> tuple[str, RunMarks]:
    """The id of a run, and what is noted about it.

    Args:
        root: the root directory.
        run: as :func:`legm.runlog.log_folder.find_run_log` takes it.

    Raises:
        ParameterError: no run has this id, or several do.
        StorageError: the marks cannot be read.
    """
    path = find_run_log(root, run)
    return path.stem, read_marks(LogFolder.containing(path), path.stem)


def mark_stored_run(root: Path, run: str, change: Callable[[RunMarks], RunMarks]) -> tuple[str, RunMarks]:
    """Change what is noted about a run, whether it is running or not.

    Args:
        root: the root directory.
        run: as :func:`legm.runlog.log_folder.find_run_log` takes it.
        change: makes the new marks of the old ones.

    Returns:
        the run's id, and its new marks.

    Raises:
        ParameterError: no run has this id, or several do.
        InvalidName: one is not a tag.
        StorageError: the marks cannot be read or written.
    """
    path = find_run_log(root, run)
    return path.stem, change_marks(LogFolder.containing(path), path.stem, change)
