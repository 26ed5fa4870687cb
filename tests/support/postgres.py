"""PostgreSQL servers of one's own, with MLflow's tables."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mlflow_server import free_port
from tests.support.prepared import Prepared
from tests.support.shared import once

__all__ = ["running_postgres"]


class Postgres:
    """A PostgreSQL server of Debian's, on a socket and port of its own, in a folder that its user enters."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self.data, self._port = programs, folder / "data", free_port()
        user: dict = {}
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            subprocess.run(["chown", "-R", "postgres", folder], check=True)
        self._options = {"stdout": subprocess.DEVNULL, "cwd": folder, **user}
        self.uri = f"postgresql+psycopg2://legm@127.0.0.1:{self._port}/postgres"

    def call(self, program: str, *arguments: object) -> None:
        subprocess.run([self._programs / program, "-D", self.data, *arguments], check=True, **self._options)

    def start(self) -> None:
        folder = self.data.parent
        options = f"-p {self._port} -k {folder} -h 127.0.0.1 -c fsync=off"
        self.call("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")

    def stop(self, mode: str) -> None:
        self.call("pg_ctl", "-w", "-m", mode, "stop")


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder outside of pytest's, which are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def running_postgres(prepared: Prepared) -> Iterator[str]:
    """The address of a server in a temporary folder; MLflow's tables are made once for all workers."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("needs PostgreSQL")
    home = programs[-1].parent

    def make(made: Path) -> None:
        with open_folder() as folder:
            server = Postgres(home, folder)
            server.call("initdb", "-U", "legm", "-A", "trust", "-E", "UTF8", "--no-sync")
            server.start()
            first = "import mlflow, sys; mlflow.MlflowClient(sys.argv[1]).search_experiments()"
            prepared.run(["-c", first, server.uri], check=True)
            server.stop("fast")
            shutil.copytree(server.data, made / "data")

    made = once("postgres", make)
    with open_folder() as folder:
        shutil.copytree(made / "data", folder / "data")
        server = Postgres(home, folder)
        server.start()
        try:
            yield server.uri
        finally:
            server.stop("immediate")
