"""MLflow's SQLite store, read while a script writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from legm.capture.tailers import RunUpdate
from legm.core.point_columns import columns_by_series, points_from_columns
from legm.importers.mlflow.sqlite import MlflowSqliteSource

__all__ = ["MlflowTailer"]


class MlflowTailer:
    """Reads new numbers from the private SQLite file.

    Args:
        path: the file, which MLflow creates at its first use.
    """

    kind = "mlflow"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._source: MlflowSqliteSource | None = None
        self._states: dict[str, tuple[str, int | None, bool]] = {}
        self._at: dict[str, int] = {}

    def updates(self) -> Iterator[RunUpdate]:
        """The runs that are still running, and those that have changed since the last call."""
        if self._source is None:
            self._source = self.open_source()
        open_source = self._source
        if open_source is None:
            return
        for key, state in open_source.run_states():
            before, self._states[key] = self._states.get(key), state
            status, _, is_deleted = state
            if before == state and status != "RUNNING":
                continue
            last, after = open_source.last_row_id(key), self._at.get(key, -(2**63))
            batches = list(open_source.points(key, after, last)) if last is not None else []
            self._at[key] = after if last is None else last
            run = open_source.run(key)
            points = points_from_columns(columns_by_series(batches), lambda series: series)
            yield RunUpdate(run, points, is_deleted)

    def open_source(self) -> MlflowSqliteSource | None:
        """The store; None before the first run, because MLflow is still creating its tables then."""
        return MlflowSqliteSource(self._path) if self._has_runs() else None

    def _has_runs(self) -> bool:
        if not self._path.exists():
            return False
        address = f"file:{quote(str(self._path))}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
                return connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None
        except sqlite3.Error:
            return False

    def close(self) -> None:
        """Close the file."""
        if self._source is not None:
            self._source.close()
