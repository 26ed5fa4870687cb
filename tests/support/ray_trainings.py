"""Trainings for Ray, and a small cluster of it on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import ResultGrid, RunConfig, TuneConfig, Tuner

from legm.integrations.ray import setup_legm
from legm.records import RunResult
from tests.support.trainer_runs import points

__all__ = [
    "assert_as_ray_says",
    "by_trial",
    "checkpointed",
    "cluster",
    "reported",
    "train_in_worker",
    "tuned",
]


@contextlib.contextmanager
def cluster() -> Iterator[Path]:
    """Ray with two processors on this machine; the folder of what it writes is removed at the end."""
    top = os.environ.get("RAY_TRAININGS_FOLDER", "/tmp")  # the paths of its sockets have to be short
    folder = Path(tempfile.mkdtemp(prefix="ray", dir=top))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {"include_dashboard": False, "log_to_driver": False, "_node_ip_address": "127.0.0.1"}
    ray.init("local", num_cpus=2, _temp_dir=str(folder), logging_level="ERROR", **options)
    try:
        yield folder
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def tuned(
    trainable: Any,
    space: dict[str, Any],
    storage: Path,
    callbacks: list[Any],
    name: str = "study",
    run: dict[str, Any] | None = None,
    **options: Any,
) -> ResultGrid:
    """What came of tuning; the trials are one after the other unless the options say otherwise."""
    settings = {"metric": "loss", "mode": "min", "max_concurrent_trials": 1, "reuse_actors": True, **options}
    run_config = RunConfig(
        name=name, storage_path=str(storage), callbacks=callbacks, verbose=0, **(run or {})
    )
    return Tuner(
        trainable, param_space=space, tune_config=TuneConfig(**settings), run_config=run_config
    ).fit()


def reported(config: dict[str, Any]) -> None:
    """Three reports, numbers beside others; a rate above 5 ends it by an error."""
    for epoch in range(config.get("epochs", 3)):
        if config["lr"] > 5 and epoch == 1:
            raise ArithmeticError("diverged")
        tune.report(
            {
                "loss": config["lr"] / (epoch + 1),
                "eval": {"accuracy": 1 - config["lr"], "kind": "top-1"},
                "test_accuracy": epoch / 4,
                "is_better": True,
            }
        )


def checkpointed(config: dict[str, Any]) -> None:
    """Six epochs with a checkpoint each; the first time, it fails or waits to be killed in the fourth."""
    state = {"epoch": 0, "weight": 1.0}
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, "state.json").read_text())
    flag = Path(config["flags"], f"once-{config['lr']}")
    while state["epoch"] < 6:
        state = {"epoch": state["epoch"] + 1, "weight": state["weight"] * (1 - config["lr"])}
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps(state))
            kept = tune.Checkpoint.from_directory(folder) if state["epoch"] != 4 else None
            tune.report({"loss": state["weight"]}, checkpoint=kept)
        if state["epoch"] == 4 and not flag.exists():
            flag.touch()
            raise ArithmeticError("once")


def train_in_worker(config: dict[str, Any]) -> None:
    """What each worker of Ray Train runs, or each task."""
    with setup_legm(config["params"], config["root"], "e", **config.get("options", {})) as handler:
        for step in range(3):
            handler.set_metric("loss", config["params"]["lr"] / (step + 1), step=step)


def by_trial(found: list[RunResult]) -> dict[str, RunResult]:
    names = [str(one.run.configuration.parameters["ray_trial"]) for one in found]
    assert len({*names}) == len(found)
    return dict(zip(names, found, strict=True))


def assert_as_ray_says(found: dict[str, RunResult], grid: ResultGrid, *metrics: str) -> None:
    """Every value of the metrics at every iteration is that of Ray's own table of results."""
    assert len(found) == len(grid)
    for result in grid:
        one = found[result.metrics["trial_id"]]
        table = result.metrics_dataframe
        for metric in metrics:
            given = zip(table["training_iteration"], table[metric], strict=True)
            assert points(one, metric) == [(int(step), float(value)) for step, value in given]
