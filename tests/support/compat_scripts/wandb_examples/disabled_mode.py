"""A run that is switched off beside one that is not."""

import wandb

with wandb.init(project="disabled_mode", mode="disabled") as run:
    run.log({"loss": 1})
    run.config.update({"a": 1})
    run.summary["x"] = 1
with wandb.init(project="disabled_mode", config={"a": 2}) as run:
    run.log({"loss": 2})
