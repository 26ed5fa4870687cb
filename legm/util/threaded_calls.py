"""The same call for many arguments, shared by a few threads."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["call_in_threads"]

A = TypeVar("A")
R = TypeVar("R")

_MOST_THREADS = 4


def call_in_threads(function: Callable[[A], R], arguments: Sequence[A]) -> list[R]:
    """Call a function for each argument, in as many threads as there are processors, and at most four.

    That is quicker where most of its time goes by in what lets other threads work, such as zlib and NumPy.

    Args:
        function: the function; several threads call it at once.
        arguments: its arguments.

    Returns:
        the results, in the order of the arguments.

    Raises:
        BaseException: the first one that a call raised, once all threads have ended.
    """
    waiting = deque(range(len(arguments)))
    results: dict[int, R] = {}
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while (at := _next_of(waiting)) is not None:
                results[at] = function(arguments[at])
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that asked
            waiting.clear()
            errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(_processors() - 1)]
    begun = [thread for thread in threads if _has_begun(thread)]
    work()
    for thread in begun:
        thread.join()
    if errors:
        raise errors[0]
    return [results[at] for at in range(len(arguments))]


def _processors() -> int:
    every = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(every, _MOST_THREADS)


def _next_of(waiting: deque[int]) -> int | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _has_begun(thread: threading.Thread) -> bool:
    """Begin a thread, where the interpreter still lets one begin: not when it ends."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True
