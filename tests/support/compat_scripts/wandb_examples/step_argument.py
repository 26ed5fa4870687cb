"""Steps that a script gives, and rows that are made of several calls."""

import wandb

with wandb.init(project="step_argument") as run:
    for step in range(0, 50, 10):
        run.log({"loss": 1 / (step + 1)}, step=step)
        run.log({"acc": step / 50}, step=step)
    run.log({"after": 1}, step=45)
