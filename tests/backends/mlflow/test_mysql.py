"""An MLflow store in MySQL or MariaDB without a tracking server.

Run by ``nox -s mysql`` alone: neither the database nor its client is among what the whole suite needs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from legm import BackendError, ExperimentHandler
from legm.delivery import circuit_breaker
from tests.support.mlflow_server import free_port
from tests.support.mlflow_store import STARTING, history, runs
from tests.support.processes import run_at_once
from tests.support.waiting import until

pytest.importorskip("pymysql")
pytestmark = pytest.mark.servers

IMPORTS = """
import numpy, mlflow.store.tracking.sqlalchemy_store, legm.backends.mlflow.backend, legm.handler, pymysql
import sqlalchemy.orm
sqlalchemy.orm.configure_mappers()
"""


class Database:
    """A MariaDB server with an empty data folder, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        options = [f"--datadir={folder / 'data'}", f"--socket={folder / 'socket'}", "--no-defaults"]
        root = ["--user=mysql"] if os.getuid() == 0 else []  # it refuses to run as root
        if root:
            shutil.chown(folder, "mysql")
        install = ["mariadb-install-db", options[2], options[0], "--auth-root-authentication-method=normal"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        subprocess.run([*install, "--skip-test-db", *root], check=True, **quiet)
        port = free_port()
        command = [options[2], *options[:2], "--bind-address=127.0.0.1", f"--port={port}", *root]
        server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
        self.process = subprocess.Popen([server, *command], **quiet)
        self.uri = f"mysql+pymysql://root@127.0.0.1:{port}"
        self._port = port
        until(self._answers, 60, pause=0.1)

    def _answers(self) -> bool:
        import pymysql

        try:
            pymysql.connect(host="127.0.0.1", port=self._port, user="root").close()
        except pymysql.err.OperationalError:
            return False
        return True

    def create(self, name: str) -> str:
        """Create an empty database.

        Returns:
            Its address.
        """
        import pymysql

        with pymysql.connect(host="127.0.0.1", port=self._port, user="root") as connection:
            connection.cursor().execute(f"CREATE DATABASE {name}")
        return f"{self.uri}/{name}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("needs MariaDB")
    folder = Path(tempfile.mkdtemp(prefix="mysql"))  # pytest's folders are closed to other users
    made = Database(folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def test_eight_processes_that_start_at_once_on_a_new_database_create_its_tables_once(
    tmp_path, database, monkeypatch
):
    uri = database.create("fresh")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    with (tmp_path / "said.txt").open("w") as said:
        codes = run_at_once(STARTING, [(tmp_path, seed) for seed in range(8)], IMPORTS, stderr=said)

    said = (tmp_path / "said.txt").read_text()
    assert codes == [0] * 8, said
    assert "undelivered" not in said
    handler = ExperimentHandler(tmp_path, "e", backend="mlflow")
    handler.set_param("lr", 0.1)
    assert handler.aggregate_results()["best_loss"]["n"] == 8
    reader = MlflowClient(uri)
    assert len(runs(reader, "e", "tags.`legm.kind` = 'configuration'")) == 1
    for run in runs(reader, "e", "tags.`legm.kind` = 'run'"):
        assert len(history(reader, run, "dev/loss")) == 20


def test_what_is_rewound_is_deleted_from_the_database(tmp_path, database, monkeypatch):
    uri = database.create("rewound")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    with ExperimentHandler(tmp_path, "e", backend="mlflow").start() as handler:
        for step in range(6):
            handler.set_metric("loss", 1.0, step=step)
        assert handler.flush(60)
        handler.rewind(2)
        handler.set_metric("loss", 0.5, step=3)

    reader = MlflowClient(uri)
    (run,) = runs(reader, "e", "tags.`legm.kind` = 'run'")
    assert history(reader, run, "dev/loss") == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.5)]
    assert run.data.metrics["dev/loss"] == 0.5


def test_a_database_that_does_not_answer_is_waited_for_once(tmp_path, database, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database.create("hanging"))
    monkeypatch.setattr(circuit_breaker, "PATIENCE", 2.0)
    with ExperimentHandler(tmp_path, "e", backend="mlflow").start() as handler:
        handler.set_metric("loss", 1.0)
    database.process.send_signal(signal.SIGSTOP)
    try:
        for limit in (10.0, 2.0):
            began = time.monotonic()
            other = ExperimentHandler(tmp_path, "e", backend="mlflow").start()
            other.set_metric("loss", 3.0)
            other.log()
            with other, pytest.raises(BackendError, match="'mlflow' does not answer"):
                other.aggregate_results()
            assert time.monotonic() - began < limit
    finally:
        database.process.send_signal(signal.SIGCONT)

    def is_delivered() -> bool:
        try:
            return handler.aggregate_results()["best_loss"]["n"] == 3
        except BackendError:
            return False

    until(is_delivered, 120)
