"""Pictures of 512 x 512 x 3 that are logged during training, by legm and by other trackers.

A training step of 50 ms is between two of them, so that what writes in the background can. Each probe returns
the median of a call (``caller``, s), and all CPU of calls and close (``cpu``, s), child processes included.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import peers

__all__ = ["legm", "mlflow", "tensorboardx", "trackio", "wandb"]

_STEP = 0.05  # seconds of a training step


def legm(folder: str, pictures: int) -> dict[str, float]:
    """``log_image`` of an array."""
    from legm import ExperimentHandler

    handler = ExperimentHandler(folder, "pictures", provenance=False)
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_metric("loss", 1.0)

    def close() -> None:
        handler.log()
        handler.end()

    return _timed(pictures, lambda image, step: handler.log_image("sample", image, step=step), close)


def tensorboardx(folder: str, pictures: int) -> dict[str, float]:
    """TensorboardX's ``add_image``."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(folder)
    return _timed(
        pictures,
        lambda image, step: writer.add_image("sample", image, step, dataformats="HWC"),
        writer.close,
    )


def wandb(folder: str, pictures: int) -> dict[str, float]:
    """W&B offline, ``run.log`` of a ``wandb.Image``."""
    from wandb import Image

    run, close = peers.wandb_run(folder)
    return _timed(pictures, lambda image, step: run.log({"sample": Image(image)}, step=step), close)


def mlflow(folder: str, pictures: int) -> dict[str, float]:
    """MLflow on SQLite, ``log_image`` of its client."""
    client, run_id = peers.mlflow_run(folder)
    return _timed(
        pictures,
        lambda image, step: client.log_image(run_id, image, key="sample", step=step),
        lambda: client.set_terminated(run_id),
    )


def trackio(folder: str, pictures: int) -> dict[str, float]:
    """The tracker trackio with its local store, ``log`` of a ``trackio.Image``."""
    os.environ["TRACKIO_DIR"] = folder
    import trackio as module

    module.init(project="benchmark", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    return _timed(
        pictures, lambda image, step: module.log({"sample": module.Image(image)}, step=step), module.finish
    )


def _timed(
    pictures: int, write: Callable[[Any, int], object], close: Callable[[], object]
) -> dict[str, float]:
    import numpy as np

    down, right = np.mgrid[0:512, 0:512] / 2
    images = [
        np.stack([down, right, np.full_like(down, 7 * n % 256)], -1).astype(np.uint8) for n in range(pictures)
    ]
    taken = []
    used = _used()
    for step, image in enumerate(images):
        began = time.perf_counter()
        write(image, step)
        taken.append(time.perf_counter() - began)
        time.sleep(_STEP)
    close()
    return {"caller": statistics.median(taken), "cpu": _used() - used}


def _used() -> float:
    """CPU of this process and of its children that ended, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
