"""Marks runs that are stored: tags and notes, in the files beside the run logs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from legm.delivery.backlog import unchosen_target_problem
from legm.delivery.client import BackendClient
from legm.delivery.registry import find_backend_by_stored_name, make_backend
from legm.delivery.trusted import is_trusted, trusted_target_text
from legm.errors import BackendError, LegmError
from legm.hooks import Capability
from legm.records import RunMarks
from legm.runlog.file_names import OWN_FOLDER
from legm.runlog.log_folder import LogFolder, find_run_log
from legm.runlog.log_reader import read_log_head
from legm.runlog.marks_files import change_marks, read_marks

__all__ = ["mark_stored_run", "stored_marks"]

log = logging.getLogger(__name__)


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
    logs = LogFolder.containing(path)
    before = read_marks(logs, path.stem)
    marks = change_marks(logs, path.stem, change)
    if marks != before and not logs.is_open(path):  # a pending run's backends receive them when it is closed
        _write_to_backends(path, before, marks)
    return path.stem, marks


def _write_to_backends(path: Path, before: RunMarks, marks: RunMarks) -> None:
    """Store marks in the backends of a run that keep them; a failure of one is logged."""
    folder = LogFolder.containing(path).folder.parent
    root = folder.parent.parent.parent if folder.parent.parent.name == OWN_FOLDER else folder.parent.parent
    known = read_log_head(path)
    for name, options in known.backends.items():
        try:
            if not is_trusted(name, options):
                raise BackendError(unchosen_target_problem(trusted_target_text(name, options)))
            client = BackendClient(make_backend(find_backend_by_stored_name(name), root, options), root)
            if client.supports(Capability.MARKS):
                client.write_marks(known.run, before, marks)
        except LegmError as error:
            log.error("the backend %r does not have what was noted: %s", name, error)  # noqa: TRY400
