"""Keeps what the next capture of a root directory finds in MLflow: the private store, once imported."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from legm.capture.earlier_store import (
    ABOUT_FILE,
    BELOW_ROOT,
    EARLIER_TABLES,
    has_earlier_table,
    kept_store,
    kept_store_stamp,
    unchanged_earlier_runs,
)
from legm.core.credentials import redact
from legm.errors import StorageError, storage_error
from legm.runlog.file_names import OWN_FOLDER
from legm.util.atomic_files import atomic_replacement
from legm.util.locks import file_lock
from legm.util.process_rank import RANK_TAG

__all__ = ["keep_mlflow_store"]

_VERSION = re.compile(r"\w[\w.+-]*")
_TABLES = ("runs", "params", "tags", "metrics", "latest_metrics")


def keep_mlflow_store(root: Path, store: Path, folders: Mapping[str, Path]) -> None:
    """Keep the private store of a capture for the next ones.

    Runs that were deleted, runs of other ranks, and credentials are not kept.

    Args:
        root: the root directory.
        store: the private store.
        folders: the folders in the root directory with the files of the runs, by MLflow's run ids.

    Raises:
        StorageError: it cannot be kept.
    """
    root, about = root.absolute(), store.with_name(ABOUT_FILE)
    if not store.exists() or not about.exists():
        return
    try:
        began = json.loads(about.read_bytes())
        if not _VERSION.fullmatch(began["version"]):
            return
        kept = kept_store(root / OWN_FOLDER, began["version"])
        kept.parent.mkdir(exist_ok=True)
        with (
            file_lock(kept.with_suffix(".lock")),
            atomic_replacement(kept) as new,
            closing(sqlite3.connect(new, isolation_level=None)) as connection,
        ):
            is_alone = kept_store_stamp(kept) == began["kept"]  # no other capture has ended meanwhile
            with closing(sqlite3.connect(store if is_alone else kept)) as first:
                first.backup(connection)
            if not is_alone:
                _merge_into_kept_store(connection, store)
            connection.execute("PRAGMA secure_delete = 1")
            connection.execute("BEGIN")
            _remove_what_is_not_kept(connection)
            _make_kept_addresses_relative(connection, root, folders)
            connection.execute("COMMIT")
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise StorageError(f"cannot keep MLflow's private store {store}: {cause!r}") from cause
    except sqlite3.Error as cause:
        raise storage_error("copy", store, OSError(str(cause))) from cause


def _merge_into_kept_store(connection: sqlite3.Connection, store: Path) -> None:
    """Add the runs that a capture has made or changed to those of others."""
    with closing(sqlite3.connect(store)) as made:
        unchanged = unchanged_earlier_runs(made)
    connection.execute("ATTACH ? AS made", (str(store),))
    connection.execute("BEGIN")
    experiments = dict(connection.execute("SELECT name, experiment_id FROM main.experiments").fetchall())
    ids = {}
    for name, given in connection.execute("SELECT name, experiment_id FROM made.experiments").fetchall():
        if name not in experiments:
            taken = {*experiments.values()}
            experiments[name] = given if given not in taken else max(taken) + 1
            connection.execute(
                "CREATE TEMP TABLE one AS SELECT * FROM made.experiments WHERE experiment_id = ?", (given,)
            )
            connection.execute("UPDATE one SET experiment_id = ?", (experiments[name],))
            connection.execute("INSERT INTO main.experiments SELECT * FROM one")
            connection.execute("DROP TABLE one")
        ids[given] = experiments[name]
    for run_id, experiment in connection.execute("SELECT run_uuid, experiment_id FROM made.runs").fetchall():
        if run_id in unchanged:
            continue
        for table in _TABLES:
            connection.execute(f"DELETE FROM main.{table} WHERE run_uuid = ?", (run_id,))
            connection.execute(
                f"INSERT INTO main.{table} SELECT * FROM made.{table} WHERE run_uuid = ?", (run_id,)
            )
        connection.execute(
            "UPDATE main.runs SET experiment_id = ? WHERE run_uuid = ?", (ids[experiment], run_id)
        )
    connection.execute("COMMIT")
    connection.execute("DETACH made")


def _remove_what_is_not_kept(connection: sqlite3.Connection) -> None:
    for table in EARLIER_TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    others = connection.execute(
        "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted' "
        "UNION SELECT run_uuid FROM tags WHERE key = ?",
        (RANK_TAG,),
    ).fetchall()
    for table in _TABLES:
        connection.executemany(f"DELETE FROM {table} WHERE run_uuid = ?", others)
    for table in ("params", "tags"):
        texts = connection.execute(f"SELECT rowid, key, value FROM {table}").fetchall()
        secret = [(row_id,) for row_id, key, value in texts if redact(str(key), value) != value]
        connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", secret)


def _make_kept_addresses_relative(
    connection: sqlite3.Connection, root: Path, folders: Mapping[str, Path]
) -> None:
    """Say where the runs' files are now, below the root directory."""
    root = root.resolve()
    located = [
        (BELOW_ROOT + quote(folder.resolve().relative_to(root).as_posix()), run_id)
        for run_id, folder in folders.items()
    ]
    connection.executemany("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", located)
    _make_kept_column_relative(connection, root, "runs", "artifact_uri")
    if has_earlier_table(connection, "logged_models"):
        connection.executemany(
            "UPDATE logged_models SET artifact_location = ? || '/models/' || name || '-' || model_id "
            "WHERE source_run_id = ?",
            located,
        )
        _make_kept_column_relative(connection, root, "logged_models", "artifact_location")


def _make_kept_column_relative(connection: sqlite3.Connection, root: Path, table: str, column: str) -> None:
    base = root.as_uri() + "/"
    connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
        (BELOW_ROOT, len(base) + 1, len(base), base),
    )
