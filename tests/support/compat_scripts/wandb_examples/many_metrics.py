"""Rows with hundreds of metrics."""

import wandb

with wandb.init(project="many_metrics") as run:
    for step in range(3):
        run.log({f"layer{number}/norm": number * step for number in range(200)})
