"""Lock files: one writer at a time, on this machine or a shared file system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from legm.errors import StorageError, storage_error

__all__ = ["file_lock"]

_TIMEOUT = 120.0  # seconds to wait for a lock


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Exclude every other writer, on this machine or a shared file system, with a lock file.

    Args:
        path: the lock file; its folder must exist.

    Raises:
        StorageError: the lock file cannot be created, or another process holds it for two minutes.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=_TIMEOUT, poll_interval=0.005)
    try:
        lock.acquire()
    except Timeout as cause:
        raise StorageError(
            f"{path} has been locked by another process for {_TIMEOUT:.0f} s: end that process"
        ) from cause
    except OSError as cause:
        raise storage_error("create the lock", path, cause) from cause
    try:
        yield
    finally:
        lock.release()
