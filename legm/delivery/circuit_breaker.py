"""Knows which backends do not answer, so that no call waits for one that is known to be away.

All runs and handlers of a process that use one backend share its breaker. A call that makes no progress for
:data:`PATIENCE` seconds opens it: until that call returns, nobody else waits for this backend, nor leaves a
thread behind in it, except for a trial now and then. A call that took long and then failed opens it for a
while.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from legm.errors import BackendError, CorruptFile
from legm.hooks import progress_reported_to

__all__ = ["PATIENCE", "CircuitBreaker", "circuit_breaker_of", "waiting_reported"]

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a call waits for a backend that makes no progress."""
TRIALS = (60.0, 600.0)
"""Seconds until a backend that does not answer gets another call: at first, and at most."""
REFUSALS = (5.0, 60.0)
"""Seconds for which a backend that failed after a long wait is not asked again: at first, and at most."""
LONG_WAIT = 2.0
"""Seconds after which a call that fails has taken long."""

_CHECK_INTERVAL = 0.2  # seconds between two checks whether a call makes progress
_ITEMS = 100  # that are read ahead of who iterates


class _BreakerCall:
    """A call of a backend; each sign of progress begins its patience again."""

    def __init__(self) -> None:
        self.last_progress = time.monotonic()
        self.is_done = False

    def progress(self) -> None:
        self.last_progress = time.monotonic()

    @property
    def silence(self) -> float:
        return 0.0 if self.is_done else time.monotonic() - self.last_progress


class CircuitBreaker:
    """Watches the calls of one backend.

    Args:
        name: of the backend, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._calls: set[_BreakerCall] = set()
        self._thread = threading.local()
        self._next_trial: float | None = None  # while a call makes no progress
        self._trial_pause = TRIALS[0]
        self._refused_until = 0.0
        self._refusal_pause = REFUSALS[0]
        self._last_error = ""
        self.own_patience: float | None = None
        """Seconds that a call waits, where the backend says so itself."""
        self.failing_since: float | None = None
        """Since when deliveries to the backend fail; None while they succeed."""

    # What is known

    @property
    def is_open(self) -> bool:
        """Whether a call makes no progress."""
        with self._changed:
            return any(call.silence > self._patience for call in self._calls)

    @property
    def _patience(self) -> float:
        return PATIENCE if self.own_patience is None else self.own_patience

    @property
    def is_watching(self) -> bool:
        """Whether this thread is inside of a call that is watched."""
        return getattr(self._thread, "is_watched", False)

    def wait_until_usable(self, is_stopped: Callable[[], bool]) -> bool:
        """Wait, in the background, until the backend may be called.

        Returns:
            whether it may; false where the waiting was stopped.
        """
        while not is_stopped():
            if self._may_call():
                return True
            with self._changed:
                self._changed.wait(_CHECK_INTERVAL)
        return False

    def _may_call(self) -> bool:
        """Whether the backend answers as far as is known, or a trial is due."""
        if not self.is_open:
            self._next_trial, self._trial_pause = None, TRIALS[0]
            return True
        with self._changed:
            now = time.monotonic()
            if self._next_trial is None:
                self._next_trial = now + self._trial_pause
            if now < self._next_trial:
                return False
            self._trial_pause = min(2 * self._trial_pause, TRIALS[1])
            self._next_trial = now + self._trial_pause
            return True

    def _require_usable(self) -> None:
        if time.monotonic() < self._refused_until:
            raise BackendError(self._last_error)
        if not self._may_call():
            raise BackendError(
                f"the backend {self._name!r} does not answer: an earlier call still waits for it"
            )

    # Calls

    @contextlib.contextmanager
    def watch(self) -> Iterator[_BreakerCall]:
        """Watch the call that is made inside, on this thread."""
        call = _BreakerCall()
        with self._changed:
            self._calls.add(call)
        self._thread.is_watched = True
        try:
            with progress_reported_to(call.progress):
                yield call
        except BaseException as error:
            if call.silence > LONG_WAIT and not isinstance(error, CorruptFile):
                self._refused_until = time.monotonic() + self._refusal_pause
                self._refusal_pause = min(2 * self._refusal_pause, REFUSALS[1])
                self._last_error = str(error)
            raise
        else:
            self._refused_until, self._refusal_pause = 0.0, REFUSALS[0]
            with self._changed:  # it answers: calls that still wait, for a lost answer, say nothing any more
                self._calls = {one for one in self._calls if one.silence <= self._patience}
        finally:
            self._thread.is_watched = False
            call.is_done = True
            with self._changed:
                self._calls.discard(call)
                self._changed.notify_all()

    def call(self, act: Callable[[], T]) -> T:
        """Make a call on another thread, and wait for it as long as it makes progress.

        Raises:
            BackendError: the backend does not answer.
        """
        with contextlib.closing(self.iterate(act() for _ in range(1))) as answers:
            return next(answers)

    def iterate(self, found: Iterable[T]) -> Generator[T, None, None]:
        """Iterate on another thread, which reads ahead, and wait for each item as long as there is progress.

        Raises:
            BackendError: the backend does not answer.
        """
        self._require_usable()
        reader = _BreakerReader(found, self.watch)
        threading.Thread(target=reader.read, name=f"legm-{self._name}-call", daemon=True).start()
        try:
            while True:
                try:
                    item = reader.items.get(timeout=_CHECK_INTERVAL)
                except queue.Empty:
                    if reader.call is not None and reader.call.silence > self._patience:
                        raise BackendError(
                            f"the backend {self._name!r} has not answered for {self._patience:g} s"
                        ) from None
                    continue
                if item is reader:  # the end
                    return
                if isinstance(item, _Raised):
                    raise item.error
                yield item
        finally:
            reader.is_stopped.set()


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


class _BreakerReader:
    """Reads ahead of who iterates; the last item is the reader itself, or what was raised."""

    def __init__(
        self, found: Iterable[Any], watch: Callable[[], AbstractContextManager[_BreakerCall]]
    ) -> None:
        self.items: queue.Queue[Any] = queue.Queue(_ITEMS)
        self.is_stopped = threading.Event()
        self.call: _BreakerCall | None = None
        self._found = found
        self._watch = watch

    def read(self) -> None:
        iterator: Iterator[Any] | None = None
        item: object = None
        while item is not self and not isinstance(item, _Raised) and not self.is_stopped.is_set():
            try:
                with self._watch() as self.call:
                    iterator = iter(self._found) if iterator is None else iterator
                    item = next(iterator, self)
            except BaseException as error:  # noqa: BLE001 - raised in the thread that iterates
                item = _Raised(error)
            self._put(item)
        if isinstance(iterator, Generator):
            with contextlib.suppress(BaseException):
                iterator.close()

    def _put(self, item: object) -> None:
        while not self.is_stopped.is_set():
            with contextlib.suppress(queue.Full):
                self.items.put(item, timeout=_CHECK_INTERVAL)
                return


@contextlib.contextmanager
def waiting_reported(seconds: float, message: str, *values: object) -> Iterator[None]:
    """Say in the log what is waited for, where what is done inside takes long.

    Args:
        seconds: after which it has taken long.
        message: what is logged as a warning, with places for the values.
        values: in the message.
    """
    timer = threading.Timer(seconds, log.warning, [message, *values])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def circuit_breaker_of(backend: Any, root: Path) -> CircuitBreaker:
    """The breaker that all users of a store in this process share.

    Args:
        backend: that stores there.
        root: the root directory that it was made with.
    """
    options = json.dumps(dict(getattr(backend, "options", {})), sort_keys=True, default=str)
    kind = f"{type(backend).__module__}.{type(backend).__qualname__}"
    breaker = _breaker(kind, backend.name, options, root.absolute(), os.getpid())
    breaker.own_patience = getattr(backend, "patience", None)
    return breaker


@functools.lru_cache(maxsize=256)
def _breaker(kind: str, name: str, options: str, root: Path, process: int) -> CircuitBreaker:  # noqa: ARG001
    return CircuitBreaker(name)
