"""Notes about what a source left out or could not provide: each is reported once, with a count."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["PERHAPS_ROUNDED", "ROUNDED", "ImportNotes"]

ROUNDED = "the last digits of whole numbers beyond 2**53, which 64-bit floats do not represent"
"""The remark about numbers that lost digits."""
PERHAPS_ROUNDED = "the last digits of whole numbers beyond 2**53, which MLflow's 64-bit floats do not keep"
"""The remark about numbers that may have lost digits before they were read."""


class ImportNotes:
    """Remarks about items in a source; each item counts once per remark, however often it is read."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, None]] = {}

    def add(self, remark: str, item: str) -> None:
        """Note a remark about an item, such as a run's key or a file's path."""
        self._items.setdefault(remark, {})[item] = None

    def __iter__(self) -> Iterator[tuple[str, int, str]]:
        """Each remark, the number of items it applies to, and the first of them."""
        for remark, items in self._items.items():
            yield remark, len(items), next(iter(items))
