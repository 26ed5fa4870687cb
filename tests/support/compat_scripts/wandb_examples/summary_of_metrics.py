"""What define_metric says about the summary."""

import wandb

with wandb.init(project="summary_of_metrics") as run:
    run.define_metric("loss", summary="min")
    run.define_metric("acc", summary="max")
    run.define_metric("lr", summary="last")
    for step in range(5):
        run.log({"loss": abs(step - 3), "acc": -abs(step - 2), "lr": 0.1 / (step + 1)})
