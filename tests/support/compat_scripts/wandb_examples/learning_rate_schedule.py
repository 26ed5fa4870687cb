"""A schedule whose values and losses are logged by different intervals."""

import math

import wandb

with wandb.init(project="learning_rate_schedule", config={"warmup": 3, "total": 12}) as run:
    for step in range(run.config.total):
        warm = min(1.0, (step + 1) / run.config.warmup)
        row = {"lr": warm * 0.5 * (1 + math.cos(math.pi * step / run.config.total))}
        if step % 4 == 3:
            row["eval/loss"] = 1 / (step + 1)
        run.log(row)
