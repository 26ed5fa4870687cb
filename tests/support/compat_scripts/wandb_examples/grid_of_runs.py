"""A grid that the script goes through by itself, run by run: a sweep of W&B needs a server."""

import wandb


def train(lr, depth):
    with wandb.init(project="grid_of_runs", config={"lr": lr, "depth": depth}) as run:
        for step in range(2):
            run.log({"loss": run.config.lr * run.config.depth * step})


for lr in (0.1, 0.2):
    for depth in (1, 2):
        train(lr, depth)
