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
from collections.abc import Callable, Iterable, Sequence
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

_UNCATCHABLE = frozenset({"SIGKILL", "SIGSTOP"})


def watch_preemption(
    current: weakref.WeakMethod[CurrentRun],
    save: Callable[[], object] | None,
    names: str | int | Sequence[str | int] = SIGNALS,
) -> None:
    """Save and mark the current run once when a signal comes, and then do what the signal did before.

    Args:
        current: the handler's method that returns the run that is being written, if there is one.
        save: stores the training's state; None for nothing.
        names: of the signals, or their numbers.

    Raises:
        ParameterError: there is no such signal, no program can handle it, or ``save`` cannot be called.
        StateError: this is not the main thread, where signals arrive.
    """
    if save is not None and not callable(save):
        raise ParameterError(f"on_preemption() takes a function that saves the training, not {save!r}")
    numbers = _preemption_signals([names] if isinstance(names, (str, int)) else names)
    if threading.current_thread() is not threading.main_thread():
        raise StateError("on_preemption() was called on another thread: signals arrive on the main thread")
    watch = _Preemption(current, save)
    for number in numbers:
        watch.install(number)


def _preemption_signals(names: Iterable[str | int]) -> list[signal.Signals]:
    """The signals with these names or numbers that the system has.

    Raises:
        ParameterError: there is no such signal, or no program can handle it.
    """
    known = {one.name: one for one in signal.Signals}
    numbers = []
    for name in names:
        number = known.get(str(name)) or next((one for one in known.values() if one == name), None)
        if number is None and name not in SIGNALS:
            raise ParameterError(f"there is no signal {name!r}; {closest(str(name), known)}")
        if number is not None:
            if number.name in _UNCATCHABLE:
                raise ParameterError(
                    f"no program is told of {number.name}: take another signal, such as SIGTERM"
                )
            numbers.append(number)
    return numbers


class _Preemption:
    """Handles the first signal that comes; the process that was forked from this one is left alone."""

    def __init__(
        self,
        current: weakref.WeakMethod[CurrentRun],
        save: Callable[[], object] | None,
    ) -> None:
        self.current = current
        self._save = save
        self._before: dict[int, Any] = {}
        self._pid = os.getpid()
        self._is_busy = False
        self._saved_run = ""

    def install(self, number: signal.Signals) -> None:
        self._before[number] = signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        current = self.current() if os.getpid() == self._pid else None
        session = current and current()
        if session is None:
            self.pass_on(number, frame)
            return
        if self._is_busy:  # SIGTERM after SIGUSR1, while the state is being saved
            return
        self._is_busy = True
        name, leaving = signal.Signals(number).name, None
        log.warning("%s: the run %s is being preempted", name, session.run.run_id)
        if self._saved_run != session.run.run_id:
            self._saved_run = session.run.run_id
            leaving = self.save_all(number)

        def end() -> None:
            try:
                if current is not None and current() is session:  # save() may have ended it
                    self._mark(number, session, f"preempted by {name}")
            except LegmError as error:
                log.error("the run could not be marked as interrupted: %s", error)  # noqa: TRY400
            finally:
                self._is_busy = False
            if leaving is not None:
                raise leaving
            self.pass_on(number, frame)

        if isinstance(session, RunSession) and session.recorder.is_interrupted:
            session.recorder.postpone(end)  # the signal came while this thread was writing the run log
        else:
            end()

    def _same_before(self, number: int) -> _Preemption | None:
        """What saves the same handler's training too, since on_preemption() was called before."""
        earlier = getattr(self._before.get(number), "__self__", None)
        return earlier if isinstance(earlier, _Preemption) and earlier.current == self.current else None

    def save_all(self, number: int) -> BaseException | None:
        """Save what each call of on_preemption() for this handler asked for, in the order of the calls.

        Returns:
            the exception by which a function wants to end the process, such as that of ``sys.exit()``.
        """
        earlier = self._same_before(number)
        leaving = None if earlier is None else earlier.save_all(number)
        if self._save is not None:
            try:
                self._save()
            except Exception:  # the run is still to be marked
                log.exception("the training's state could not be saved")
            except BaseException as error:  # noqa: BLE001 - it is raised once the run is marked
                leaving = error
        return leaving

    def _mark(self, number: int, session: RunSession | UnrecordedSession, reason: str) -> None:
        """Mark the run as interrupted; a training that continues after the signal may still write it."""
        outcome = Outcome(Status.INTERRUPTED, time.time(), reason)
        if self.ends_process(number):
            session.end(outcome)
        elif not session.is_logged:
            session.finish(outcome)
            session.is_preempted = session.is_logged = True  # so that the process's end does not complete it

    def ends_process(self, number: int) -> bool:
        """Whether the signal ended the process before anybody handled it."""
        same = self._same_before(number)
        if same is not None:
            return same.ends_process(number)
        before = self._before[number]
        return not callable(before) and before != signal.SIG_IGN

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """Do what the signal did before; by default it ends the process."""
        same = self._same_before(number)
        if same is not None:  # which has saved
            same.pass_on(number, frame)
            return
        before = self._before[number]
        if callable(before):
            before(number, frame)
        elif before != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
