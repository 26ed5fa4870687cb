"""The files with what users note about runs: ``runs/<run id>.marks.yml``, which may be edited by hand."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from legm.core.run_marks import joined_marks, marks_as_dict, marks_from_dict, merged_marks
from legm.errors import CorruptFile, LegmError, StorageError, storage_error
from legm.records import RunMarks, RunResult, is_record_file_name
from legm.runlog.configuration_folders import experiment_folder_of_configuration
from legm.runlog.file_names import MARKED, MARKS_LOCK, MARKS_SUFFIX, OWN_FOLDER, RUNS
from legm.runlog.log_folder import LogFolder
from legm.util.atomic_files import write_atomically
from legm.util.locks import file_lock
from legm.util.yaml_files import parse_yaml

__all__ = [
    "change_marks",
    "has_marks",
    "has_marks_file",
    "marks_in_folder",
    "may_have_marks",
    "note_found_marks",
    "read_all_marks",
    "read_marks",
    "result_with_marks",
    "runs_with_marks",
]

log = logging.getLogger(__name__)

_MAX_BYTES = 1 << 20
_FEW = 1000  # configurations
_HEAD = "# What users note about this run: tags, and a note. This file may be edited.\n"


def _marks_path(logs: LogFolder, run_id: str) -> Path:
    if not is_record_file_name(f"{run_id}{MARKS_SUFFIX}"):  # an id from a file made by others
        raise StorageError(f"{run_id!r} is not the id of a run")
    return logs.folder / f"{run_id}{MARKS_SUFFIX}"


def read_marks(logs: LogFolder, run_id: str) -> RunMarks:
    """What is noted about a run; empty marks where nothing is.

    Raises:
        CorruptFile: the file does not hold marks.
        StorageError: it cannot be read.
    """
    path = _marks_path(logs, run_id)
    try:
        if path.is_symlink():
            raise StorageError(f"{path} is a link, which is not followed: delete it")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return RunMarks()
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if len(data) > _MAX_BYTES:
        raise StorageError(f"{path} has more than {_MAX_BYTES:,} bytes")
    try:
        return marks_from_dict(parse_yaml(path, data) or {})
    except ValueError as error:
        raise CorruptFile(path, "line 1", str(error), "Correct the file, or delete it.") from error


def read_all_marks(logs: LogFolder) -> dict[str, RunMarks]:
    """By run id, what is noted about the runs of a configuration; what cannot be read is logged."""
    try:
        names = os.listdir(logs.folder)  # noqa: PTH208 - faster than Path's
    except OSError:  # the folder does not exist or is not readable
        return {}
    found = {}
    for run_id in (name.removesuffix(MARKS_SUFFIX) for name in names if name.endswith(MARKS_SUFFIX)):
        try:
            found[run_id] = read_marks(logs, run_id)
        except LegmError as error:
            log.warning("tags and notes are left out: %s", error)
    return found


def marks_in_folder(folder: str) -> dict[str, RunMarks]:
    """By run id, what is noted about the runs in a configuration's folder; quick where nothing is.

    Args:
        folder: the configuration's; nothing is noted in a folder that does not exist.
    """
    return read_all_marks(LogFolder.of(Path(folder))) if has_marks(folder) else {}


def has_marks(folder: str) -> bool:
    """Whether something is noted about a run in a configuration's folder."""
    try:
        names = os.listdir(f"{folder}/{RUNS}")  # noqa: PTH208 - faster than Path's, for ten thousand folders
    except OSError:
        return False
    return has_marks_file(names)


def has_marks_file(names: Iterable[str]) -> bool:
    """Whether something is noted about a run, by the names of the files beside the run logs."""
    return any([name.endswith(MARKS_SUFFIX) for name in names])  # noqa: C419 - a list is quicker


def may_have_marks(experiment: str, configurations: int) -> bool:
    """Whether the folders of an experiment are worth asking each, which takes long for many thousands.

    Args:
        experiment: its folder.
        configurations: how many it has.

    Returns:
        False for a large one in which nothing was ever noted.
    """
    return configurations <= _FEW or Path(experiment, OWN_FOLDER, MARKED).exists()


def note_found_marks(experiment: Path) -> None:
    """Note in an experiment's folder that something is noted about runs in it, maybe moved there."""
    _note_marks_in_folder(experiment / OWN_FOLDER)


def runs_with_marks(runs: Iterable[RunResult], logs: LogFolder) -> Iterator[RunResult]:
    """Runs of a configuration, each with what is noted about it."""
    marks = read_all_marks(logs)
    for run in runs:
        own = marks.get(run.run.run_id)
        yield run if own is None else replace(run, marks=merged_marks(own, run.marks, run.sent_marks))


def result_with_marks(result: RunResult, logs: LogFolder) -> RunResult:
    """A run with what is noted about it beside its log and in its result; what cannot be read is logged."""
    try:
        return replace(result, marks=joined_marks(read_marks(logs, result.run.run_id), result.marks))
    except LegmError as error:
        log.warning("tags and notes are left out: %s", error)
        return result


def change_marks(logs: LogFolder, run_id: str, change: Callable[[RunMarks], RunMarks]) -> RunMarks:
    """Change what is noted about a run, while no other process does.

    Args:
        logs: of the run's configuration.
        run_id: the run's id.
        change: makes the new marks of the old ones.

    Returns:
        the new marks.

    Raises:
        CorruptFile: the file does not hold marks; it is left as it is.
        StorageError: it cannot be read or written.
    """
    logs.create_folders()
    path = _marks_path(logs, run_id)
    with file_lock(logs.folder / MARKS_LOCK):
        before = read_marks(logs, run_id)
        marks = change(before)
        if marks == RunMarks():
            path.unlink(missing_ok=True)
        elif marks != before:
            import yaml

            text = yaml.safe_dump(marks_as_dict(marks), allow_unicode=True, sort_keys=False)
            write_atomically(path, (_HEAD + text).encode("utf-8", "backslashreplace"))
            _note_marks_in_experiment(logs)
    return marks


def _note_marks_in_experiment(logs: LogFolder) -> None:
    _note_marks_in_folder(experiment_folder_of_configuration(logs.folder.parent) / OWN_FOLDER)


def _note_marks_in_folder(own: Path) -> None:
    marked = own / MARKED
    if own.is_dir() and not (own.is_symlink() or marked.is_symlink()):  # not where the backend has no folders
        with contextlib.suppress(OSError):
            marked.touch()
