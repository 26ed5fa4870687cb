"""What a user watches on standard error; progress bars only on a terminal, after a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["show_progress", "show_progress_line", "show_waiting_progress"]

T = TypeVar("T")

_DELAY = 1.0  # seconds


def show_progress(
    items: Iterable[T], doing: str, total: int | Callable[[], int | None] | None = None
) -> Iterator[T]:
    """Iterate over items, with a progress bar on standard error after a second if it is a terminal.

    Args:
        items: the items.
        doing: what is being done, for the user.
        total: how many items there are, where ``len()`` does not tell; a function is called when the bar
            begins.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    began, iterator = time.monotonic(), iter(items)
    done = 0
    for item in iterator:
        yield item
        done += 1
        if time.monotonic() - began > _DELAY:
            break
    else:
        return
    if callable(total):
        total = total()
    elif isinstance(items, Sized):
        total = len(items)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    known = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    unknown = (MofNCompleteColumn(), TimeElapsedColumn())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *(unknown if total is None else known))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total, completed=done)
        for item in iterator:
            yield item
            bar.advance(task)


def show_progress_line(text: str) -> None:
    """Show a line on standard error."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


@contextmanager
def show_waiting_progress(for_what: str) -> Iterator[None]:
    """Show a line on standard error after a second of waiting, if it is a terminal.

    Args:
        for_what: what is waited for, for the user.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    console, done = Console(stderr=True), threading.Event()

    def show_progress_status() -> None:
        if not done.wait(_DELAY):
            with console.status(for_what):
                done.wait()

    shower = threading.Thread(target=show_progress_status, daemon=True)
    shower.start()
    try:
        yield
    finally:
        done.set()
        shower.join()
