"""Waits for what another thread, process or page does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(condition: Callable[[], Found], timeout: float = 60.0, *, pause: float = 0.01) -> Found:
    """Ask until the answer is true, and return it; that it never is within the time is a failure.

    Args:
        condition: What is asked.
        timeout: Seconds until it is given up.
        pause: Seconds between two questions.
    """
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, f"it did not come within {timeout:g} seconds"
        time.sleep(pause)
    return found
