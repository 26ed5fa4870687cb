"""Writes a small root directory, the same with every version: python -P schema_samples.py ROOT [changed].

Run it with the source of a version on the path and LEGM_PROVENANCE=0, then delete plots, TensorBoard's files,
locks, the trash and the catalogue. With ``changed`` it is an experiment that was amended, with absent values,
tags and notes. The samples in ``tests/samples/schema`` are named for the number and the hash of the
commit that wrote them.

``schema_samples.py ROOT pending`` leaves two changes in the trash and one that was interrupted; there, the
trash is kept.

``schema_samples.py ROOT in mlflow`` and ``in wandb`` (with WANDB_MODE=offline) write the same to a tracker.
The root directory, without locks and the SDK's own logs, is an archive in ``trackers``.

``schema_samples.py ROOT whole [mlflow|wandb]`` writes runs with media, tags, notes, a rewind and an
amendment, to folders and to a tracker; the archives are in ``whole``.
"""

from __future__ import annotations

import os
import pathlib
import platform
import sys
import time

from legm import ExperimentHandler


def begin(rate: float, seed: int, description: str | None = None) -> ExperimentHandler:
    backend = {"backend": sys.argv[3]} if sys.argv[2:3] == ["in"] else {}
    handler = ExperimentHandler(sys.argv[1], "Le Net", description, **backend)
    params = {"lr": rate, "layers": [64, 32], "net": "lenet", "dropout": None, "momentum": 0.9, "opt": "sgd"}
    handler.set_dict_params({**params, "seed": seed})
    handler.set_param_metadata(
        {
            "lr": {"name": True},
            "seed": {"disable_comparison": True},
            "momentum": {"parent": "opt", "parent_active": "sgd"},
        }
    )
    handler.start()
    return handler


def fill(handler: ExperimentHandler, rate: float, seed: int) -> None:
    for step in range(3):
        handler.set_metric("loss", rate + 1 / (step + seed + 1))
        handler.set_dict_metrics({"accuracy": step / 3, "time": 0.5})
    handler.set_metric("f1", 0.25 + seed / 8, test=True)
    handler.set_dict_metrics({"a": {"score": float("nan")}, "b": {"score": 0.5}}, test=True)


def write() -> None:
    for rate in (0.1, 0.2):
        for seed in range(2):
            with begin(rate, seed) as handler:
                fill(handler, rate, seed)
                handler.set_best("early_stopping", metric="loss", higher_better=False)
        handler.aggregate_results()
    with begin(0.1, 0, "try") as handler:
        fill(handler, 0.1, 0)
    try:
        with begin(0.1, 2) as handler:
            fill(handler, 0.1, 2)
            raise ValueError("broke")
    except ValueError:
        pass
    if os.fork() == 0:  # a run whose process is killed
        fill(begin(0.2, 5), 0.2, 5)
        time.sleep(1.2)  # the recorder writes each second; the first versions had no flush()
        os.kill(os.getpid(), 9)
    os.wait()


def run_changing(loss: float, seed: int, depth: int | None = None, **values: object) -> ExperimentHandler:
    """A run of the experiment that changes; a depth is given once the parameter exists."""
    handler = ExperimentHandler(sys.argv[1], "Changing")
    handler.set_dict_params({**values, "seed": seed})
    if depth is not None:
        handler.set_param("depth", depth, absent_value=2)
    handler.disable_param("seed")
    handler.name_param(next(iter(values)))
    with handler:
        handler.start()
        handler.set_metric("loss", loss)
        handler.tag("all", f"seed:{seed}")
    return handler


def write_changed() -> None:
    """Runs before and after a parameter existed, one of them marked, and two that were united."""
    import legm

    run_changing(0.5, 0, lr=0.1)
    run_changing(0.25, 1, lr=0.1)
    run_changing(0.75, 2, lr=0.1, depth=2)
    run_changing(0.125, 0, lr=0.1, depth=3)
    experiment = f"{sys.argv[1]}/Changing"
    legm.amend(experiment, rename={"lr": "rate"})
    for workers in (2, 4):
        run_changing(1.0, workers, rate=0.2, workers=workers)
    legm.amend(experiment, ignore=["workers"])
    (best, *_) = ExperimentHandler(sys.argv[1], "Changing").get_best("loss", higher_better=False)
    assert best.configuration.parameters["depth"] == 3


def write_pending() -> None:
    """An amendment and a deletion in the trash, and an amendment of which only its journal is written."""
    import legm
    from legm.changes import amend
    from legm.changes.remove import Deletion, delete

    for seed in range(2):
        for rate in (0.1, 0.2):
            run_changing(rate + seed, seed, lr=rate)
    root = pathlib.Path(sys.argv[1])
    legm.amend(root / "Changing", rename={"lr": "rate"})
    delete(Deletion(root, folders=[root / "Changing" / "0.2_0"]), title="rm 0.2_0")

    def killed(*_: object) -> None:
        raise InterruptedError

    for name in {"execute", "execute_steps"} & {*vars(amend)}:
        setattr(amend, name, killed)
    try:
        legm.amend(root / "Changing", set={"decay": 0.5})
    except InterruptedError:
        return


def write_whole() -> None:
    """Runs with media, tags and notes that went back to an earlier step, and whose parameter was renamed."""
    import numpy as np

    import legm

    backends = ["local", *sys.argv[3:4]]
    for seed in range(2):
        handler = ExperimentHandler(sys.argv[1], "Whole", backend=backends)
        handler.set_dict_params({"lr": 0.1, "seed": seed})
        handler.disable_param("seed")
        handler.start()
        handler.tag("good", f"seed:{seed}")
        handler.set_note(f"of seed {seed}")
        for step in range(6):
            handler.set_metric("loss", seed + 1 / (step + 1), step=step)
            pixels = np.full((4, 4, 3), 10 * step + seed, np.uint8)
            handler.log_image("picture", pixels, step=step, caption=f"at {step}")
        handler.rewind(2)
        handler.set_metric("loss", 0.25, step=3)
        handler.log_text("said", f"text of {seed}", step=3)
        handler.log_table("table", {"a": [1, 2], "b": [0.5, float("nan")]})
        handler.log_histogram("weights", [0.0, 0.5, 1.0])
        handler.set_metric("acc", 0.5 + seed / 4, test=True)
        with handler:  # ends the run, so that it may be amended
            pass
    legm.amend(f"{sys.argv[1]}/Whole", rename={"lr": "rate"})


if __name__ == "__main__":
    platform.node = lambda: "node-1"
    kind = sys.argv[2:3]
    kinds = {"changed": write_changed, "whole": write_whole, "pending": write_pending}
    kinds.get(*kind, write)() if kind else write()
