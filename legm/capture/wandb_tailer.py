"""W&B's offline folders, read while a script writes to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.capture.tailers import RunUpdate
from legm.core.point_columns import columns_by_series, points_from_columns
from legm.core.step_metrics import steps_of_step_metrics
from legm.importers.wandb.local_folders import WandbLocalFolderSource
from legm.importers.wandb.run_fold import WandbRunFold
from legm.importers.wandb.transaction_log import TransactionLogReader
from legm.records import Points, Series

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = ["WandbTailer"]

_LONGEST_BEGIN = 3.0  # seconds until a run is described in its folder


@dataclass(slots=True)
class _TailedWandbRun:
    """A run whose last log is read as it grows, with the state so far."""

    fold: WandbRunFold = field(default_factory=WandbRunFold)
    logs: list[Path] = field(default_factory=list)
    reader: TransactionLogReader | None = None
    counting: dict[Series, tuple[IntArray, FloatArray, FloatArray]] = field(default_factory=dict)
    """The last values of the metrics that count the steps of others."""

    def begin(self, reader: TransactionLogReader, records: list[Any]) -> None:
        """Continue with another log, of which some records were already read."""
        if self.reader is not None:
            self._add_records(self.reader.new_records())
            self.fold.begin_fragment()
        self.reader = reader
        self.logs.append(reader.path)
        self._add_records(records)

    def read(self) -> None:
        """Read what is new in the log."""
        if self.reader is not None:
            self._add_records(self.reader.new_records())

    def take_points(self) -> Points:
        """The new numbers, at the steps that the script counts, as far as these are known by now."""
        columns = columns_by_series(one for one in self.fold.take_new() if isinstance(one, Points))
        step_metric = self.fold.definitions.step_metric
        counting = {Series(name) for one in columns if (name := step_metric(one.name)) is not None}
        known = dict(columns)
        for series in counting:
            found = [one[series] for one in (self.counting, columns) if series in one]
            if found:
                steps, times, values = (np.concatenate(pieces) for pieces in zip(*found, strict=True))
                known[series] = steps, times, values
                self.counting[series] = steps[-1:], times[-1:], values[-1:]
        moved = steps_of_step_metrics(known, step_metric)
        new = {one: columns[one] if one in counting else moved[one] for one in columns}
        return points_from_columns(new, lambda series: series)

    def _add_records(self, records: Any) -> None:
        for record in records:
            self.fold.add_record(record)


class WandbTailer:
    """Reads new numbers from W&B's private folder.

    Args:
        folder: the folder, which has a subfolder for each start of a run.
    """

    kind = "wandb"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._source = WandbLocalFolderSource(folder, follow_links=True)
        self._unassigned: dict[
            Path, tuple[TransactionLogReader, list[Any]]
        ] = {}  # logs whose run is not known yet
        self._logs: dict[Path, float] = {}  # when each was seen first
        self._runs: dict[tuple[str, str, str], _TailedWandbRun] = {}
        self._ended: set[tuple[str, str, str]] = set()

    def updates(self) -> Iterator[RunUpdate]:
        """The runs that are still running, and those that have ended since the last call."""
        for log in sorted(self._folder.glob("*run-*/run-*.wandb")):
            if log not in self._logs:
                self._logs[log] = time.monotonic()
                self._unassigned[log] = TransactionLogReader(log), []
        for log, (reader, records) in list(self._unassigned.items()):
            records.extend(reader.new_records())
            head = next((one.run for one in records if one.WhichOneof("record_type") == "run"), None)
            if head is not None:
                del self._unassigned[log]
                key = head.entity, head.project, head.run_id
                self._runs.setdefault(key, _TailedWandbRun()).begin(reader, records)
                self._ended.discard(key)
        for key, run_logs in self._runs.items():
            if key in self._ended:
                continue
            run_logs.read()
            fold = run_logs.fold
            if fold.exit_code is not None:
                self._ended.add(key)
            points = run_logs.take_points()
            run = self._source.run_from_fold(fold, tuple(run_logs.logs))
            if run is not None:
                yield RunUpdate(run, points)

    @property
    def is_run_beginning(self) -> bool:
        """Whether there is a new folder of a run that is not described in it yet."""
        return any(time.monotonic() < self._logs[log] + _LONGEST_BEGIN for log in self._unassigned)

    def open_source(self) -> WandbLocalFolderSource | None:
        """The folder as an import source; None if it contains no log."""
        if WandbLocalFolderSource.find_store(self._folder) is None:
            return None
        return WandbLocalFolderSource(self._folder, follow_links=True)

    def close(self) -> None:
        """Do nothing: no file is held open."""
