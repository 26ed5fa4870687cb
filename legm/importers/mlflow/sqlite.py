"""An MLflow store in a SQLite file, read directly.

MLflow itself would upgrade an older file when it opens it, and the older version could then no longer open
it. Here the file is opened read-only, and only columns that it has are queried.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from legm.backends.mlflow.names import SQLITE_FILE
from legm.core.point_columns import points_from_rows
from legm.core.value_parsing import parse_value_text
from legm.errors import CorruptFile, StorageError
from legm.importers.external_run import ExternalRun
from legm.importers.import_notes import ImportNotes
from legm.importers.import_source import RunGroup
from legm.importers.mlflow.artifact_folders import MlflowArtifactFolders
from legm.importers.mlflow.run_conversion import (
    DELETED,
    ExternalMlflowRun,
    convert_mlflow_run,
    mlflow_to_seconds,
    restore_mlflow_infinities,
)
from legm.records import Plain, Points

__all__ = ["MlflowSqliteSource"]

_HEADER = b"SQLite format 3\x00"
_BESIDE = ("-wal", "-journal")  # the ends of the names of files that may have changes of the database
_BATCH = 1 << 12  # numbers that are read at once
_REMEDY = "Restore it from a copy; it was not changed."
_FROM_RUNS = "FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
_IS_ACTIVE = (
    "(coalesce(r.lifecycle_stage, 'active') = 'active' AND coalesce(e.lifecycle_stage, 'active') = 'active')"
)
_TEXT_QUERIES = {
    "params": "SELECT key, value FROM params WHERE run_uuid = ? ORDER BY rowid",
    "tags": "SELECT key, value FROM tags WHERE run_uuid = ? ORDER BY rowid",
}
_INPUTS_QUERY = """
    SELECT d.name, d.digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile
    FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id AND i.source_type = 'DATASET'
    WHERE i.destination_type = 'RUN' AND i.destination_id = ? ORDER BY i.rowid
"""
_TABLES = ("experiments", "runs", "metrics", "params", "tags")
_NEWER_TABLES = ("inputs", "datasets", "logged_models", "logged_model_params", "experiment_tags")
_RUN_COLUMNS = (
    "run_uuid", "name", "user_id", "status", "start_time", "end_time", "source_type", "source_name",
    "source_version", "entry_point_name", "lifecycle_stage", "artifact_uri",
)  # fmt: skip


class MlflowSqliteSource:
    """The runs in an MLflow SQLite file.

    Args:
        path: the file.
        deleted: whether to include runs and experiments that are deleted in MLflow.
        without: the keys of runs that are passed over.

    Raises:
        CorruptFile: it is damaged.
        StorageError: it cannot be read, or is not an MLflow store.
    """

    kind = "mlflow"

    def __init__(self, path: Path, *, deleted: bool = False, without: Collection[str] = frozenset()) -> None:
        self._path = path
        self._without = without
        self.location = str(path)
        self.notes = ImportNotes()
        self._deleted = deleted
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._files = MlflowArtifactFolders(path.absolute().parent, self.notes)
        self._connection = self._connect(path)
        self._columns = {table: self._columns_of(table) for table in (*_TABLES, *_NEWER_TABLES)}
        for table in _TABLES:
            if not self._columns[table]:
                raise StorageError(f"{path} is not an MLflow store: the database has no table {table!r}")
        self._is_indexed = self._has_run_index()
        self._artifact_paths: set[Path] = set()  # where the artifacts of the runs are, or may be later

    @staticmethod
    def find_store(path: Path) -> Path | None:
        """The SQLite file at a path, or ``mlflow.db`` in a folder."""
        path = path / SQLITE_FILE if path.is_dir() else path
        try:
            with path.open("rb") as file:
                return path if file.read(len(_HEADER)) == _HEADER else None
        except OSError:
            return None

    def _connect(self, path: Path) -> sqlite3.Connection:
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        try:
            connection = sqlite3.connect(address, uri=True, timeout=60, isolation_level=None)
            connection.execute("PRAGMA query_only = 1")
            connection.execute("PRAGMA trusted_schema = 0")
        except sqlite3.DatabaseError as cause:
            raise self._storage_error(cause) from cause
        return connection

    def _storage_error(self, cause: sqlite3.Error) -> StorageError:
        text = str(cause)
        if any(word in text for word in ("malformed", "not a database", "disk I/O error", "corrupt")):
            return CorruptFile(self._path, "the database", text, _REMEDY)
        return StorageError(f"cannot read the MLflow store {self._path}: {text}")

    def _query(self, query: str, arguments: Sequence[Any] = ()) -> list[Any]:
        """All result rows at once: an open cursor would keep MLflow from writing."""
        try:
            return self._connection.execute(query, arguments).fetchall()
        except sqlite3.Error as cause:
            raise self._storage_error(cause) from cause

    def _columns_of(self, table: str) -> set[str]:
        return {row[1] for row in self._query(f"PRAGMA table_info({table})")}

    def _has_run_index(self) -> bool:
        """Whether a run's numbers can be found without scanning all others."""
        for row in self._query("PRAGMA index_list(metrics)"):
            columns = self._query(f'PRAGMA index_info("{row[1]}")')
            if columns and columns[0][2] == "run_uuid":
                return True
        return False

    def _copy_and_index(self) -> None:
        """Continue with an indexed copy: older stores lack the index, and the original is read-only."""
        self._copy = tempfile.TemporaryDirectory(prefix="legm-import-")
        path = Path(self._copy.name) / SQLITE_FILE
        try:
            writable = sqlite3.connect(path)
            self._connection.backup(writable)
            writable.execute("CREATE INDEX legm_metrics_run_uuid ON metrics (run_uuid)")
            writable.commit()
            writable.close()
        except sqlite3.Error as cause:
            raise self._storage_error(cause) from cause
        self._connection.close()
        self._connection = self._connect(path)
        self._is_indexed = True

    # Runs

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, experiment by experiment, oldest first."""
        order = "ORDER BY e.experiment_id, r.start_time, r.run_uuid"
        if not self._deleted:
            for (run_id,) in self._query(f"SELECT r.run_uuid {_FROM_RUNS} WHERE NOT {_IS_ACTIVE}"):
                if run_id not in self._without:
                    self.notes.add(DELETED, run_id)
        condition = "" if self._deleted else f"WHERE {_IS_ACTIVE}"
        for (run_id,) in self._query(f"SELECT r.run_uuid {_FROM_RUNS} {condition} {order}"):
            found = self._read_run(run_id) if run_id not in self._without else None
            if found is not None:
                yield found

    def groups(self) -> Iterator[RunGroup]:
        """All runs, as one group: nothing in the file tells whether a number of a run was changed."""
        path = self._path.absolute()
        files = [path, *(path.with_name(path.name + end) for end in _BESIDE)]
        yield RunGroup("", files, self.runs, lambda: sorted(self._artifact_paths))

    def number_of_runs(self) -> int:
        """How many runs the file has."""
        condition = "" if self._deleted else f"WHERE {_IS_ACTIVE}"
        count: int = self._query(f"SELECT count(*) {_FROM_RUNS} {condition}")[0][0]
        return count

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        found = self._read_run(key)
        if found is None:
            raise StorageError(f"the MLflow store {self._path} no longer has the run {key}")
        return found

    def _read_run(self, run_id: str) -> ExternalRun | None:
        columns = [name for name in _RUN_COLUMNS if name in self._columns["runs"]]
        selected = ", ".join(f"r.{name}" for name in columns)
        query = f"SELECT e.name, e.experiment_id, {selected} {_FROM_RUNS} WHERE r.run_uuid = ?"
        rows = self._query(query, (run_id,))
        if not rows:
            return None
        experiment, experiment_id, *values = rows[0]
        fields = {name: value for name, value in zip(columns, values, strict=True) if value not in (None, "")}
        address = str(fields.pop("artifact_uri", ""))
        mlflow_run = ExternalMlflowRun(
            run_id=run_id,
            experiment=str(experiment),
            experiment_id=str(experiment_id),
            name=str(fields.pop("name", "")),
            status=str(fields.pop("status", "")),
            start_time=_sqlite_int_or_none(fields.pop("start_time", None)),
            end_time=_sqlite_int_or_none(fields.pop("end_time", None)),
            params=self._read_texts("params", run_id),
            tags=self._read_texts("tags", run_id),
            details={
                **fields,
                **self._dataset_inputs(run_id),
                **self._experiment_tags(str(experiment_id)),
                **self._logged_models(run_id),
            },
        )
        folders = self._artifact_folders(mlflow_run, address)
        return convert_mlflow_run(
            mlflow_run,
            lambda: self.points(run_id),
            lambda: self._files.files_in(folders),
            self.notes,
        )

    def _read_texts(self, table: str, run_id: str) -> dict[str, str]:
        """Params or tags, by name."""
        rows = self._query(_TEXT_QUERIES[table], (run_id,))
        return {str(key): _sqlite_text(value) for key, value in rows}

    def _dataset_inputs(self, run_id: str) -> dict[str, list[dict[str, str]]]:
        """The datasets that were logged as the run's inputs."""
        if not self._columns["inputs"] or not self._columns["datasets"]:
            return {}
        fields = ("name", "digest", "source_type", "source", "schema", "profile")
        rows = [
            dict(zip(fields, map(_sqlite_text, row), strict=True))
            for row in self._query(_INPUTS_QUERY, (run_id,))
        ]
        return {"inputs": rows} if rows else {}

    def _experiment_tags(self, experiment_id: str) -> dict[str, dict[str, str]]:
        """The tags of an experiment, its description among them."""
        if not self._columns["experiment_tags"]:
            return {}
        query = "SELECT key, value FROM experiment_tags WHERE experiment_id = ? ORDER BY key"
        rows = self._query(query, (experiment_id,))
        return {"experiment_tags": {str(key): _sqlite_text(value) for key, value in rows}} if rows else {}

    def _logged_models(self, run_id: str) -> dict[str, list[Plain]]:
        """The models that were logged in a run, with their parameters."""
        if not self._columns["logged_models"] or not self._columns["logged_model_params"]:
            return {}
        found: dict[str, dict[str, Plain]] = {}
        models: dict[str, Plain] = {}
        query = (
            "SELECT m.model_id, m.name, p.param_key, p.param_value FROM logged_models m "
            "LEFT JOIN logged_model_params p ON p.model_id = m.model_id "
            "WHERE m.source_run_id = ? ORDER BY m.rowid, p.param_key"
        )
        for model_id, name, key, value in self._query(query, (run_id,)):
            params = found.setdefault(str(model_id), {})
            models[str(model_id)] = {"name": _sqlite_text(name), "model_id": str(model_id), "params": params}
            if key is not None:
                params[str(key)] = parse_value_text(_sqlite_text(value))
        return {"logged_models": [*models.values()]} if models else {}

    def _artifact_folders(self, mlflow_run: ExternalMlflowRun, address: str) -> dict[str, Path]:
        """The folders with artifacts of the run and of models logged in it, by the prefix of their names."""
        locations = [("", address, f"{mlflow_run.experiment_id}/{mlflow_run.run_id}/artifacts")]
        if self._columns["logged_models"]:
            query = (
                "SELECT name, model_id, artifact_location FROM logged_models "
                "WHERE source_run_id = ? ORDER BY rowid"
            )
            for name, model_id, location in self._query(query, (mlflow_run.run_id,)):
                tail = f"{mlflow_run.experiment_id}/models/{model_id}/artifacts"
                locations.append((f"models/{name}-{model_id}/", str(location), tail))
        for _, location, tail in locations:
            self._artifact_paths.update(self._files.possible_folders(location, tail))
        return self._files.existing_folders(locations, mlflow_run.run_id)

    def last_row_id(self, run_id: str) -> int | None:
        """The row id of the run's latest number; None if it has none."""
        row_id: int | None = self._query("SELECT max(rowid) FROM metrics WHERE run_uuid = ?", (run_id,))[0][0]
        return row_id

    def points(self, run_id: str, after: int = -(2**63), until: int | None = None) -> Iterator[Points]:
        """The run's numbers in the order in which they were set, in batches.

        Args:
            run_id: the run's key.
            after: only those after this row id.
            until: only those up to this row id; None for all.
        """
        import numpy as np

        if not self._is_indexed:
            self._copy_and_index()
        step = "step" if "step" in self._columns["metrics"] else "0"
        # NaN is stored as 0 with a flag.
        value = "CASE is_nan WHEN 0 THEN value END" if "is_nan" in self._columns["metrics"] else "value"
        bound = "" if until is None else f"AND rowid <= {until}"
        of_run = f"FROM metrics WHERE run_uuid = ? AND rowid > ? {bound} ORDER BY rowid"
        at, names = after, dict[str, int]()
        while rows := self._query(
            f"SELECT key, {step}, timestamp, {value} {of_run} LIMIT {_BATCH}", (run_id, at)
        ):
            flat = list(chain.from_iterable(rows))
            keys = flat[0::4]
            for key in dict.fromkeys(keys):
                names.setdefault(key, len(names))
            try:
                numbers = np.fromiter(map(names.__getitem__, keys), np.int64, len(keys))
                steps, times = (
                    _step_numbers(flat[1::4]),
                    mlflow_to_seconds(np.array(flat[2::4], np.float64)),
                )
                values = restore_mlflow_infinities(np.array(flat[3::4], np.float64))
            except (TypeError, ValueError, OverflowError) as cause:
                where = f"the metrics of the run {run_id}"
                raise CorruptFile(self._path, where, f"not numbers: {cause}", _REMEDY) from cause
            is_last = len(rows) < _BATCH
            del rows, flat, keys  # which need many times the memory of the numbers
            yield points_from_rows(names, numbers, steps, times, values)
            if is_last:
                return
            at = self._query(f"SELECT rowid {of_run} LIMIT 1 OFFSET {_BATCH - 1}", (run_id, at))[0][0]

    def run_states(self) -> Iterator[tuple[str, tuple[str, int | None, bool]]]:
        """Each run's key with its status, its end time in milliseconds, and whether it is deleted."""
        query = f"SELECT r.run_uuid, r.status, r.end_time, NOT {_IS_ACTIVE} {_FROM_RUNS} ORDER BY r.rowid"
        for run_id, status, ended, deleted in self._query(query):
            yield str(run_id), (str(status), _sqlite_int_or_none(ended), bool(deleted))

    def close(self) -> None:
        """Close the file, and delete the copy if there is one."""
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()


def _sqlite_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def _step_numbers(values: list[Any]) -> Any:
    """Steps as whole numbers; SQLite has those that a script gave as NumPy's integers as their bytes."""
    import numpy as np

    if bytes in set(map(type, values)):
        values = [int.from_bytes(one, "little", signed=True) if type(one) is bytes else one for one in values]
    return np.array(values, np.int64)


def _sqlite_int_or_none(value: object) -> int | None:
    return value if isinstance(value, int) else None
