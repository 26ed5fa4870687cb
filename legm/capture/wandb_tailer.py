"""W&B's offline folders, read while a script writes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from legm.capture.tailers import Update
from legm.core.points import columns_of, gathered
from legm.importers.wandb.folder import FolderSource
from legm.importers.wandb.log import LogReader
from legm.importers.wandb.run_fold import Told
from legm.records import Points

__all__ = ["WandbFeed"]


@dataclass(slots=True)
class _Growing:
    """A run whose last log is read as it grows, and what its logs said so far."""

    told: Told = field(default_factory=Told)
    logs: list[Path] = field(default_factory=list)
    reader: LogReader | None = None

    def begin(self, reader: LogReader, records: list[Any]) -> None:
        """Go on with another log, of which some records were read."""
        if self.reader is not None:
            self._take(self.reader.new())
            self.told.begin_fragment()
        self.reader = reader
        self.logs.append(reader.path)
        self._take(records)

    def read(self) -> None:
        """Take what the log has by now; behind its end there is nothing."""
        if self.reader is not None:
            self._take(self.reader.new())

    def _take(self, records: Any) -> None:
        for record in records:
            self.told.take(record)


class WandbFeed:
    """The runs in W&B's private folder.

    Args:
        folder: the folder, with another one in it for each time that a run was begun.
    """

    kind = "wandb"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._source = FolderSource(folder, follows=True)
        self._begun: dict[Path, tuple[LogReader, list[Any]]] = {}  # logs that do not say yet whose they are
        self._logs: set[Path] = set()
        self._runs: dict[tuple[str, str, str], _Growing] = {}
        self._ended: set[tuple[str, str, str]] = set()

    def look(self) -> Iterator[Update]:
        """The runs that go on, and those that ended since the last look."""
        for log in sorted(self._folder.glob("*run-*/run-*.wandb")):
            if log not in self._logs:
                self._logs.add(log)
                self._begun[log] = LogReader(log), []
        for log, (reader, records) in list(self._begun.items()):
            records.extend(reader.new())
            head = next((one.run for one in records if one.WhichOneof("record_type") == "run"), None)
            if head is not None:
                del self._begun[log]
                key = head.entity, head.project, head.run_id
                self._runs.setdefault(key, _Growing()).begin(reader, records)
                self._ended.discard(key)
        for key, growing in self._runs.items():
            if key in self._ended:
                continue
            growing.read()
            told = growing.told
            if told.exit_code is not None:
                self._ended.add(key)
            points = [one for one in told.new() if isinstance(one, Points)]
            run = self._source.seen(told, tuple(growing.logs))
            if run is not None:
                yield Update(run, gathered(columns_of(points), lambda series: series))

    def source(self) -> FolderSource | None:
        """The folder, opened anew; None while it holds no log."""
        if FolderSource.recognise(self._folder) is None:
            return None
        return FolderSource(self._folder, follows=True)

    def close(self) -> None:
        """Nothing is held."""
