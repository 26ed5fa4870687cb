"""What MLflow's stores cost: legm beside one perfect batch and beside a loop, on SQLite and on a server.

Each probe begins with an empty folder. Its seconds count from the opening of the new store, by legm's
``start()`` or by MLflow's client, to the moment when the last number can be read; that it can is seen
to. Imports, and a server's start, are not counted.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.write import NAMES, row

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from legm import ExperimentHandler

__all__ = ["aggregate", "build_store", "legm", "loop", "open_store", "paced", "perfect"]


@contextlib.contextmanager
def open_store(folder: str, *, server: bool) -> Iterator[str]:
    """The address of a new store; a server keeps its own in SQLite too."""
    database = f"sqlite:///{folder}/mlflow.db"
    if not server:
        yield database
        return
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    options = ["--backend-store-uri", database, "--artifacts-destination", f"{folder}/artifacts"]
    options += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *options],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address, process)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    import requests

    for _ in range(1200):
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{address}/health", timeout=1).ok:
                return
        if process.poll() is not None:
            raise ModuleNotFoundError("no MLflow server starts here", name="mlflow")
        time.sleep(0.1)
    raise RuntimeError("the MLflow server does not answer after two minutes")


def _require_all(client: MlflowClient, run_id: str, names: Iterator[str], count: int) -> None:
    found = sum(len(client.get_metric_history(run_id, name)) for name in names)
    if found != count:
        raise RuntimeError(f"{found} numbers can be read of {count}")


def _handler(folder: str, uri: str) -> ExperimentHandler:
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, "write", backend="mlflow", backend_options={"tracking_uri": uri})
    handler.set_param("lr", 0.1)
    return handler


def legm(folder: str, rows: int, server: bool) -> dict[str, float]:
    """Rows of ten numbers through legm, to the end of ``log()``."""
    from mlflow import MlflowClient

    made = [row(step) for step in range(1000)]
    with open_store(folder, server=server) as uri:
        handler = _handler(folder, uri)
        before, began = time.process_time(), time.perf_counter()
        handler.start()
        first = time.perf_counter()
        for step in range(rows):
            handler.set_dict_metrics(made[step % 1000])
        called = time.perf_counter()
        handler.log()
        ended, cpu = time.perf_counter(), time.process_time() - before
        client = MlflowClient(uri)
        (experiment,) = client.search_experiments(filter_string="name = 'write'")
        (found,) = client.search_runs([experiment.experiment_id], "tags.`legm.kind` = 'run'")
        names = (f"dev/{name}" for name in NAMES)
        _require_all(client, found.info.run_id, names, rows * len(NAMES))
    return {
        "scalars": rows * len(NAMES),
        "caller": called - first,
        "total": ended - began,
        "cpu": cpu,
    }


def perfect(folder: str, rows: int, server: bool) -> dict[str, float]:
    """One ``log_batch`` of all the numbers, which were made before."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = [
        Metric(name, value, now + step // 100, step)
        for step in range(rows)
        for name, value in row(step % 1000).items()
    ]
    with open_store(folder, server=server) as uri:
        os.chdir(folder)
        began = time.perf_counter()
        client = MlflowClient(uri)
        run_id = client.create_run(client.create_experiment("write")).info.run_id
        client.log_batch(run_id, points)
        client.set_terminated(run_id)
        ended = time.perf_counter()
        _require_all(client, run_id, iter(NAMES), len(points))
    return {"scalars": len(points), "total": ended - began}


def loop(folder: str, rows: int, server: bool) -> dict[str, float]:
    """``log_metric`` for each number; the opening is not counted, since so few stand for many."""
    from mlflow import MlflowClient

    with open_store(folder, server=server) as uri:
        os.chdir(folder)
        client = MlflowClient(uri)
        run_id = client.create_run(client.create_experiment("write")).info.run_id
        began = time.perf_counter()
        for step in range(rows):
            for name, value in row(step).items():
                client.log_metric(run_id, name, value, step=step)
        ended = time.perf_counter()
    return {"scalars": rows * len(NAMES), "total": ended - began}


def paced(folder: str, seconds: float, opening: float) -> dict[str, float]:
    """Seconds of ``set_dict_metrics`` in a run that goes on while its numbers are sent; SQLite."""
    made = row(1)
    with open_store(folder, server=False) as uri:
        handler = _handler(folder, uri).start()
        handler.set_dict_metrics(made)
        time.sleep(opening)  # the store is open
        spent, count, ends = 0.0, 0, time.perf_counter() + seconds
        while time.perf_counter() < ends:
            began = time.perf_counter()
            handler.set_dict_metrics(made)
            spent += time.perf_counter() - began
            count += 1
            time.sleep(0.002)
        handler.log()
    return {"scalars": count * len(NAMES), "caller": spent}


def build_store(folder: str, runs: int, configurations: int) -> dict[str, float]:
    """A SQLite store with so many runs of each of so many configurations.

    One configuration's are logged by legm; the others are copies of its rows in the database, with
    names of their own, as legm would have written them. Their files are not copied: nothing reads them.
    """
    handler = _handler(folder, f"sqlite:///{folder}/mlflow.db").start()
    began = time.perf_counter()
    for run in range(runs):
        if run:
            handler.reset()
        for step in range(50):
            handler.set_dict_metrics(row(step + run % 17))
        handler.log()
    logged = time.perf_counter() - began
    with contextlib.closing(sqlite3.connect(f"{folder}/mlflow.db")) as store, store:
        for number in range(1, configurations):
            _copy(store, number, handler.fingerprint)
    return {"runs": runs * configurations, "seconds": logged, "logged": runs}


def _copy(store: sqlite3.Connection, number: int, fingerprint: str) -> None:
    """All runs once more, as those of another configuration."""
    every = store.execute(
        "select run_uuid from tags where key = 'legm.fingerprint' and value = ?", [fingerprint]
    )
    new = {run: uuid.uuid4().hex for (run,) in every}
    other = f"{number:064x}"
    for table in ("runs", "tags", "params", "latest_metrics", "metrics"):
        names = [column[1] for column in store.execute(f"pragma table_info({table})")]
        place, marks = names.index("run_uuid"), ",".join("?" * len(names))
        for old, made in new.items():
            found = store.execute(f"select * from {table} where run_uuid = ?", [old]).fetchall()
            rows = []
            for values in map(list, found):
                values[place] = made
                if table == "tags":
                    key, value = values[names.index("key")], values[names.index("value")]
                    changed = {
                        "legm.fingerprint": other,
                        "legm.run_id": f"{value}-{number}",
                        "mlflow.parentRunId": new.get(value, value),
                    }
                    values[names.index("value")] = changed.get(key, value)
                rows.append(values)
            store.executemany(f"insert into {table} values ({marks})", rows)


def aggregate(folder: str) -> dict[str, float]:
    """Seconds of ``aggregate_results()`` in a new process, the store's opening among them."""
    handler = _handler(folder, f"sqlite:///{folder}/mlflow.db")
    began = time.perf_counter()
    found = handler.aggregate_results()
    return {"seconds": time.perf_counter() - began, "n": found["best_metric_0"]["n"]}
