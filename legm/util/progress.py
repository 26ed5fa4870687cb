"""What a user watches: progress bars on a terminal's standard error or in a notebook, after a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["show_progress", "show_progress_line", "show_waiting_progress"]

T = TypeVar("T")

_DELAY = 1.0  # seconds
_NOTEBOOK_PAUSE = 0.2  # seconds between two states that a notebook is sent


def show_progress(
    items: Iterable[T], doing: str, total: int | Callable[[], int | None] | None = None
) -> Iterator[T]:
    """Iterate over items, with a progress bar after a second, on a terminal or below a notebook's cell.

    Args:
        items: the items.
        doing: what is being done, for the user.
        total: how many items there are, where ``len()`` does not tell; a function is called when the bar
            begins.
    """
    is_terminal = sys.stderr.isatty()
    if not is_terminal and not _is_in_notebook():
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
    show = _show_terminal_bar if is_terminal else _show_notebook_bar
    yield from show(_progress_bar(total), iterator, doing, total, done)


def _progress_bar(total: int | None) -> Progress:
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
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _show_terminal_bar(
    bar: Progress, items: Iterator[T], doing: str, total: int | None, done: int
) -> Iterator[T]:
    with bar:
        task = bar.add_task(doing, total=total, completed=done)
        for item in items:
            yield item
            bar.advance(task)


def _is_in_notebook() -> bool:
    """Whether this is a cell of a notebook, whose page shows what IPython displays."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return threading.current_thread() is threading.main_thread() and hasattr(shell, "kernel")


def _show_notebook_bar(
    bar: Progress, items: Iterator[T], doing: str, total: int | None, done: int
) -> Iterator[T]:
    """A bar that is displayed again as it moves; rich's own way of doing that needs ipywidgets."""
    from IPython import display as ipython_display

    notebook: Any = ipython_display  # without types
    task = bar.add_task(doing, total=total, completed=done)
    shown = notebook.display(bar, display_id=True)
    last = time.monotonic()
    try:
        for item in items:
            yield item
            bar.advance(task)
            if time.monotonic() - last > _NOTEBOOK_PAUSE:
                shown.update(bar)
                last = time.monotonic()
    finally:
        shown.update(notebook.HTML(""))


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
