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
from typing import Any

from legm.delivery.run_session import RunSession
from legm.errors import LegmError
from legm.records import Outcome, Status
from legm.util.process_exit import PROCESS_EXIT, UNKNOWN_EXIT

__all__ = ["PROCESS_END", "ProcessEnd", "at_process_end", "is_normal_process_end", "status_at_process_end"]

log = logging.getLogger(__name__)

_REMEDY = ". Call sys.exit() or log(); `legm recover --complete RUN` completes the run"


def is_normal_process_end(error: BaseException) -> bool:
    """Whether an exception only ends the process, without an error: ``sys.exit()`` or ``sys.exit(0)``."""
    return isinstance(error, SystemExit) and error.code in (None, 0)


def at_process_end(call: Any) -> None:
    """Call at the end of the process while threads can still start: since 3.12 atexit is too late."""
    register = getattr(threading, "_register_atexit", atexit.register)
    register(call)


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
        for session in sorted(self._open, key=lambda one: one.run.run_id):
            if session.recorder.is_own_process and not session.is_released:
                error = PROCESS_EXIT.error(session.recorder.last_time)
                status = status_at_process_end(error)
                if error == UNKNOWN_EXIT:
                    log.warning("the run %s is interrupted: %s%s", session.run.run_id, error, _REMEDY)
                try:
                    session.end(Outcome(status, time.time(), error))
                except LegmError as problem:
                    log.error("the run %s could not be ended: %s", session.run.run_id, problem)  # noqa: TRY400


PROCESS_END = ProcessEnd()
