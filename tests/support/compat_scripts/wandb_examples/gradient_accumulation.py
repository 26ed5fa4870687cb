"""Losses of micro-batches that become a row with each step of the optimizer."""

import wandb

with wandb.init(project="gradient_accumulation") as run:
    losses = []
    for batch in range(8):
        losses.append(1 / (batch + 1))
        if len(losses) == 4:
            run.log({"loss": sum(losses) / 4, "optimizer_step": batch // 4})
            losses.clear()
