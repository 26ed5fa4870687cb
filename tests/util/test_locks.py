"""Locks for code that may interrupt itself."""

from __future__ import annotations

import threading

import pytest

from legm.errors import StateError
from legm.util.locks import ReentrySafeLock


def test_what_interrupts_the_holder_is_called_under_the_lock_afterwards():
    lock, order = ReentrySafeLock(), []

    def interrupted() -> None:
        lock.run(lambda: order.append(("interruption", lock.is_held_here)))
        order.append(("interrupted", lock.is_held_here))

    lock.run(interrupted)
    assert order == [("interrupted", True), ("interruption", True)]


def test_an_error_of_what_was_postponed_is_logged_and_the_others_are_called(caplog):
    lock, order = ReentrySafeLock(), []

    def fail() -> None:
        raise StateError("no run is open")

    with lock.held():
        lock.run(fail)
        lock.run(lambda: order.append("after it"))
    assert order == ["after it"]
    assert caplog.messages == ["no run is open"]
    with pytest.raises(StateError):
        lock.run(fail)


def test_an_own_thread_that_is_interrupted_waits_for_no_lock():
    """Its finalizer calls what needs one, while the holder of that waits for what the thread has."""
    of_the_script, of_the_log, order = ReentrySafeLock(), threading.Lock(), []
    has_log, is_interrupted = threading.Event(), threading.Event()

    def write_log() -> None:
        with of_the_log:
            has_log.set()
            is_interrupted.wait(60)
            of_the_script.run(lambda: order.append(threading.current_thread().name))
            order.append("written")

    writer = threading.Thread(target=write_log, name="legm-recorder", daemon=True)
    writer.start()
    has_log.wait(60)
    with of_the_script.held():
        is_interrupted.set()
        with of_the_log:
            order.append("waited")
    writer.join(60)
    assert order == ["written", "waited", threading.current_thread().name]
    of_the_script.run(lambda: order.append("later"))
    assert order[-1] == "later"


def test_an_own_thread_calls_at_once_what_nobody_excludes():
    lock, order = ReentrySafeLock(), []
    own = threading.Thread(
        target=lock.run, args=(lambda: order.append(lock.is_held_here),), name="legm-begin"
    )
    own.start()
    own.join(60)
    assert order == [True]
