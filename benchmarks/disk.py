"""How many bytes a number takes on the disk, in all files of a run, of legm and of other trackers.

The numbers are as trainings have them: ``rounded`` to four digits after the point, ``float32`` ones of single
precision that became floats of Python, as losses do, and ``random`` ones of double precision, which nothing
makes shorter. Each probe returns ``bytes`` a number, without what the store takes before the first one.
"""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.write import NAMES

__all__ = ["KINDS", "legm", "mlflow", "trackio", "wandb"]

KINDS: Mapping[str, Callable[[float], float]] = {
    "rounded": lambda value: round(value, 4),
    "float32": lambda value: float(struct.unpack("f", struct.pack("f", value))[0]),
    "random": lambda value: value,
}

_FILES = {"metrics.yml": "yaml", "steps.yml": "steps", "events": "events", ".log": "log"}
_PACE = 1e-4  # seconds between two steps: a training's clock never stands still


def legm(folder: str, rows: int, metrics: int, kind: str) -> dict[str, float]:
    """``set_dict_metrics`` of so many; also the bytes of each kind of file."""
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, "disk", provenance=False)
    handler.set_param("rows", rows)
    handler.start()
    before = _sizes(folder)
    for step, values in enumerate(_rows(rows, metrics, kind)):
        handler.set_dict_metrics(values, step=step)
        if step % 100 == 0:
            time.sleep(100 * _PACE)
    handler.log()
    handler.end()
    after = _sizes(folder)
    found = {"bytes": (sum(after.values()) - sum(before.values())) / (rows * metrics)}
    for part, name in _FILES.items():
        found[name] = sum(size for path, size in after.items() if part in path) / (rows * metrics)
    return found


def wandb(folder: str, rows: int, metrics: int, kind: str) -> dict[str, float]:
    """W&B offline, ``run.log`` of as many."""
    run, close = peers.wandb_run(folder)
    return _measured(
        folder, rows, metrics, kind, lambda values, step: run.log(dict(values), step=step), close
    )


def mlflow(folder: str, rows: int, metrics: int, kind: str) -> dict[str, float]:
    """MLflow on SQLite, ``log_batch``."""
    client, run_id = peers.mlflow_run(folder)
    from mlflow.entities import Metric

    def write(values: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        client.log_batch(run_id, [Metric(name, value, now, step) for name, value in values.items()])

    return _measured(folder, rows, metrics, kind, write, lambda: client.set_terminated(run_id))


def trackio(folder: str, rows: int, metrics: int, kind: str) -> dict[str, float]:
    """The tracker trackio with its local store."""
    os.environ["TRACKIO_DIR"] = folder
    import trackio as module

    module.init(project="benchmark", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    return _measured(
        folder,
        rows,
        metrics,
        kind,
        lambda values, step: module.log(dict(values), step=step),
        module.finish,
    )


def _measured(
    folder: str,
    rows: int,
    metrics: int,
    kind: str,
    write: Callable[[Mapping[str, float], int], Any],
    close: Callable[[], Any],
) -> dict[str, float]:
    before = sum(_sizes(folder).values())
    for step, values in enumerate(_rows(rows, metrics, kind)):
        write(values, step)
    close()
    return {"bytes": (sum(_sizes(folder).values()) - before) / (rows * metrics)}


def _rows(rows: int, metrics: int, kind: str) -> list[dict[str, float]]:
    generator, made = random.Random(7), KINDS[kind]
    return [{name: made(generator.random()) for name in NAMES[:metrics]} for _ in range(rows)]


def _sizes(folder: str) -> dict[str, int]:
    """The sizes of all files, of one with several names once."""
    found: dict[int, tuple[str, int]] = {}
    for path in Path(folder).rglob("*"):
        if path.is_file():
            status = path.stat()
            found[status.st_ino] = str(path), status.st_size
    return dict(found.values())
