"""Runs one after the other, where the next init ends the one before."""

import wandb

for lr in (0.1, 0.2):
    run = wandb.init(project="reinit_loop", config={"lr": lr}, reinit="finish_previous")
    for step in range(2):
        run.log({"loss": lr * step})
wandb.finish()
