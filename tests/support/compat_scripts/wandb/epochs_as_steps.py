"""The epoch counts the steps of what is validated."""

import wandb

with wandb.init(project="epochs_as_steps") as run:
    run.define_metric("epoch")
    run.define_metric("val/*", step_metric="epoch")
    for epoch in range(3):
        for batch in range(4):
            run.log({"train/loss": 1 / (epoch * 4 + batch + 1)})
        run.log({"val/loss": 1 / (epoch + 1), "val/acc": epoch / 3, "epoch": epoch})
