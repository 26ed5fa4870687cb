"""What differs on purpose from the original legm; each difference is logged once, when it is met."""

from __future__ import annotations

import logging

__all__ = ["Differences"]

log = logging.getLogger("legm.compat")

_SEE = "see the page 'From the original legm'"


class Differences:
    """The differences that one manager met."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def report(self, key: str, text: str) -> None:
        """Log a difference, unless it was logged before.

        Args:
            key: what it is about.
            text: what is different, and what happens instead.
        """
        if key not in self._reported:
            self._reported.add(key)
            log.warning("%s (%s)", text, _SEE)
