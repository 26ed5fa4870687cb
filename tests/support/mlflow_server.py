"""Real MLflow servers: one that all workers share, and those that are stopped and started again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore

from legm.backends.mlflow.names import mlflow_sqlite_uri
from tests.support.mlflow_store import prepare_store
from tests.support.prepared import Forked, Prepared
from tests.support.shared import shared_folder
from tests.support.waiting import until

_SERVE = """
import os
import mlflow.cli, mlflow.server, uvicorn.main

def become(command, extra_env, **options):
    os.environ.update(extra_env)
    uvicorn.main.main(command[command.index("uvicorn") + 1:])

mlflow.server._exec_cmd = become
mlflow.cli.cli()
"""
"""``mlflow server``, which serves in its own process instead of starting uvicorn in another one."""


class Server:
    """A real ``mlflow server`` that can be stopped and started again.

    Args:
        folder: where its log and its files are, and its SQLite store unless another one is named.
        store: the address of its store.
        prepared: what its process is forked from.
        port: that it listens on; a free one unless named.
    """

    def __init__(self, folder: Path, prepared: Prepared, store: str = "", port: int = 0) -> None:
        self.folder = folder
        self._prepared = prepared
        self.store = store or mlflow_sqlite_uri(prepare_store(folder / "server.db"))
        self.port = port or free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: Forked | None = None

    def start(self) -> int:
        """Start it.

        Returns:
            The id of its process.
        """
        arguments = [
            "-c",
            _SERVE,
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "1",
        ]
        arguments += ["--backend-store-uri", self.store]
        arguments += ["--artifacts-destination", str(self.folder / "files")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self._process = self._prepared.begin(
                arguments, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        wait_for(self.uri)
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def release(self) -> None:
        """Let it continue, if it was started here: somebody else stops it."""
        if self._process is not None:
            self._process.release()
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_healthy(uri: str) -> bool:
    """Whether an MLflow server answers."""
    try:
        return requests.get(uri + "/health", timeout=5).ok
    except requests.RequestException:
        return False


def wait_for(uri: str) -> None:
    """Wait until an MLflow server answers."""
    until(lambda: is_healthy(uri), 180, pause=0.1)


@contextlib.contextmanager
def shared_server(prepared: Prepared) -> Iterator[Server]:
    """The server of all workers: the first who needs it starts it, the last who needed it stops it."""
    folder = shared_folder() / "mlflow-server"
    folder.mkdir(exist_ok=True)
    file, lock = folder / "users.json", FileLock(folder / "users.lock")
    with lock:
        known = json.loads(file.read_text()) if file.exists() else {"users": 0, "port": free_port()}
        server = Server(folder, prepared, port=known["port"])
        if known["users"] == 0:
            known["process"] = server.start()
        file.write_text(json.dumps({**known, "users": known["users"] + 1}))
    try:
        yield server
    finally:
        with lock:
            known = json.loads(file.read_text())
            file.write_text(json.dumps({**known, "users": known["users"] - 1}))
            if known["users"] == 1:
                os.kill(known["process"], signal.SIGKILL)
        server.release()


@contextlib.contextmanager
def without_new_experiments(server: Server) -> Iterator[Server]:
    """Delete at the end what experiments this process has created on a server.

    What lists or imports all that is on it would take longer with each test. A name may be given again.
    """
    made: dict[str, str] = {}  # names by id
    create = RestStore.create_experiment

    def create_experiment(store: RestStore, name: str, *arguments: Any, **options: Any) -> str:
        made[number := create(store, name, *arguments, **options)] = name
        return number

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RestStore, "create_experiment", create_experiment)
        yield server
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # which would take minutes
        client = MlflowClient(server.uri)
        for number, name in made.items():
            with contextlib.suppress(MlflowException):
                found = client.get_experiment(number)
                if found.name == name and found.lifecycle_stage == "active":  # and not on another server
                    client.rename_experiment(number, f"deleted {number}")
                    client.delete_experiment(number)


def experiment_of(folder: Path) -> str:
    """A name that no other test gives to an experiment on the shared server."""
    return f"e {hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
