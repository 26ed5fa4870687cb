"""Shares work that may be repeated among processes, which end with the one that began them.

The processes are forked. Each holds a shared lock on a file until it has ended, and whoever finds work that
was interrupted waits for that: a process whose parent was killed ends before its next piece of work.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from legm.errors import StorageError, storage_error
from legm.records import Plain

__all__ = ["number_of_processes", "share_work", "wait_for_workers"]

T = TypeVar("T")

_MOST_PROCESSES = 8
_PATIENCE = 120.0  # seconds to wait for processes of a command that was killed


def number_of_processes() -> int:
    """How many processes may share work: one where there is another thread, which no fork survives."""
    if threading.active_count() > 1 or not hasattr(os, "sched_getaffinity"):
        return 1
    return min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)


def wait_for_workers(lock: Path) -> bool:
    """Wait until no process of a command that was killed works any more.

    Args:
        lock: the file that they hold.

    Returns:
        whether work may be shared: whether the file system has locks for that.

    Raises:
        StorageError: one works on for two minutes, or the file cannot be opened.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with _locked(lock, shared=False):
                return True
        except BlockingIOError:
            if time.monotonic() > until:
                raise StorageError(
                    f"{lock} is in use by a process of a command that was interrupted: end that process"
                ) from None
            time.sleep(0.01)
        except ImportError:  # Windows, where nothing is forked
            return False
        except FileNotFoundError as cause:
            raise storage_error("open", lock, cause) from cause
        except OSError:
            return False


@contextlib.contextmanager
def _locked(path: Path, *, shared: bool) -> Iterator[None]:
    """Hold a file.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the file system has no locks.
    """
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def share_work(
    pieces: Sequence[T], work: Callable[[Iterable[T]], dict[str, Plain]], lock: Path, processes: int
) -> list[dict[str, Any]]:
    """Do pieces of work in several processes, of which this is one.

    Where a process fails, its pieces are done again here, which raises the error.

    Args:
        pieces: what is to be done, in any order.
        work: does some of it, and returns what JSON holds; each piece may be repeated.
        lock: the file that the processes hold while they work.
        processes: how many.

    Returns:
        what the work returned, of each process.
    """
    parts = [pieces[start::processes] for start in range(processes)]
    workers: list[_Worker] = []
    try:
        workers += [_Worker.begin(part, work, lock) for part in parts[1:]]
        done: list[dict[str, Any]] = [work(parts[0])]
        for worker, part in zip(workers, parts[1:], strict=True):
            found = worker.result()
            done.append(work(part) if found is None else found)
        return done
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process that does a part of the work.

    Args:
        process: its id.
        output: the descriptor of what it returns.
    """

    def __init__(self, process: int, output: int) -> None:
        self._process = process
        self._output = output
        self._is_running = True

    @staticmethod
    def begin(part: Sequence[T], work: Callable[[Iterable[T]], dict[str, Plain]], lock: Path) -> _Worker:
        """Fork a process."""
        output, answer = os.pipe()
        parent = os.getpid()
        with warnings.catch_warnings():  # of the threads of libraries, which no work here uses
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            code = 1
            try:
                with _locked(lock, shared=True):
                    data = json.dumps(work(_while_child_of(parent, part))).encode()
                    with os.fdopen(answer, "wb") as file:
                        file.write(data)
                code = 0
            except BaseException:  # noqa: BLE001, S110 - the parent does the same, and raises it
                pass
            finally:
                os._exit(code)
        os.close(answer)
        return _Worker(process, output)

    def result(self) -> dict[str, Any] | None:
        """What the process returned; None where it failed."""
        with os.fdopen(self._output, "rb") as file:
            data = file.read()
        self._output = -1
        self._is_running = False
        if os.waitpid(self._process, 0)[1]:
            return None
        found: dict[str, Any] = json.loads(data)
        return found

    def end(self) -> None:
        """End the process where it has not ended: its work may be repeated."""
        if self._is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        if self._output >= 0:
            os.close(self._output)


def _while_child_of(parent: int, pieces: Iterable[T]) -> Iterator[T]:
    for piece in pieces:
        if os.getppid() != parent:
            raise ChildProcessError("the command was killed")
        yield piece
