"""What every private store gives while a script writes to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from legm.importers.external import ExternalRun, Source
from legm.records import Points

__all__ = ["Tailer", "Update"]


@dataclass(frozen=True, slots=True)
class Update:
    """A run of a script that is going on, or that ended since the last look.

    Args:
        run: as its store tells it now.
        points: its numbers that came since the last look, in the order they were set.
        is_deleted: whether the script deleted it.
    """

    run: ExternalRun
    points: Points
    is_deleted: bool = False


class Tailer(Protocol):
    """A store that is read while it grows."""

    kind: str
    """What it is, in a word: ``mlflow``."""

    def updates(self) -> Iterator[Update]:
        """The runs that go on, and those that ended since the last look.

        Raises:
            LegmError: the store cannot be read.
        """

    def open_source(self) -> Source | None:
        """The store as an import takes it, opened anew; None while nothing is in it."""

    def close(self) -> None:
        """Let go of what is held."""
