"""A run as a context manager, nested numbers and a nested config."""

import math

import wandb

settings = {
    "model": {"depth": 3, "width": [64, 32], "dropout": None},
    "optimizer": {"name": "adam", "betas": (0.9, 0.999)},
    "bias": False,
}
with wandb.init(project="context_nested", config=settings, settings=wandb.Settings(silent=True)) as run:
    for epoch in range(6):
        loss = math.exp(-epoch / 3)
        run.log({"train": {"loss": loss, "time": {"data": 0.1 * epoch}}, "val": {"loss": loss * 1.1}})
    run.summary["best"] = loss
    assert run.config["model"]["depth"] == 3
