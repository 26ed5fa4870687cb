"""Calls in a forked process, while this one does something else."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable

__all__ = ["ForkedCall", "ForkedLines", "number_of_forked_processes"]

_MOST_PROCESSES = 8


def number_of_forked_processes() -> int:
    """How many processes may share work: one where there is another thread, which no fork survives."""
    if threading.active_count() > 1 or not hasattr(os, "sched_getaffinity"):
        return 1
    return min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)


class ForkedCall:
    """A call in a forked process; as a context manager, it is ended if nobody waited for it.

    Args:
        call: what to call there; its bytes are the result.
    """

    def __init__(self, call: Callable[[], bytes]) -> None:
        self._begin(lambda: (call(),))

    def _begin(self, pieces: Callable[[], Iterable[bytes]]) -> None:
        self._output, answer = os.pipe()
        self._is_running = True
        with warnings.catch_warnings():  # of the threads of libraries, which no such call uses
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if self._process == 0:
            os.close(self._output)  # so that writing fails once nobody reads
            _answer_forked_call(pieces, answer)
        os.close(answer)

    def __enter__(self) -> ForkedCall:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def result(self) -> bytes | None:
        """What the call returned, when it has; None where it failed or was killed."""
        with os.fdopen(self._output, "rb") as file:
            data = file.read()
        self._output = -1
        self._is_running = False
        return None if os.waitpid(self._process, 0)[1] else data

    def stop(self) -> None:
        """End the process where it has not ended; another thread that waits for its result gets None."""
        if self._is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)

    def end(self) -> None:
        """End the process where it has not ended."""
        if self._is_running:
            self._is_running = False
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        if self._output >= 0:
            os.close(self._output)
            self._output = -1


class ForkedLines(ForkedCall):
    """Lines that a forked process makes one after the other, while this one takes them.

    Args:
        lines: makes them there; each ends with a line feed, and has no other one.
    """

    def __init__(self, lines: Callable[[], Iterable[bytes]]) -> None:
        self._begin(lines)
        self._file = os.fdopen(self._output, "rb")
        self._output = -1

    def next_line(self) -> bytes | None:
        """The next line, once it is there; None where the process failed, or has made all of them."""
        line = self._file.readline()
        return line if line.endswith(b"\n") else None

    def forget(self) -> None:
        """Do not read them in this process, which was forked later: the other one ends if nobody does."""
        self._file.close()

    def end(self) -> None:
        """End the process where it has not ended."""
        self._file.close()
        super().end()


def _answer_forked_call(pieces: Callable[[], Iterable[bytes]], answer: int) -> None:
    code = 1
    try:
        with os.fdopen(answer, "wb") as file:
            file.writelines(pieces())
        code = 0
    except BaseException:  # noqa: BLE001, S110 - whoever waits calls it himself, which raises it
        pass
    finally:
        os._exit(code)
