"""What becomes of a run when its machine is about to be taken away, which a signal announces.

Schedulers and spot machines send SIGTERM, or a signal that was asked for (``--signal=USR1@60`` of SLURM), and
kill the process some seconds later.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, TypeAlias

from legm.delivery.run_session import RunSession
from legm.delivery.unrecorded_session import UnrecordedSession
from legm.errors import LegmError, ParameterError, StateError, closest
from legm.records import Outcome, Status

__all__ = ["SIGNALS", "watch_preemption"]

log = logging.getLogger(__name__)

CurrentRun: TypeAlias = Callable[[], RunSession | UnrecordedSession | None]

SIGNALS = ("SIGTERM", "SIGUSR1")
"""The names of the signals that announce a preemption; a system without one of them cannot send it."""


def watch_preemption(
    current: weakref.WeakMethod[CurrentRun],
    save: Callable[[], object] | None,
    names: Sequence[str] = SIGNALS,
) -> None:
    """Save and mark the current run once when a signal comes, and then do what the signal did before.

    Args:
        current: the handler's method that returns the run that is being written, if there is one.
        save: stores the training's state; None for nothing.
        names: of the signals.

    Raises:
        ParameterError: there is no such signal.
        StateError: this is not the main thread, where signals arrive.
    """
    known = {one.name: one for one in signal.Signals}
    for name in names:
        if name not in known and name not in SIGNALS:
            raise ParameterError(f"there is no signal {name!r}; {closest(str(name), known)}")
    if threading.current_thread() is not threading.main_thread():
        raise StateError("on_preemption() was called on another thread: signals arrive on the main thread")
    watch = _Preemption(current, save)
    for name in names:
        if name in known:
            watch.install(known[name])


class _Preemption:
    """Handles the first signal that comes; the process that was forked from this one is left alone."""

    def __init__(
        self,
        current: weakref.WeakMethod[CurrentRun],
        save: Callable[[], object] | None,
    ) -> None:
        self._current = current
        self._save = save
        self._before: dict[int, Any] = {}
        self._pid = os.getpid()
        self._is_handled = False

    def install(self, number: signal.Signals) -> None:
        self._before[number] = signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        current = self._current() if os.getpid() == self._pid else None
        session = current and current()
        if session is None:
            self._pass_on(number, frame)
            return
        if self._is_handled:  # SIGTERM after SIGUSR1, while the state is being saved
            return
        self._is_handled = True
        name = signal.Signals(number).name
        log.warning("%s: the run %s is being preempted", name, session.run.run_id)
        if self._save is not None:
            try:
                self._save()
            except Exception:  # the run is still to be marked
                log.exception("the training's state could not be saved")

        def end() -> None:
            try:
                session.end(Outcome(Status.INTERRUPTED, time.time(), f"preempted by {name}"))
            except LegmError as error:
                log.error("the run could not be marked as interrupted: %s", error)  # noqa: TRY400
            self._pass_on(number, frame)

        if isinstance(session, RunSession) and session.recorder.is_interrupted:
            session.recorder.postpone(end)  # the signal came while this thread was writing the run log
        else:
            end()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        """Do what the signal did before; by default it ends the process."""
        before = self._before[number]
        if callable(before):
            before(number, frame)
        elif before != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
