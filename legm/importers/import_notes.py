"""Notes about what a source left out or could not provide: each is reported once, with a count."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["ROUNDED", "ImportNotes"]

ROUNDED = "the last digits of whole numbers beyond 2**53, which 64-bit floats do not represent"
"""The remark about numbers that lost digits."""


class ImportNotes:
    """Remarks about things in a source; each thing counts once per remark, however often it is read."""

    def __init__(self) -> None:
        self._things: dict[str, dict[str, None]] = {}

    def add(self, remark: str, thing: str) -> None:
        """Note a remark about a thing, such as a run's key or a file's path."""
        self._things.setdefault(remark, {})[thing] = None

    def __iter__(self) -> Iterator[tuple[str, int, str]]:
        """Each remark, the number of things it applies to, and the first of them."""
        for remark, things in self._things.items():
            yield remark, len(things), next(iter(things))
