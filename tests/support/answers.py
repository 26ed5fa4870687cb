"""An experiment whose answers are known, for tests of what the command line says of it."""

from __future__ import annotations

import math
from pathlib import Path

from legm import ExperimentHandler

EXPERIMENT = "Net_1 & 精度"
LOSSES = {
    ("adam", 0.1): (0.5, 0.25, 0.75),
    ("adam", 0.2): (0.25, 0.25, 0.25),
    ("sgd", 0.1): (1.0, 3.0, 2.0),
    ("sgd", 0.2): (math.nan, math.nan, math.nan),
}
"""By solver and rate, the loss of each seed; the test accuracy is 1 - loss / 8."""


def fill(root: Path, backend: str = "local") -> None:
    """Each configuration three times, one of them fails once more, and one has a run with a description."""
    if backend == "mlflow":
        from tests.support.mlflow_store import prepare_store

        prepare_store(root / "mlflow.db")
    for (solver, rate), losses in LOSSES.items():
        for seed, loss in enumerate(losses):
            with handler(root, backend, solver=solver, rate=rate, seed=seed) as made:
                made.start()
                for step in range(3):
                    made.set_metric("loss", loss + 2 - step, step=step)
                    made.set_metric("time", seed + step, step=step)
                made.set_dict_metrics({"cat": {"dice": 0.5}}, step=2)
                made.set_metric("accuracy", 1 - loss / 8, test=True)
    failing = handler(root, backend, solver="adam", rate=0.1, seed=3).start()
    failing.set_metric("loss", 0.0)
    failing.__exit__(ValueError, ValueError("boom"), None)
    with handler(root, backend, "try this", solver="sgd", rate=0.1, seed=0) as made:
        made.start()
        made.set_metric("loss", 0.125)


def handler(
    root: Path, backend: str = "local", description: str | None = None, **params
) -> ExperimentHandler:
    made = ExperimentHandler(root, EXPERIMENT, description, backend=backend)
    made.set_dict_params(
        {"layers": [64, 32] if params["solver"] == "adam" else [16], "kind": "a|b_c", **params}
    )
    if params["solver"] == "sgd":
        made.set_param("momentum", 0.9)
    made.disable_param("seed")
    made.name_params(["solver", "rate"])
    return made
