"""W&B's offline folders, read while a script writes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from legm.capture.feeds import Seen
from legm.importers.columns import columns_of, gathered
from legm.importers.wandb.folder import FolderSource
from legm.importers.wandb.log import LogReader
from legm.importers.wandb.run import Told
from legm.records import Points

__all__ = ["WandbFeed"]


@dataclass(slots=True)
class _Growing:
    """A log that is read as it grows, and what it said so far."""

    reader: LogReader
    told: Told = field(default_factory=Told)


class WandbFeed:
    """The runs in W&B's private folder.

    Args:
        folder: the folder, with one for each time that a run was begun.
    """

    kind = "wandb"
    patience = 5.0  # W&B writes by a process of its own, which goes on for a moment

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._source = FolderSource(folder)
        self._growing: dict[Path, _Growing] = {}
        self._logs: dict[str, list[Path]] = {}

    def look(self) -> Iterator[Seen]:
        """The runs that go on, and those that ended since the last look."""
        for log in sorted(self._folder.glob("*run-*/run-*.wandb")):
            if log not in self._growing:
                self._growing[log] = _Growing(LogReader(log))
        for log, growing in self._growing.items():
            told = growing.told
            if told.exit_code is not None:
                continue
            for record in growing.reader.new():
                told.take(record)
            if told.run_id:
                yield self._seen(log, told)

    def _seen(self, log: Path, told: Told) -> Seen:
        points = gathered(columns_of(one for one in told.new() if isinstance(one, Points)), lambda same: same)
        run = self._source.seen(told, [log])
        return Seen(run, points)

    def source(self) -> FolderSource | None:
        """The folder; None while it holds no log."""
        return FolderSource(self._folder) if FolderSource.recognise(self._folder) else None

    def close(self) -> None:
        """Nothing is held."""
