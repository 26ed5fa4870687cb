"""The files of runs that the server reads, none of which leads out of the folder of its configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from legm.core.naming import short_name
from legm.errors import StorageError, storage_error
from legm.records import RunResult
from legm.runlog.configuration_folders import artifacts_folder
from legm.util.own_files import is_own_file, open_own_file

__all__ = ["OpenedRunFile", "open_run_file", "read_run_file_start", "read_run_patch", "run_patch_path"]

_LARGEST_PATCH = 1 << 20


@dataclass(frozen=True, slots=True)
class OpenedRunFile:
    """A file of a run that is sent as it is read.

    Args:
        file: from its beginning; whoever has it closes it.
        size: in bytes, when it was opened.
    """

    file: BinaryIO
    size: int


def open_run_file(folder: Path, path: Path) -> OpenedRunFile:
    """Open a file of a run.

    Args:
        folder: the configuration's.
        path: the file's.

    Raises:
        StorageError: it is not there or cannot be read, or a link leads to it.
    """
    try:
        file = open_own_file(folder, path)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    return OpenedRunFile(file, os.fstat(file.fileno()).st_size)


def read_run_file_start(folder: Path, path: Path, most: int) -> bytes:
    """The first bytes of a file of a run: all of it where it has no more than these.

    Args:
        folder: the configuration's.
        path: the file's.
        most: how many bytes.

    Raises:
        StorageError: it is not there or cannot be read, or a link leads to it.
    """
    with open_run_file(folder, path).file as file:
        try:
            return file.read(most)
        except OSError as cause:
            raise storage_error("read", path, cause) from cause


def run_patch_path(folder: Path | None, result: RunResult) -> Path | None:
    """The file of the uncommitted changes of a run's code; None where none is kept.

    Args:
        folder: the configuration's.
        result: the run.
    """
    git: Any = result.run.environment.get("git")
    kept = git.get("patch") if isinstance(git, dict) else None
    name = kept.get("file") if isinstance(kept, dict) else None
    if folder is None or not isinstance(name, str) or not name:
        return None
    path = artifacts_folder(folder, result.run.run_id) / short_name(name)
    return path if is_own_file(folder, path) else None


def read_run_patch(folder: Path, path: Path) -> bytes:
    """The uncommitted changes in a file.

    Args:
        folder: the configuration's.
        path: the file's.

    Raises:
        StorageError: they are too many, or cannot be read.
    """
    content = read_run_file_start(folder, path, _LARGEST_PATCH + 1)
    if len(content) > _LARGEST_PATCH:
        raise StorageError(f"{path} has more than {_LARGEST_PATCH:,} bytes")
    return content
