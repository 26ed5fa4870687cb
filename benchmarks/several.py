"""What several backends at once cost the caller: the local folder, MLflow on SQLite and W&B offline.

Imports, and the first start of W&B's own process, are not counted. Afterwards each backend has the whole
run, or the probe fails.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.wandb_store import SETTINGS
from benchmarks.write import NAMES, row

if TYPE_CHECKING:
    from legm import ExperimentHandler

__all__ = ["paced", "steady"]


def _begun(folder: str, opening: float) -> ExperimentHandler:
    """A run of which each backend has the first row, so that all of them are at work."""
    import mlflow  # noqa: F401
    import wandb

    from legm import ExperimentHandler

    wandb.setup().ensure_service()
    options = {
        "mlflow": {"tracking_uri": f"sqlite:///{folder}/mlflow.db"},
        "wandb": {"mode": "offline", "settings": SETTINGS},
    }
    logging.basicConfig(level=logging.WARNING)
    handler = ExperimentHandler(
        folder, "write", backend=["local", "mlflow", "wandb"], backend_options=options, strict=True
    )
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_dict_metrics(row(0))
    time.sleep(opening)  # MLflow's store is open, and W&B's run has begun
    return handler


def _logged(handler: ExperimentHandler, folder: str, rows: int) -> None:
    result = handler.log()  # strict: an error where a mirror has not all of it
    if result.points != rows * len(NAMES):
        raise RuntimeError(f"{result.points} values were logged of {rows * len(NAMES)}")
    if list(Path(folder).glob("**/runs/open/*.log")):
        raise RuntimeError("a backend has not all of the run")


def steady(folder: str, rows: int, opening: float) -> dict[str, float]:
    """Seconds of ``set_dict_metrics`` for rows of ten numbers without a pause."""
    made = [row(step) for step in range(1000)]
    handler = _begun(folder, opening)
    call = handler.set_dict_metrics
    began, began_thread = time.perf_counter(), time.thread_time()
    for step in range(rows):
        call(made[step % 1000])
    called, called_thread = time.perf_counter(), time.thread_time()
    _logged(handler, folder, rows + 1)
    return {
        "scalars": rows * len(NAMES),
        "caller": called - began,
        "caller_cpu": called_thread - began_thread,
    }


def paced(folder: str, seconds: float, opening: float) -> dict[str, float]:
    """Seconds of ``set_dict_metrics`` every 2 ms while the backends are at work."""
    made = row(1)
    handler = _begun(folder, opening)
    spent, own, count, ends = 0.0, 0.0, 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        began, began_thread = time.perf_counter(), time.thread_time()
        handler.set_dict_metrics(made)
        own += time.thread_time() - began_thread
        spent += time.perf_counter() - began
        count += 1
        time.sleep(0.002)
    _logged(handler, folder, count + 1)
    return {"scalars": count * len(NAMES), "caller": spent, "caller_cpu": own}
