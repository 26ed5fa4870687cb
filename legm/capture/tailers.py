"""What every tailer provides: the updates of a private store while a script writes to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from legm.importers.external_run import ExternalRun
from legm.importers.import_source import ImportSource
from legm.records import Points

__all__ = ["RunUpdate", "Tailer"]


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """A run of a script that is still running, or has ended since the last read.

    Args:
        run: the run as its store describes it now.
        points: its numbers since the last read, in the order they were set.
        is_deleted: whether the script deleted it.
        is_earlier: whether an earlier capture made it.
    """

    run: ExternalRun
    points: Points
    is_deleted: bool = False
    is_earlier: bool = False


class Tailer(Protocol):
    """A store that is read while it grows."""

    kind: str
    """The kind of store in one word: ``mlflow``."""

    def updates(self) -> Iterator[RunUpdate]:
        """The runs that are still running, and those that have ended since the last call.

        Raises:
            LegmError: the store cannot be read.
        """

    @property
    def is_run_beginning(self) -> bool:
        """Whether a run has begun since the last :meth:`updates` that its store does not describe yet."""

    def open_source(self) -> ImportSource | None:
        """Open the store again as an import source; None if it is empty."""

    def close(self) -> None:
        """Release files and connections."""
