"""Locks: between processes, by a file; and within a process, for code that may interrupt itself."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from legm.errors import LegmError, StorageError, storage_error

__all__ = ["ReentrySafeLock", "file_lock"]

log = logging.getLogger(__name__)

_TIMEOUT = 120.0  # seconds to wait for a lock


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Exclude every other writer, on this machine or a shared file system, with a lock file.

    Args:
        path: the lock file; its folder must exist.

    Raises:
        StorageError: the lock file or its folder is a link, it cannot be created, or another process holds it
            for two minutes.
    """
    from filelock import FileLock, Timeout

    for one in (path.parent, path):  # in a folder that others made, a link may lead to any file
        if one.is_symlink():
            raise StorageError(
                f"{one} is a link, so that {path.name} would lock another file: delete the link"
            )
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


class ReentrySafeLock:
    """A lock for which code that interrupts its holder need not wait, which would never end.

    A signal handler, a finalizer or a warning hook may run in the middle of anything that its thread does.
    Where :attr:`is_held_here`, it postpones what it would do under the lock. A finalizer or hook may also
    interrupt one of legm's own threads while that has a lock for which the holder of this one waits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[int] = set()
        self._postponed: deque[Callable[[], object]] = deque()

    @property
    def is_held_here(self) -> bool:
        """Whether this thread holds it, or was interrupted while it waited for it."""
        return threading.get_ident() in self._threads

    def postpone(self, call: Callable[[], object]) -> None:
        """Call something as soon as the lock, which this thread holds, is released; an error is logged."""
        self._postponed.append(call)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Exclude every other thread; must not be entered where it is held."""
        try:
            self._threads.add(threading.get_ident())  # first: an interruption may come at once
            with self._lock:
                yield
        finally:
            self._threads.discard(threading.get_ident())
            while self._postponed:
                self._call_postponed()

    def run(self, call: Callable[[], object]) -> None:
        """Call something under the lock: now, or as soon as the code that this interrupts releases it.

        In a thread of legm's own, which is interrupted by whatever calls this, that may be another thread's.
        """
        if self.is_held_here:
            self.postpone(partial(self.run, call))
        elif _is_lock_of_thread():
            self._run_without_waiting(call)
        else:
            with self.held():
                call()

    def _run_without_waiting(self, call: Callable[[], object]) -> None:
        try:
            self._threads.add(threading.get_ident())
            if self._lock.acquire(blocking=False):
                try:
                    call()
                finally:
                    self._lock.release()
            else:
                self.postpone(partial(self.run, call))
        finally:
            self._threads.discard(threading.get_ident())
            while self._postponed and not self._lock.locked():  # else its holder calls them
                self._call_postponed()

    def _call_postponed(self) -> None:
        try:
            self._postponed.popleft()()
        except IndexError:  # another thread took it
            return
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400


def _is_lock_of_thread() -> bool:
    return threading.current_thread().name.startswith("legm-")
