"""Keeps a background thread of Python's from holding up the threads that train."""

from __future__ import annotations

import threading
import time

__all__ = ["BackgroundPace"]

_PIECE = 0.0005  # seconds of work after which others may run
_LONGEST_PAUSE = 0.02  # seconds


class BackgroundPace:
    """Lets other threads run between pieces of work, and leaves them half of the interpreter's time.

    A thread that waits for the interpreter gets it after 5 ms, each time that it has given it up, unless the
    one that has it pauses before.

    Args:
        hurry: once it is set, there are no pauses.
    """

    def __init__(self, hurry: threading.Event | None = None) -> None:
        self._hurry = hurry or threading.Event()
        self._resumed = time.thread_time()

    def pause(self) -> None:
        """Pause as long as was worked since the last pause, where that was more than a moment."""
        worked = time.thread_time() - self._resumed
        if worked > _PIECE:
            self._hurry.wait(min(worked, _LONGEST_PAUSE))
            self._resumed = time.thread_time()
