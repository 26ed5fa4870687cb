"""The rows of a run's history on a W&B server, whose interface gives them by ranges of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["scanned_server_history"]

_ROWS = 1_000  # of a page, where each step has one
_PAGES = 10  # of a range that is asked for at once
_MOST_STEPS = 1_000_000  # that are asked for page by page, as W&B's library does


def scanned_server_history(run: Any) -> Iterator[dict[str, Any]]:
    """Every row of a run's history, in the order of the steps.

    W&B's library asks for each thousand of steps, whether there are rows or not. Where a script counted
    tokens or samples, these are millions of requests, or more than ever end; here the ranges grow while they
    are nearly empty.

    Args:
        run: as W&B's library gives it.

    Yields:
        a row as the library has it.
    """
    last = int(run.lastHistoryStep)
    if last <= _MOST_STEPS:
        yield from run.scan_history(page_size=_ROWS, use_cache=False)
        return
    start, page = 0, _ROWS
    while start <= last:
        end, found = min(start + _PAGES * page, last + 1), 0
        for row in run.scan_history(page_size=page, min_step=start, max_step=end, use_cache=False):
            found += 1
            yield row
        start, page = end, 2 * page if found < _ROWS else max(_ROWS, page // 2)
