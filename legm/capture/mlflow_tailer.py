"""MLflow's SQLite store, read while a script writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from legm.capture.earlier_store import earlier_states, unchanged_earlier_runs
from legm.capture.tailers import RunUpdate
from legm.core.point_columns import columns_by_series, points_from_columns
from legm.errors import StorageError
from legm.importers.mlflow.sqlite import MlflowSqliteSource

__all__ = ["MlflowTailer"]


class MlflowTailer:
    """Reads new numbers from the private SQLite file.

    Args:
        path: the file, which MLflow creates at its first use.
    """

    kind = "mlflow"
    is_run_beginning = False  # a run is there as soon as it has begun

    def __init__(self, path: Path) -> None:
        self._path = path
        self._source: MlflowSqliteSource | None = None
        self._states: dict[str, tuple[str, int | None, bool]] = {}
        self._at: dict[str, int] = {}
        self._earlier: dict[str, tuple[str, int | None, bool]] = {}  # as they were when the script began

    def updates(self) -> Iterator[RunUpdate]:
        """The runs that are still running, and those that have changed since the last call."""
        if self._source is None and self._has_runs():
            with closing(self._connect()) as connection:
                self._earlier = {key: (*state, False) for key, state in earlier_states(connection).items()}
            self._states.update(self._earlier)
            self._source = MlflowSqliteSource(self._path)
        open_source = self._source
        if open_source is None:
            return
        for key, state in open_source.run_states():
            before, self._states[key] = self._states.get(key), state
            status, _, is_deleted = state
            if before == state and (status != "RUNNING" or self._earlier.get(key) == state):
                continue
            last, after = open_source.last_row_id(key), self._at.get(key, -(2**63))
            batches = list(open_source.points(key, after, last)) if last is not None else []
            self._at[key] = after if last is None else last
            run = open_source.run(key)
            points = points_from_columns(columns_by_series(batches), lambda series: series)
            yield RunUpdate(run, points, is_deleted, key in self._earlier)

    def open_source(self) -> MlflowSqliteSource | None:
        """The store with the runs that the script made or changed; None if there are none."""
        if not self._has_runs():  # MLflow creates its tables before the first run
            return None
        try:
            with closing(self._connect()) as connection:
                unchanged = unchanged_earlier_runs(connection)
                count = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        except sqlite3.Error as cause:
            raise StorageError(f"cannot read the MLflow store {self._path}: {cause}") from cause
        return MlflowSqliteSource(self._path, without=unchanged) if count > len(unchanged) else None

    def _has_runs(self) -> bool:
        if not self._path.exists():
            return False
        try:
            with closing(self._connect()) as connection:
                return connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None
        except sqlite3.Error:
            return False

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=10)

    def close(self) -> None:
        """Close the file."""
        if self._source is not None:
            self._source.close()
