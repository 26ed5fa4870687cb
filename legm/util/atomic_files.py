"""Small files, written atomically, and folders that are deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from legm.errors import storage_error

__all__ = ["atomic_replacement", "delete_folder", "write_atomically"]


@contextlib.contextmanager
def atomic_replacement(path: Path) -> Iterator[Path]:
    """A temporary file that replaces another one atomically when the block ends without an error.

    Args:
        path: the file that is replaced or created.

    Yields:
        the temporary file, beside it, to be written.

    Raises:
        StorageError: it cannot be written; the file is unchanged.
    """
    temporary = path.with_name(f".{os.urandom(8).hex()}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as cause:
        raise storage_error("write", path, cause) from cause
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file atomically: a reader sees either the old or the new content.

    Args:
        path: the file; its folder must exist.
        data: the new content.
        sync: whether to wait for the disk; whoever writes many files waits once for all of them.

    Raises:
        StorageError: it cannot be written; the file is unchanged.
    """
    temporary = path.with_name(f".{path.name[:60]}.{os.urandom(4).hex()}")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as cause:
        raise storage_error("write", path, cause) from cause


def delete_folder(path: Path) -> None:
    """Delete a folder with everything in it; nothing where there is none.

    Args:
        path: the folder.

    Raises:
        StorageError: it cannot be deleted.
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as cause:
        raise storage_error("delete", path, cause) from cause
