"""What becomes of open runs when their process ends: completed, or failed after an error or by exit code.

A process that is killed runs none of this: its runs are interrupted.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable

from legm.delivery.run_session import RunSession, completion_command
from legm.errors import LegmError
from legm.records import Outcome, Status
from legm.util.process_exit import PROCESS_EXIT, UNKNOWN_EXIT, is_success

__all__ = [
    "PROCESS_END",
    "ProcessEnd",
    "at_process_end",
    "has_awaited_threads",
    "is_normal_process_end",
    "status_at_process_end",
]

log = logging.getLogger(__name__)

_WAITING = "end-of-runs"  # the name of threads that wait for others to end


def is_normal_process_end(error: BaseException) -> bool:
    """Whether an exception only ends the process, without an error: ``sys.exit()`` or ``sys.exit(0)``."""
    return isinstance(error, SystemExit) and is_success(error.code)


def at_process_end(call: Callable[[], object]) -> None:
    """Call at the end of the process while threads can still start: since 3.12 atexit is too late.

    What is to be called then may still be needed by other threads: the process ends when those that are not
    daemons have ended. What was given last is called first.
    """
    _CALLS_AT_END.add(call)


class _CallsAtEnd:
    """Makes calls when the process ends: at once or, where it waits for other threads, after these."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []
        self._may_wait = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, call: Callable[[], object]) -> None:
        """Add a call; the first one begins to watch for the end."""
        if not self._calls:
            register = getattr(threading, "_register_atexit", atexit.register)
            register(self._end)
            if sys.version_info[:2] == (3, 12):  # where no thread can start any more when the process ends
                self._start_thread()
        self._calls.append(call)

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._wait_and_call, name=_WAITING)
        self._thread.start()

    def _end(self) -> None:
        is_waiting = self._thread is not None and self._thread.is_alive()  # not in a child that was forked
        if not _awaited_threads():
            self._call_all()
        elif not is_waiting:
            try:
                self._start_thread()
            except RuntimeError:
                self._call_all()
        self._may_wait.set()

    def _wait_and_call(self) -> None:
        self._may_wait.wait()
        while awaited := _awaited_threads():  # which may begin others
            for thread in awaited:
                thread.join()
        self._call_all()

    def _call_all(self) -> None:
        while self._calls:
            call = self._calls.pop()
            try:
                call()
            except Exception:  # the other ones are made all the same
                log.exception("what was to be done at the end of the process failed")


_CALLS_AT_END = _CallsAtEnd()


def has_awaited_threads() -> bool:
    """Whether there are threads for which the process waits at its end."""
    return bool(_awaited_threads())


def _awaited_threads() -> list[threading.Thread]:
    """The threads that run and that the process waits for, but for the main one and those that wait here."""
    return [
        one
        for one in threading.enumerate()
        if one.is_alive() and not one.daemon and one.name != _WAITING and one is not threading.main_thread()
    ]


def status_at_process_end(error: str | None) -> Status:
    """The status of a run that was open when its process ended.

    Args:
        error: what ended the process; None for a normal end.
    """
    if error is None:
        return Status.COMPLETED
    return Status.INTERRUPTED if error == UNKNOWN_EXIT else Status.FAILED


class ProcessEnd:
    """Ends the runs that are still open when this process ends."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[RunSession] = weakref.WeakSet()
        self._is_watching = False
        self._ending = threading.Lock()

    def watch(self, session: RunSession) -> None:
        """End a run with the process, unless it is released or dropped before."""
        if not self._is_watching:
            self._is_watching = True
            PROCESS_EXIT.watch()
            at_process_end(self._end_unless_child)
            atexit.register(self.end)
        self._open.add(session)

    def _end_unless_child(self) -> None:
        """End the runs, but not yet in a child of multiprocessing, whose exit code is not known yet."""
        processes = sys.modules.get("multiprocessing.process")
        if processes is None or processes.parent_process() is None:
            self.end()

    def end(self) -> None:
        """End every open run of this process."""
        with self._ending:  # where Ctrl-C ends the waiting for threads, the main one does it too
            self._end_each()

    def _end_each(self) -> None:
        for session in sorted(self._open, key=lambda one: one.run.run_id):
            if session.recorder.is_own_process and not session.is_released:
                error = PROCESS_EXIT.error(session.recorder.last_time)
                status = status_at_process_end(error)
                if error == UNKNOWN_EXIT:
                    log.warning(
                        "the run %s is interrupted: %s. Call sys.exit() or log(); `%s` completes the run",
                        session.run.run_id,
                        error,
                        completion_command(session.root, session.run.run_id),
                    )
                try:
                    session.end(Outcome(status, time.time(), error))
                except LegmError as problem:
                    log.error("the run %s could not be ended: %s", session.run.run_id, problem)  # noqa: TRY400


PROCESS_END = ProcessEnd()
