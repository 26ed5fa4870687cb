"""Creates MLflow's tables, in a process of their own.

MLflow creates them by migrations, whose library (Alembic) keeps the one that is running in global state. Two
that run at once in a process, whatever their stores, end in an error, in a damaged store or in a crash, and
the user's own ``mlflow`` may be running one. So legm never runs a migration in the user's process.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock, Timeout

from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.core.credentials import redact_url_password
from legm.errors import BackendError
from legm.hooks import still_working

__all__ = ["create_database_tables", "create_sqlite_store"]

_TIMEOUT = 120  # seconds
_TRY_LOCK = {  # by the database's kind: takes a lock that ends with the connection, or says that it is taken
    "postgresql": f"SELECT pg_try_advisory_lock({0x6C65676D})",  # "legm": its locks are numbers
    "mysql": "SELECT GET_LOCK('legm-mlflow-tables', 0)",
    "mariadb": "SELECT GET_LOCK('legm-mlflow-tables', 0)",
}
_LOCK_PAUSE = 0.1  # seconds

_CREATE_TABLES = """
import json, logging, sys
given = json.load(sys.stdin)
sys.path[:] = given["path"]
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)
engine = create_sqlalchemy_engine(given["uri"])
_initialize_tables(engine)
engine.dispose()
"""


def create_sqlite_store(path: Path) -> None:
    """Create a SQLite store; one that another process creates meanwhile is left as it is.

    Raises:
        BackendError: MLflow could not create its tables.
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _table_file_lock(Path(f"{path}.lock")):
        if path.exists():
            return
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            _create_tables(mlflow_sqlite_uri(new))
            _move_tables_unless_exist(new, path)
        finally:
            new.unlink(missing_ok=True)


@contextlib.contextmanager
def _table_file_lock(path: Path) -> Iterator[None]:
    lock = FileLock(path)
    until = time.monotonic() + _TIMEOUT
    while True:
        try:
            lock.acquire(timeout=1)
        except Timeout as cause:
            still_working()
            if time.monotonic() > until:
                raise BackendError(
                    f"{path} has been locked for {_TIMEOUT} s: end the process that holds it"
                ) from cause
        else:
            break
    try:
        yield
    finally:
        lock.release()


def _move_tables_unless_exist(new: Path, path: Path) -> None:
    try:
        os.link(new, path)
    except FileExistsError:  # created by MLflow itself, which takes no lock
        return
    except OSError:  # a file system without links
        new.replace(path)


def create_database_tables(engine: Any) -> None:
    """Create the tables of a database that has none; one process does so, and the others wait for it.

    Raises:
        BackendError: MLflow could not create them, or another process takes minutes to.
    """
    from mlflow.store.db.utils import (
        _all_tables_exist,
        _get_latest_schema_revision,
        _get_schema_version,
    )

    if _get_schema_version(engine) == _get_latest_schema_revision():
        return
    with _table_creation_lock(engine):
        if not _all_tables_exist(engine):
            _create_tables(engine.url.render_as_string(hide_password=False))


@contextlib.contextmanager
def _table_creation_lock(engine: Any) -> Iterator[None]:
    """Exclude other processes that create tables, where the database has locks for it."""
    import sqlalchemy

    if engine.name not in _TRY_LOCK:
        yield
        return
    until = time.monotonic() + _TIMEOUT
    with engine.connect() as connection:
        connection.detach()  # from the pool: the lock ends with the connection
        attempt = sqlalchemy.text(_TRY_LOCK[engine.name])
        while not connection.execute(attempt).scalar():
            still_working()
            if time.monotonic() > until:
                raise BackendError(
                    f"another process has been creating MLflow's tables for {_TIMEOUT} s: end that process"
                )
            time.sleep(_LOCK_PAUSE)
        yield


def _create_tables(uri: str) -> None:
    """Create the tables at an address, in a child process that imports what this one does."""
    packages = str(Path(mlflow.__file__).parents[1])
    given: str | None = json.dumps(
        {"path": [packages, *sys.path], "uri": uri}
    )  # not an argument: it may hold a password
    pipe = subprocess.PIPE
    command = [sys.executable, "-I", "-c", _CREATE_TABLES]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8") as child:  # noqa: S603
        until, text = time.monotonic() + _TIMEOUT, None
        while text is None:
            try:
                _, text = child.communicate(given, timeout=1)
            except subprocess.TimeoutExpired:
                given = None
                still_working()
                if time.monotonic() > until:
                    child.kill()
                    raise BackendError(
                        f"MLflow's tables were not created within {_TIMEOUT} s at {redact_url_password(uri)}"
                    ) from None
    if child.returncode != 0:
        lines = [line for line in text.splitlines() if line and not line.startswith(("(Background", "[SQL"))]
        output = lines[-1] if lines else f"exit code {child.returncode}"
        raise BackendError(
            f"MLflow could not create its tables at {redact_url_password(uri)}: "
            f"{redact_url_password(output)[:300]}"
        )
