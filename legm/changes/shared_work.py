"""Shares work that may be repeated among processes, which end with the one that began them.

The processes are forked. Each holds a shared lock on a file until it has ended, and whoever finds work that
was interrupted waits for that: a process whose parent was killed ends before its next piece of work.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from legm.errors import StorageError, storage_error
from legm.records import Plain
from legm.util.forked_calls import ForkedCall, ForkedLines

__all__ = ["map_in_order", "share_work", "wait_for_shared_work"]

T = TypeVar("T")
U = TypeVar("U")

_PATIENCE = 120.0  # seconds to wait for processes of a command that was killed


def wait_for_shared_work(lock: Path) -> bool:
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
            with _locked_shared_work(lock, shared=False):
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
def _locked_shared_work(path: Path, *, shared: bool) -> Iterator[None]:
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
    parent = os.getpid()

    def work_in_child(part: Sequence[T]) -> bytes:
        with _locked_shared_work(lock, shared=True):
            return json.dumps(work(_share_while_child_of(parent, part))).encode()

    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(ForkedCall(functools.partial(work_in_child, part))) for part in parts[1:]
        ]
        done: list[dict[str, Any]] = [work(parts[0])]
        for worker, part in zip(workers, parts[1:], strict=True):
            found = worker.result()
            done.append(work(part) if found is None else json.loads(found))
        return done


def map_in_order(
    pieces: Iterable[T],
    work: Callable[[Iterable[T]], Iterator[U]],
    processes: int,
    encode: Callable[[U], Plain],
    decode: Callable[[Any], U],
) -> Iterator[U]:
    """What work that only reads finds of each piece, in their order; several other processes do it.

    Where a process fails, this one looks itself, which raises the error.

    Args:
        pieces: what to look at; they may be gone through several times, and are the same each time.
        work: looks at some of them, and yields what it finds of each.
        processes: how many; with one, nothing is forked.
        encode: makes of what was found what JSON holds.
        decode: the inverse.
    """
    if processes < 2:
        yield from work(pieces)
        return
    parent, workers = os.getpid(), list[ForkedLines]()

    def lines(number: int) -> Iterator[bytes]:
        for earlier in workers:
            earlier.forget()
        part = itertools.islice(pieces, number, None, processes)
        for found in work(_share_while_child_of(parent, part)):
            yield json.dumps(encode(found)).encode() + b"\n"

    with contextlib.ExitStack() as stack:
        for number in range(processes):
            workers.append(ForkedLines(functools.partial(lines, number)))
            stack.callback(workers[-1].end)
        for worker, piece in zip(itertools.cycle(workers), pieces, strict=False):
            line = worker.next_line()
            if line is None:
                yield from work([piece])
            else:
                yield decode(json.loads(line))


def _share_while_child_of(parent: int, pieces: Iterable[T]) -> Iterator[T]:
    for piece in pieces:
        if os.getppid() != parent:
            raise ChildProcessError("the command was killed")
        yield piece
