"""MLflow's private store begins with what earlier captures of the root directory left in theirs.

::

    <root>/.legm/mlflow/<version>.db     the runs of earlier captures, by MLflow's version
    <root>/.legm/capture/<one>/mlflow.db the private store of a capture: it begins as a copy

The copy is made when the script imports MLflow. Where the newest store is of another version of MLflow, whose
tables may be others, its rows are added to the tables that MLflow makes. The private store has two tables
more: what the runs were like when the script began, so that those which it leaves alone are not imported
again.

This module imports the standard library alone, and works on old Pythons, since a captured script runs it too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

__all__ = [
    "ABOUT_FILE",
    "BELOW_ROOT",
    "EARLIER_TABLES",
    "add_runs_of_another_version",
    "begin_with_earlier_runs",
    "earlier_states",
    "has_earlier_table",
    "kept_store",
    "kept_store_stamp",
    "unchanged_earlier_runs",
]

ABOUT_FILE = "mlflow-store.json"
"""A file of the staging folder: MLflow's version, and what the kept store was like when it was copied."""
BELOW_ROOT = "legm-root:"
"""What addresses of files begin with in a kept store: they are relative, since the root may be moved."""
EARLIER_TABLES = ("legm_earlier_runs", "legm_earlier_metrics")
_STORE, _OTHER = "mlflow.db", "mlflow-of-another-version.db"
_CONTENTS = {
    "runs": "run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id",
    "params": "run_uuid, key, value",
    "tags": "run_uuid, key, value",
    "inputs": "destination_id, source_id",
    "logged_models": "source_run_id, model_id",
}
_COPIED = (
    *("experiments", "experiment_tags", "runs", "params", "tags", "metrics", "latest_metrics", "inputs"),
    *("input_tags", "datasets", "logged_models", "logged_model_params", "logged_model_tags"),
    "logged_model_metrics",
)


def kept_store(own_folder: Path, version: str) -> Path:
    """Where the runs of the captures with a version of MLflow are kept, by MLflow's version."""
    return own_folder / "mlflow" / f"{version}.db"


def kept_store_stamp(path: Path) -> list[int] | None:
    """What changes when a file is replaced; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def begin_with_earlier_runs(staging: Path, version: str) -> None:
    """Make the private store of a staging folder, unless it is there, as a copy of the kept one.

    The caller excludes other processes of the script.

    Args:
        staging: the staging folder.
        version: MLflow's version: another one may have other tables.
    """
    store, own_folder = staging / _STORE, staging.parent.parent
    if store.exists() or (staging / ABOUT_FILE).exists():
        return
    kept = kept_store(own_folder, version)
    stamp = None if kept.is_symlink() or kept.parent.is_symlink() else kept_store_stamp(kept)
    (staging / ABOUT_FILE).write_text(json.dumps({"version": version, "kept": stamp}))
    newest = _newest_kept_store(own_folder)
    if newest is None:
        return
    if newest != kept:
        shutil.copyfile(str(newest), str(staging / _OTHER))
        return
    copy = staging / (_STORE + ".copy")
    try:
        shutil.copyfile(str(kept), str(copy))
        with closing(sqlite3.connect(str(copy))) as connection:
            connection.execute("PRAGMA trusted_schema = 0")
            _locate_earlier_files(connection, own_folder.parent, staging)
            _note_earlier_states(connection)
            connection.commit()
        copy.replace(store)
    finally:
        if copy.exists():
            copy.unlink()


def _newest_kept_store(own_folder: Path) -> Path | None:
    """The store of the latest capture, whatever its version of MLflow; None if there is none."""
    folder = own_folder / "mlflow"
    found = [] if folder.is_symlink() else [path for path in folder.glob("*.db") if not path.is_symlink()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def add_runs_of_another_version(staging: Path) -> None:
    """Add the rows of a kept store of another version to the private store, whose tables were made now.

    What only one of the versions has stays out. The caller excludes other processes of the script.

    Args:
        staging: the staging folder.
    """
    other = staging / _OTHER
    if not other.exists():
        return
    try:
        with closing(sqlite3.connect(str(staging / _STORE))) as connection:
            connection.execute("PRAGMA trusted_schema = 0")
            connection.execute("ATTACH ? AS other", (str(other),))
            for table in _COPIED:
                columns = _earlier_store_columns(connection, "other", table)
                common = ", ".join(
                    one for one in _earlier_store_columns(connection, "main", table) if one in columns
                )
                if common:
                    connection.execute(
                        f"INSERT INTO main.{table} ({common}) SELECT {common} FROM other.{table}"
                    )
            _locate_earlier_files(connection, staging.parent.parent.parent, staging)
            _note_earlier_states(connection)
            connection.commit()
    finally:
        other.unlink()


def _earlier_store_columns(connection: sqlite3.Connection, schema: str, table: str) -> list[str]:
    """The names of a table's columns; none if there is no such table."""
    return [name for _, name, *_ in connection.execute(f"PRAGMA {schema}.table_info({table})").fetchall()]


def _locate_earlier_files(connection: sqlite3.Connection, root: Path, staging: Path) -> None:
    """Give every run the folder of its files: the one in the root directory, or an empty one."""
    artifacts, real_root = (staging / "artifacts").as_uri(), os.path.realpath(str(root))

    def located(address: str, otherwise: str) -> str:
        if str(address).startswith(BELOW_ROOT):
            path = os.path.realpath(str(root / url2pathname(address[len(BELOW_ROOT) :])))
            if path.startswith(real_root + os.sep):  # a root directory may be made by others
                return Path(path).as_uri()
        return f"{artifacts}/{otherwise}"

    connection.create_function("located", 2, located)
    connection.execute("UPDATE experiments SET artifact_location = located('', experiment_id) ")
    connection.execute(
        "UPDATE runs SET artifact_uri = "
        "located(artifact_uri, experiment_id || '/' || run_uuid || '/artifacts')"
    )
    if has_earlier_table(connection, "logged_models"):
        connection.execute(
            "UPDATE logged_models SET artifact_location = "
            "located(artifact_location, experiment_id || '/models/' || model_id || '/artifacts')"
        )


def _note_earlier_states(connection: sqlite3.Connection) -> None:
    """Note what every run is like."""
    runs, metrics = EARLIER_TABLES
    connection.execute(f"CREATE TABLE {runs} (run_uuid TEXT PRIMARY KEY, status TEXT, end_time, digest TEXT)")
    connection.execute(f"CREATE TABLE {metrics} AS SELECT coalesce(max(rowid), 0) AS last FROM metrics")
    digests = _earlier_run_digests(connection)
    states = connection.execute("SELECT run_uuid, status, end_time FROM runs").fetchall()
    connection.executemany(
        f"INSERT INTO {runs} VALUES (?, ?, ?, ?)", [(*state, digests[state[0]]) for state in states]
    )


def _earlier_run_digests(connection: sqlite3.Connection) -> dict[str, str]:
    """A digest of each run, its numbers aside."""
    found: dict[str, Any] = {}
    for table, columns in _CONTENTS.items():
        if not has_earlier_table(connection, table):
            continue
        for row in connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall():
            found.setdefault(row[0], hashlib.sha256()).update(repr(row).encode("utf-8", "replace"))
    return {run_id: digest.hexdigest() for run_id, digest in found.items()}


def earlier_states(connection: sqlite3.Connection) -> dict[str, tuple[str, int | None]]:
    """The status and the end of each run as they were when the script began."""
    table = EARLIER_TABLES[0]
    if not has_earlier_table(connection, table):
        return {}
    rows = connection.execute(f"SELECT run_uuid, status, end_time FROM {table}").fetchall()
    return {run_id: (status, ended) for run_id, status, ended in rows}


def unchanged_earlier_runs(connection: sqlite3.Connection) -> frozenset[str]:
    """The runs of earlier captures that the script has left alone."""
    runs, metrics = EARLIER_TABLES
    if not has_earlier_table(connection, metrics):
        return frozenset()
    before = dict(connection.execute(f"SELECT run_uuid, digest FROM {runs}").fetchall())
    query = f"SELECT DISTINCT run_uuid FROM metrics WHERE rowid > (SELECT last FROM {metrics})"
    grown = {run_id for (run_id,) in connection.execute(query).fetchall()}
    now = _earlier_run_digests(connection)
    return frozenset(
        run_id for run_id, digest in before.items() if now.get(run_id) == digest and run_id not in grown
    )


def has_earlier_table(connection: sqlite3.Connection, table: str) -> bool:
    """Whether a store has a table: older versions of MLflow have fewer."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (table,)).fetchone() is not None
