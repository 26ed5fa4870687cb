"""What a source could not give, or what of it was left out, in words: said once, and counted."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Notes"]


class Notes:
    """Remarks about things of a source; a thing counts once for a remark, however often it is read."""

    def __init__(self) -> None:
        self._things: dict[str, dict[str, None]] = {}

    def add(self, remark: str, thing: str) -> None:
        """Say something of a thing, such as a run's key or a file's path."""
        self._things.setdefault(remark, {})[thing] = None

    def __iter__(self) -> Iterator[tuple[str, int, str]]:
        """Each remark, of how many things it was said, and the first of them."""
        for remark, things in self._things.items():
            yield remark, len(things), next(iter(things))
