"""How long the pages of other trackers take to show the same runs, in the same browser."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.browsing import ViewMarks, free_port, open_browser, until_true

__all__ = [
    "build_mlflow_curve",
    "build_mlflow_runs",
    "build_trackio_curve",
    "build_trackio_runs",
    "first_view",
]

_EXPERIMENT = "look"
_SERIES = 10  # values of each metric, as in benchmarks.look
_LONGEST = 60.0  # seconds after which a page is given up
_MARKS = {
    "mlflow": {"rows": "[role=row] a[href*='/runs/']"},
    "tensorboard": {"rows": "tb-data-table-content-row", "curves": "line-chart-grid-view svg line"},
    "trackio": {"rows": ".run-name", "curves": ".plot-chart-wrap svg, .plot-chart-wrap canvas"},
}


_CURVE_MARKS = {**_MARKS, "mlflow": {"curves": ".js-plotly-plot .scatterlayer path"}}
_WALK = "sin(n / 700.0) + n % 7 / 10.0"  # values of a long curve, in SQL


def build_mlflow_curve(folder: str, steps: int) -> dict[str, float]:
    """A run with one metric of so many steps in an SQLite store of MLflow's; its client logs the first.

    Args:
        folder: an empty folder.
        steps: of the run.
    """
    from mlflow import MlflowClient

    began = time.perf_counter()
    path = Path(folder, "mlflow.db")
    client = MlflowClient(f"sqlite:///{path}")
    run_id = client.create_run(client.create_experiment(_EXPERIMENT)).info.run_id
    client.log_metric(run_id, "loss", 0.5, 1000, 0)
    client.set_terminated(run_id)
    client._tracking_client.store.engine.dispose()  # noqa: SLF001 - another connection writes now
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        changed = {"value": _WALK, "step": "n", "timestamp": "timestamp + n"}
        _multiply(database, "metrics", steps, changed)
        database.execute("UPDATE latest_metrics SET step = ?, timestamp = ?", (steps - 1, 999 + steps))
    return {"seconds": time.perf_counter() - began}


def build_trackio_curve(folder: str, steps: int) -> dict[str, float]:
    """The same in trackio's local store.

    Args:
        folder: an empty folder.
        steps: of the run.
    """
    os.environ["TRACKIO_DIR"] = folder
    import trackio

    began = time.perf_counter()
    trackio.init(_EXPERIMENT, "run", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    trackio.log({"loss": 0.5}, step=0)
    trackio.finish()
    (path,) = Path(folder).rglob(f"{_EXPERIMENT}.db")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        metrics = f"json_set(metrics, '$.loss', {_WALK})"
        _multiply(
            *(database, "metrics", steps),
            {"step": "n", "log_id": "log_id || '-' || n", "metrics": metrics},
        )
    return {"seconds": time.perf_counter() - began}


def build_mlflow_runs(folder: str, configurations: int, runs: int) -> dict[str, float]:
    """Runs of so many configurations in an SQLite store of MLflow's.

    Its client logs those of one configuration; the others are copies of their rows with numbers of their own.

    Args:
        folder: an empty folder.
        configurations, runs: how many configurations, and runs of each.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    began = time.perf_counter()
    path = Path(folder, "mlflow.db")
    client = MlflowClient(f"sqlite:///{path}")
    experiment = client.create_experiment(_EXPERIMENT)
    for run in range(runs):
        run_id = client.create_run(experiment).info.run_id
        params = [Param(name, str(value)) for name, value in _parameters(0, run).items()]
        metrics = [
            Metric(name, value, 1000 + step, step)
            for step in range(_SERIES)
            for name, value in _values(run, step).items()
        ]
        client.log_batch(run_id, metrics, params)
        client.set_terminated(run_id)
    client._tracking_client.store.engine.dispose()  # noqa: SLF001 - another connection writes now
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for table in ("runs", "params", "metrics", "latest_metrics", "tags"):
            value = "CASE key WHEN 'learning_rate' THEN n / 1000.0 ELSE value END"
            _multiply(
                *(database, table, configurations),
                {
                    "run_uuid": "printf('%06x', n) || substr(run_uuid, 7)",
                    "name": "name || '-' || n",
                    **({"value": value} if table == "params" else {}),
                    **({"value": "value + n / 1e6"} if "metrics" in table else {}),
                },
            )
    return {"seconds": time.perf_counter() - began}


def build_trackio_runs(folder: str, configurations: int, runs: int) -> dict[str, float]:
    """The same in trackio's local store.

    Args:
        folder: an empty folder.
        configurations, runs: how many configurations, and runs of each.
    """
    os.environ["TRACKIO_DIR"] = folder
    import trackio

    began = time.perf_counter()
    for run in range(runs):
        parameters = _parameters(0, run)
        options = {"config": parameters, "embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
        trackio.init(_EXPERIMENT, f"run-{run}", **options)
        for step in range(_SERIES):
            trackio.log(_values(run, step), step=step)
        trackio.finish()
    (path,) = Path(folder).rglob(f"{_EXPERIMENT}.db")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        columns = {
            "run_id": "printf('%06x', n) || substr(run_id, 7)",
            "run_name": "run_name || '-' || n",
            "log_id": "log_id || '-' || n",
            "config": "json_set(config, '$.learning_rate', n / 1000.0)",
        }
        for table in ("metrics", "configs"):
            _multiply(database, table, configurations, columns)
    return {"seconds": time.perf_counter() - began}


def _parameters(number: int, seed: int) -> dict[str, Any]:
    return {
        "learning_rate": number / 1000,
        "batch_size": 2 ** (number % 8),
        "momentum": 0.9,
        "layers": "[0, 64]",
        "model": "LeNet",
        "optimizer": "sgd",
        "seed": seed,
    }


def _values(run: int, step: int) -> dict[str, float]:
    return {"loss": 1 / (1 + step + run / 10), "accuracy": step / 10 + run / 100}


def _multiply(database: sqlite3.Connection, table: str, configurations: int, changed: dict[str, str]) -> None:
    """Copy the rows of a table for each further configuration, some of their columns with other values."""
    names = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
    values = [changed.get(name, name) for name in names]
    quoted = ", ".join(f'"{name}"' for name in names)
    database.execute(
        "WITH RECURSIVE numbers(n) AS "
        f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {configurations - 1}) "
        f'INSERT INTO "{table}" ({quoted}) SELECT {", ".join(values)} FROM "{table}", numbers'
    )


def first_view(folder: str, peer: str, rounds: int, *, of_one_run: bool = False) -> dict[str, float]:
    """Seconds until a peer's page shows runs and their curves, of a server that has just begun.

    Args:
        folder: what it shows: its store, or for TensorBoard a folder of event files.
        peer: "mlflow", "tensorboard" or "trackio".
        rounds: how often; the median comes back.
        of_one_run: whether there is one run, and its curve is shown, in MLflow on the page of the run.

    Returns:
        ``warm``, in a browser that has seen the page before; ``again``, a reload; one minute
        where the page was given up.
    """
    found: dict[str, list[float]] = {"warm": [], "again": []}
    for _ in range(rounds):
        port = free_port()
        with open_browser() as browser:
            marks = ViewMarks(browser, (_CURVE_MARKS if of_one_run else _MARKS)[peer])
            for state in ("", "warm"):
                with _peer_server(peer, folder, port) as started:
                    is_run = peer == "mlflow" and of_one_run
                    address = f"{started}/{_only_mlflow_run(folder)}/model-metrics" if is_run else started
                    try:
                        seconds = max(marks.open(address, _LONGEST).values())
                        again = max(marks.open(address, _LONGEST).values())
                    except RuntimeError:  # it will not be quicker the next time
                        return {"warm": _LONGEST, "again": _LONGEST}
                    if state:
                        found["warm"].append(seconds)
                        found["again"].append(again)
    return {name: statistics.median(values) for name, values in found.items()}


def _only_mlflow_run(folder: str) -> str:
    with contextlib.closing(sqlite3.connect(Path(folder, "mlflow.db"))) as database:
        ((run_id,),) = database.execute("SELECT run_uuid FROM runs")
    return str(run_id)


@contextlib.contextmanager
def _peer_server(peer: str, folder: str, port: int) -> Iterator[str]:
    """A peer's server that listens, and the address of the experiment in it."""
    command, address = _peer_command(peer, folder, port)
    process = subprocess.Popen(
        command,
        env={**os.environ, "TRACKIO_DIR": folder, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def listens() -> bool:
        if process.poll() is not None:
            raise ModuleNotFoundError(f"the server of {peer} does not start here", name=peer)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        until_true(listens, pause=0.05)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()


def _peer_command(peer: str, folder: str, port: int) -> tuple[Sequence[str], str]:
    python, at = sys.executable, f"http://127.0.0.1:{port}/"
    if peer == "tensorboard":
        options = ["--logdir", folder, "--host", "127.0.0.1", "--port", str(port)]
        return [python, "-m", "tensorboard.main", *options], f"{at}#timeseries"
    if peer == "mlflow":
        options = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
        options += ["--host", "127.0.0.1", "--port", str(port)]
        return [python, "-m", "mlflow", "server", *options], f"{at}#/experiments/1/runs"
    code = f"import trackio; trackio.show({_EXPERIMENT!r}, open_browser=False, server_port={port})"
    return [python, "-c", code], f"{at}?project={_EXPERIMENT}"
