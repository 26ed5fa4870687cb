"""Threads beside the training leave it the interpreter."""

from __future__ import annotations

import threading
import time

from legm.util.background_pace import BackgroundPace


class Pauses(threading.Event):
    """Notes how long was waited for it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        return super().wait(0)


def work(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_it_pauses_as_long_as_it_worked_and_never_long():
    pauses = Pauses()
    pace = BackgroundPace(pauses)
    pace.pause()
    assert pauses.seconds == []
    work(0.004)
    pace.pause()
    work(0.05)
    pace.pause()
    first, second = pauses.seconds
    assert 0.004 <= first < second == 0.02


def test_who_is_in_a_hurry_does_not_pause():
    hurry = threading.Event()
    hurry.set()
    pace = BackgroundPace(hurry)
    began = time.monotonic()
    for _ in range(50):
        work(0.001)
        pace.pause()
    assert time.monotonic() - began < 50 * 0.02
