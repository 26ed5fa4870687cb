"""A progress bar where something takes longer than a second and a person watches."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["waiting", "watched"]

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


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """While something is waited for: a line on the terminal's standard error once a second has passed.

    Args:
        for_what: what is waited for, for the person.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    console, done = Console(stderr=True), threading.Event()

    def show() -> None:
        if not done.wait(_PATIENCE):
            with console.status(for_what):
                done.wait()

    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    try:
        yield
    finally:
        done.set()
        shower.join()
