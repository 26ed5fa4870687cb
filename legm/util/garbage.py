"""Python's garbage collector, which is not needed while nothing becomes garbage."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["paused_garbage_collection"]


_MUCH = 10_000  # objects: looking through fewer of them is quick
_OWN_FROZEN = 1000  # objects: Python 3.12 freezes fewer itself when it starts


@contextlib.contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """Do not search for garbage while a great many objects are made that all stay.

    The collector looks through them again and again as they become more, and finds nothing. Afterwards they
    count as old ones, which it rarely looks through. Where few were made, nothing is done about them: asking
    how many objects are frozen takes as long as counting them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    before = gc.get_count()[0]
    try:
        yield
    finally:
        if was_enabled:
            is_much = gc.get_count()[0] - before > _MUCH
            if is_much and gc.get_freeze_count() < _OWN_FROZEN:  # what somebody else froze stays frozen
                gc.freeze()
                gc.unfreeze()  # into the oldest generation
            gc.enable()
