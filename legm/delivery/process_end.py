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
from typing import Any, NoReturn

from legm.delivery.run_session import RunSession
from legm.errors import LegmError
from legm.records import Outcome, Status

__all__ = ["PROCESS_END", "ProcessEnd", "at_process_end", "is_normal_process_end"]

log = logging.getLogger(__name__)


def is_normal_process_end(error: BaseException) -> bool:
    """Whether an exception only ends the process, without an error: ``sys.exit()`` or ``sys.exit(0)``."""
    return isinstance(error, SystemExit) and error.code in (None, 0)


def at_process_end(call: Any) -> None:
    """Call at the end of the process while threads can still start: since 3.12 atexit is too late."""
    register = getattr(threading, "_register_atexit", atexit.register)
    register(call)


class ProcessEnd:
    """Ends the runs that are still open when this process ends.

    Python does not tell how a process ends, so ``sys.exit`` is wrapped to note the exit code.
    """

    def __init__(self) -> None:
        self._open: weakref.WeakSet[RunSession] = weakref.WeakSet()
        self._is_watching = False
        self._exit_code: object = None
        self._exit_time = 0.0

    def watch(self, session: RunSession) -> None:
        """End a run with the process, unless it is released or dropped before."""
        if not self._is_watching:
            self._is_watching = True
            self._note_exit_code()
            at_process_end(self._end_unless_child)
            atexit.register(self.end)
        self._open.add(session)

    def _note_exit_code(self) -> None:
        leave = sys.exit

        def noting(status: Any = None, /) -> NoReturn:
            if threading.current_thread() is threading.main_thread():
                self._exit_code, self._exit_time = status, time.time()
            leave(status)

        sys.exit = noting

    def _end_unless_child(self) -> None:
        """End the runs, but not yet in a child of multiprocessing, whose exit code is not known yet."""
        processes = sys.modules.get("multiprocessing.process")
        if processes is None or processes.parent_process() is None:
            self.end()

    def end(self) -> None:
        """End every open run of this process."""
        for session in sorted(self._open, key=lambda one: one.run.run_id):
            if session.recorder.is_own_process and not session.is_released:
                error = self._error(session.recorder.last_time)
                status = Status.COMPLETED if error is None else Status.FAILED
                try:
                    session.end(Outcome(status, time.time(), error))
                except LegmError as problem:
                    log.error("the run %s could not be ended: %s", session.run.run_id, problem)  # noqa: TRY400

    def _error(self, last_time: float) -> str | None:
        """What ended the process: an exception that nothing caught, or an exit code other than 0."""
        error = getattr(sys, "last_value", None)
        if error is not None and not hasattr(sys, "ps1"):  # at a prompt the session continues after an error
            return f"{type(error).__name__}: {error}"
        if self._exit_code not in (None, 0) and self._exit_time >= last_time:  # otherwise it was caught
            return f"SystemExit: {self._exit_code}"
        return None


PROCESS_END = ProcessEnd()
