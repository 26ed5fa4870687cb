"""Rows with mappings in mappings."""

import wandb

with wandb.init(project="nested_metrics") as run:
    for step in range(3):
        run.log({"train": {"loss": 1 / (step + 1), "acc": {"top1": step, "top5": step + 1}}, "lr": 0.1})
    run.log({"val": {"loss": 0.25}})
