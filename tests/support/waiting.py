"""Waits for what another thread, process or page does, in tests and in scripts that they run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

WAIT_FOR = """
def wait_for(pattern, content=b""):
    import glob, time
    end = time.monotonic() + 180
    while not any(content in open(path, "rb").read() for path in glob.glob(pattern, recursive=True)):
        if time.monotonic() > end:
            raise SystemExit(f"{pattern} did not come")
        time.sleep(0.01)
"""
"""The text of a function for scripts: it returns once a file that matches a pattern contains some bytes.

The script of a test that has failed ends too, after a while.
"""


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
