"""Files below a folder that somebody else may have made: read, unless a link on the way leads out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from legm.errors import StorageError, storage_error
from legm.util.given_paths import resolved_path

__all__ = ["is_own_file", "open_own_file"]

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_HAS_FOLDER_DESCRIPTORS = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


def is_own_file(folder: Path, path: Path) -> bool:
    """Whether a path is that of a file, and nothing on it below a folder is a link.

    Args:
        folder: the folder, which may be a link itself.
        path: the path, which begins with the folder's.
    """
    try:
        open_own_file(folder, path).close()
    except (OSError, StorageError):
        return False
    return True


def open_own_file(folder: Path, path: Path) -> BinaryIO:
    """Open a file below a folder for reading; whatever is renamed meanwhile, it is one below that folder.

    Args:
        folder: the folder, which may be a link itself.
        path: the file's path, which begins with the folder's.

    Raises:
        FileNotFoundError: there is no such file.
        StorageError: a part of the path below the folder is a link, it is not a file, or it cannot be read.
    """
    parts = path.relative_to(folder).parts
    if not parts or not {os.curdir, os.pardir}.isdisjoint(parts):
        raise StorageError(f"{path} is not below {folder}")
    try:
        descriptor = _open_below(folder, parts)
    except FileNotFoundError:
        raise
    except OSError as cause:
        _refuse_link(folder, parts, cause)
        raise storage_error("read", path, cause) from cause
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StorageError(f"{path} is not a file")
    return os.fdopen(descriptor, "rb")


def _open_below(folder: Path, parts: tuple[str, ...]) -> int:
    """A descriptor of what is at the end of a path, each part of which is opened in the folder before it."""
    if not _HAS_FOLDER_DESCRIPTORS:
        return _open_resolved(folder, parts)
    above = os.open(folder, _FLAGS | os.O_DIRECTORY)
    try:
        for name in parts[:-1]:
            below = os.open(name, _FLAGS | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
            os.close(above)
            above = below
        return os.open(parts[-1], _FLAGS | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=above)  # no wait for a pipe
    finally:
        os.close(above)


def _open_resolved(folder: Path, parts: tuple[str, ...]) -> int:
    """The same where folders have no descriptors: what was opened is compared with what the path is then."""
    descriptor = os.open(folder.joinpath(*parts), _FLAGS)
    own = resolved_path(folder).joinpath(*parts)
    if resolved_path(own) != own or not os.path.samestat(own.lstat(), os.fstat(descriptor)):
        os.close(descriptor)
        raise OSError(f"{own} is reached through a link")
    return descriptor


def _refuse_link(folder: Path, parts: tuple[str, ...], cause: OSError) -> None:
    """Raise an error that names the link on a path, if there is one."""
    for count in range(1, len(parts) + 1):
        at = folder.joinpath(*parts[:count])
        if at.is_symlink():
            raise StorageError(
                f"{at} is a link, and legm follows none from a configuration's folder to files of its runs: "
                "move its target here"
            ) from cause
