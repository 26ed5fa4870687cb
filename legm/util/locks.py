"""Lock files: one writer at a time, on this machine or on the shared file system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from legm.errors import StorageError, storage_error

__all__ = ["locked"]

_PATIENCE = 120.0  # seconds that a lock is waited for


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Exclude every other writer, on this machine or on the shared file system, by a lock file.

    Raises:
        StorageError: the lock file cannot be made, or somebody holds it for minutes.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=_PATIENCE, poll_interval=0.005)
    try:
        lock.acquire()
    except Timeout as cause:
        raise StorageError(
            f"{path} has been locked by another process for {_PATIENCE:.0f} s: end that one"
        ) from cause
    except OSError as cause:
        raise storage_error("make the lock", path, cause) from cause
    try:
        yield
    finally:
        lock.release()
