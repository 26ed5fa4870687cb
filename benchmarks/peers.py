"""The same writing by other trackers: rows of ten numbers, one after the other, then the close.

Each probe returns how many numbers it wrote and the seconds of its calls (``caller``), of calls and
close (``total``), and all CPU of both, child processes included (``cpu``). Imports and the opening of a
run are never counted, which is more than legm is granted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.write import NAMES, row

__all__ = [
    "mlflow",
    "mlflow_batched",
    "mlflow_run",
    "tensorboard",
    "tensorboardx",
    "text",
    "trackio",
    "wandb",
    "wandb_run",
]


def text(folder: str, rows: int) -> dict[str, float]:
    """A line of text a number, through Python's own buffer."""
    file = (Path(folder) / "lines.txt").open("w", encoding="ascii")

    def write(metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            file.write(f"{name} {step} {value}\n")

    return _timed(rows, write, file.close)


def tensorboard(folder: str, rows: int) -> dict[str, float]:
    """TensorBoard's own writer."""
    from tensorboard.summary import Writer

    writer = Writer(folder)

    def write(metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return _timed(rows, write, writer.close)


def tensorboardx(folder: str, rows: int) -> dict[str, float]:
    """What tensorboardX calls SummaryWriter."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(folder)

    def write(metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return _timed(rows, write, writer.close)


def wandb(folder: str, rows: int) -> dict[str, float]:
    """W&B offline, ``run.log`` of ten; its service is a child process and ends within the total."""
    run, close = wandb_run(folder)
    return _timed(rows, lambda metrics, step: run.log(dict(metrics), step=step), close)


def wandb_run(folder: str) -> tuple[Any, Callable[[], None]]:
    """An offline run that logs nothing by itself, and what ends it and its service."""
    import wandb as module

    settings = module.Settings(
        console="off",
        disable_code=True,
        disable_git=True,
        silent=True,
        x_disable_meta=True,
        x_disable_stats=True,
    )
    run = module.init(dir=folder, mode="offline", project="benchmark", settings=settings)

    def close() -> None:
        run.finish()
        module.teardown()

    return run, close


def mlflow(folder: str, rows: int) -> dict[str, float]:
    """MLflow on SQLite, ``log_metric`` for each number."""
    client, run_id = mlflow_run(folder)

    def write(metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            client.log_metric(run_id, name, value, step=step)

    return _timed(rows, write, lambda: client.set_terminated(run_id))


def mlflow_batched(folder: str, rows: int) -> dict[str, float]:
    """MLflow on SQLite, ``log_batch`` of the thousand numbers that it takes at most."""
    client, run_id = mlflow_run(folder)
    from mlflow.entities import Metric

    waiting: list[Metric] = []

    def write(metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        waiting.extend(Metric(name, value, now, step) for name, value in metrics.items())
        if len(waiting) >= 1000:
            client.log_batch(run_id, waiting)
            waiting.clear()

    def close() -> None:
        client.log_batch(run_id, waiting)
        client.set_terminated(run_id)

    return _timed(rows, write, close)


def mlflow_run(folder: str) -> tuple[Any, str]:
    """A client of a new SQLite store, and the id of a run in it."""
    from mlflow import MlflowClient

    os.chdir(folder)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("benchmark", artifact_location=folder)
    return client, client.create_run(experiment).info.run_id


def trackio(folder: str, rows: int) -> dict[str, float]:
    """The tracker trackio with its local store (in ``TRACKIO_DIR``): no server, no page, no network."""
    import trackio as module

    del folder
    module.init(project="benchmark", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    return _timed(rows, lambda metrics, step: module.log(dict(metrics), step=step), module.finish)


def _timed(
    rows: int, write: Callable[[Mapping[str, float], int], object], close: Callable[[], object]
) -> dict[str, float]:
    made = [row(step) for step in range(1000)]
    before, began = _cpu(), time.perf_counter()
    for step in range(rows):
        write(made[step % 1000], step)
    called = time.perf_counter()
    close()
    ended = time.perf_counter()
    return {
        "scalars": rows * len(NAMES),
        "caller": called - began,
        "total": ended - began,
        "cpu": _cpu() - before,
    }


def _cpu() -> float:
    """Seconds of all threads and of the children that ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system
