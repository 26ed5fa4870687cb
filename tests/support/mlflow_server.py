"""Real MLflow servers: one that all workers share, and those that are stopped and started again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock

from legm.backends.mlflow.names import mlflow_sqlite_uri
from tests.support.mlflow_store import prepare_store
from tests.support.shared import shared_folder
from tests.support.waiting import until


class Server:
    """A real ``mlflow server`` that can be stopped and started again.

    Args:
        folder: where its log and its files are, and its SQLite store unless another one is named.
        store: the address of its store.
        port: that it listens on; a free one unless named.
    """

    def __init__(self, folder: Path, store: str = "", port: int = 0) -> None:
        self.folder = folder
        self.store = store or mlflow_sqlite_uri(prepare_store(folder / "server.db"))
        self.port = port or free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", self.store, "--workers", "1"]
        return [*command, "--artifacts-destination", str(self.folder / "files")]

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, **_options(self.folder))
        wait_for(self.uri)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(uri: str) -> None:
    """Wait until an MLflow server answers."""

    def is_healthy() -> bool:
        try:
            return requests.get(uri + "/health", timeout=5).ok
        except requests.RequestException:
            return False

    until(is_healthy, 180, pause=0.1)


def _options(folder: Path) -> dict[str, Any]:
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return {"cwd": folder, "env": environment, "start_new_session": True}


# The shell ends at once, and the server is nobody's child: another worker may stop it.
_LAUNCH = 'log="$1"; shift; "$@" >>"$log" 2>&1 & echo $$'


@contextlib.contextmanager
def shared_server() -> Iterator[Server]:
    """The server of all workers: the first who needs it starts it, the last who needed it stops it."""
    folder = shared_folder() / "mlflow-server"
    folder.mkdir(exist_ok=True)
    file, lock = folder / "users.json", FileLock(folder / "users.lock")
    with lock:
        known = json.loads(file.read_text()) if file.exists() else {"users": 0, "port": free_port()}
        server = Server(folder, port=known["port"])
        if known["users"] == 0:
            command = ["sh", "-c", _LAUNCH, "sh", folder / "server.log", *server.command()]
            launched = subprocess.run(command, stdout=subprocess.PIPE, check=True, **_options(folder))
            known["group"] = int(launched.stdout)
            wait_for(server.uri)
        file.write_text(json.dumps({**known, "users": known["users"] + 1}))
    try:
        yield server
    finally:
        with lock:
            known = json.loads(file.read_text())
            file.write_text(json.dumps({**known, "users": known["users"] - 1}))
            if known["users"] == 1:
                os.killpg(known["group"], signal.SIGKILL)


def experiment_of(folder: Path) -> str:
    """A name that no other test gives to an experiment on the shared server."""
    return f"e {hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
