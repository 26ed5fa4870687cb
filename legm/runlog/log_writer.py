"""Writes run logs: the lock of a log's only writer, and whole logs at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from legm.errors import LogInUse, storage_error
from legm.records import Record, Run
from legm.runlog.log_frames import HEADER, encode_frames, run_frame
from legm.runlog.log_records import read_log_in_pieces
from legm.util.forks import close_unshared_with_forks, open_unshared_with_forks

__all__ = [
    "RECENTLY",
    "LogWriter",
    "is_log_locked",
    "lock_log_descriptor",
    "logs_being_written",
    "write_run_log",
]

RECENTLY = 2.0  # seconds: a locked log that was written to since then is taken for its writer's
_LOCK_RETRY_DELAYS = (0.002, 0.01, 0.05, 0.0)  # seconds between attempts to lock a log


class LogWriter:
    """The only writer of a run's log, which it locks.

    Args:
        path: the file; its folder must exist.
        create: whether to create a new log; an existing one is truncated after its last complete frame.

    Raises:
        LogInUse: another process is writing it.
        StorageError: the file cannot be written.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        from filelock import lock_descriptor

        self.path = path
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        flags |= os.O_CREAT | os.O_EXCL if create else 0
        try:
            self._fd = open_unshared_with_forks(path, flags)
        except OSError as cause:
            raise storage_error("write the run log", path, cause) from cause
        try:
            if not _try_to_lock_log(self._fd, lock_descriptor):
                raise LogInUse(f"the run log {path} is being written by another process")
            if create:
                self.position = 0
                self._write(HEADER)
            else:
                self.position = read_log_in_pieces(path).end
                os.ftruncate(self._fd, self.position)
                self._set_version()
        except BaseException as cause:
            close_unshared_with_forks(self._fd)
            if create:
                path.unlink(missing_ok=True)
            if isinstance(cause, OSError):
                raise storage_error("write the run log", path, cause) from cause
            raise

    def append(self, *frames: bytes) -> int:
        """Append frames, all or none of them.

        Returns:
            the position after them, in bytes from the start of the file.

        Raises:
            StorageError: they cannot be written; the log is unchanged.
        """
        self._write(b"".join(frames))
        return self.position

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            os.lseek(self._fd, self.position, os.SEEK_SET)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as cause:
            with contextlib.suppress(OSError):  # what remains is an incomplete frame, which readers ignore
                os.ftruncate(self._fd, self.position)
            raise storage_error("write the run log", self.path, cause) from cause
        self.position += len(data)

    def _set_version(self) -> None:
        """Give a log of an earlier version the first line of the current one, which is as long."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        if os.read(self._fd, len(HEADER)) != HEADER:
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, HEADER)

    def sync(self) -> None:
        """Wait until everything is on the disk itself, so that even a power failure loses nothing.

        Raises:
            StorageError: the disk refused.
        """
        try:
            os.fsync(self._fd)
        except OSError as cause:
            raise storage_error("write the run log", self.path, cause) from cause

    def move(self, path: Path) -> None:
        """Move the file to another path; the writer stays open.

        Raises:
            StorageError: it cannot be moved.
        """
        try:
            self.path.replace(path)
        except OSError as cause:
            raise storage_error("move the run log to", path, cause) from cause
        self.path = path

    @property
    def is_at_its_path(self) -> bool:
        """Whether the file is still at its path: a user may have moved or deleted its folder."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))  # noqa: PTH116 - Path has no fstat
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # a file server that does not answer, for example
            return True

    def continue_at(self, path: Path) -> None:
        """Continue in a file at this path: the same file where it was moved there, else a copy of it.

        Raises:
            StorageError: it cannot be read, or the copy not written.
        """
        before, self.path = self.path, path
        if self.is_at_its_path:
            return
        self.path = before
        try:
            os.lseek(self._fd, len(HEADER), os.SEEK_SET)
            with open(self._fd, "rb", closefd=False) as file:
                content = file.read(self.position - len(HEADER))
        except OSError as cause:
            raise storage_error("read the run log", before, cause) from cause
        copy = LogWriter(path, create=True)
        copy._write(content)
        self.close()
        self._fd, self.path, copy._fd = copy._fd, path, -1

    def close(self) -> None:
        """Release the lock and close the file; closing twice does nothing."""
        if self._fd >= 0:
            close_unshared_with_forks(self._fd)
            self._fd = -1


def _try_to_lock_log(fd: int, lock_descriptor: Any) -> bool:
    """Try to lock an open log; repeatedly, since others lock it briefly to check whether it is locked."""
    for wait in _LOCK_RETRY_DELAYS:
        if lock_descriptor(fd, blocking=False):
            return True
        time.sleep(wait)
    return False


def lock_log_descriptor(fd: int) -> bool:
    """Lock an open log as its writer does; returns whether no other process holds it."""
    from filelock import lock_descriptor

    return _try_to_lock_log(fd, lock_descriptor)


def logs_being_written(paths: Iterable[Path], *, recent: float = 0.0) -> set[Path]:
    """The logs that a live process is writing, here or on another machine of a shared file system.

    Args:
        paths: the logs.
        recent: of a log that was written to within so many seconds, one look is enough; of any other one it
            takes several to tell its writer from somebody who looks at the same moment.
    """
    found = set(paths)
    since = time.time() - recent
    sure = (
        {path for path in found if _log_changed(path) >= since and is_log_locked(path)} if recent else set()
    )
    found -= sure
    for wait in _LOCK_RETRY_DELAYS:
        found = {path for path in found if is_log_locked(path)}
        if not found:
            break
        time.sleep(wait)
    return found | sure


def _log_changed(path: Path) -> float:
    """When a log was written to last (s since 1970); long ago for one that is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def is_log_locked(path: Path) -> bool:
    """Whether a log is locked: by its writer, or briefly by another process that checks it."""
    from filelock import lock_descriptor

    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # not writable for this user: then judged by its age
        try:
            return time.time() - path.stat().st_mtime < 60
        except OSError:
            return False
    try:
        return not lock_descriptor(fd, blocking=False)
    finally:
        os.close(fd)


def write_run_log(path: Path, run: Run, records: Iterable[Record]) -> None:
    """Write a new log with a run's records; equal records give an equal file, byte for byte.

    Args:
        path: the file, which must not exist; its folder must.
        run: the run.
        records: all its records, in order.

    Raises:
        StorageError: the file cannot be written.
    """
    writer = LogWriter(path, create=True)
    try:
        writer.append(run_frame(run))
        for frame in encode_frames(records):
            writer.append(frame)
    finally:
        writer.close()
