"""What the callers of a hook have, for libraries that do not pass it to their loggers and callbacks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["find_in_calling_frames"]

T = TypeVar("T")


def find_in_calling_frames(find: Callable[[Mapping[str, Any]], T | None]) -> T | None:
    """The first thing that a function finds among the local variables of the callers, the nearest first.

    Args:
        find: returns None where a caller's variables, by name, do not have it.
    """
    current = inspect.currentframe()
    # Not its own frame, which would refer to itself once its variables are read, and keep all callers alive.
    frame = current.f_back if current is not None else None
    try:
        while frame is not None:
            found = find(frame.f_locals)
            if found is not None:
                return found
            frame = frame.f_back
        return None
    finally:
        del current, frame
