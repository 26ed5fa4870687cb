"""A run whose numbers are in the summary alone."""

import wandb

with wandb.init(project="watch_nothing", config={"lr": 0.1}) as run:
    run.summary["accuracy"] = 0.75
    run.summary.update({"loss": 0.25})
    run.log({"dummy": 1})
