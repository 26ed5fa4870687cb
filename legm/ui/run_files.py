"""The files of runs that the server reads, none of which leads out of the root directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.core.naming import short_name
from legm.errors import StorageError, storage_error
from legm.records import RunResult
from legm.runlog.configuration_folders import artifacts_folder

__all__ = ["is_own_run_file", "read_run_file", "read_run_patch", "run_patch_path"]

_LARGEST_PATCH = 1 << 20


def is_own_run_file(path: Path) -> bool:
    """Whether a file is in the root directory, and no link that may lead out of it."""
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()


def read_run_file(path: Path, limit: int) -> bytes:
    """The content of a file.

    Args:
        path: the file's.
        limit: how many bytes it may have.

    Raises:
        StorageError: it has more, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if len(data) > limit:
        raise StorageError(f"{path} has more than {limit:,} bytes")
    return data


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
    return path if is_own_run_file(path) else None


def read_run_patch(path: Path) -> bytes:
    """The uncommitted changes in a file.

    Raises:
        StorageError: they are too many, or cannot be read.
    """
    return read_run_file(path, _LARGEST_PATCH)
