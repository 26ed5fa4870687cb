"""A progress bar where something takes longer than a second and a person watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["watched"]

T = TypeVar("T")

_PATIENCE = 1.0  # seconds


def watched(items: Iterable[T], doing: str) -> Iterator[T]:
    """The items, with a bar on the terminal's standard error once a second has passed.

    Args:
        items: what is gone through.
        doing: what is done, for the person.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    began, iterator = time.monotonic(), iter(items)
    done = 0
    for item in iterator:
        yield item
        done += 1
        if time.monotonic() - began > _PATIENCE:
            break
    else:
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None, completed=done)
        for item in iterator:
            yield item
            bar.advance(task)
