"""A grid that an agent of this process goes through, run by run."""

import wandb


def train(lr, depth):
    with wandb.init(project="sweep_agent", config={"lr": lr, "depth": depth}) as run:
        for step in range(2):
            run.log({"loss": run.config.lr * run.config.depth * step})


for lr in (0.1, 0.2):
    for depth in (1, 2):
        train(lr, depth)
