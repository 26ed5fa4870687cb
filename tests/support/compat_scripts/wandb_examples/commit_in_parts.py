"""One row from several calls, ended by the last one."""

import wandb

with wandb.init(project="commit_in_parts") as run:
    for epoch in range(3):
        run.log({"epoch": epoch}, commit=False)
        run.log({"train/loss": 1 / (epoch + 1)}, commit=False)
        run.log({"val/loss": 2 / (epoch + 1)})
    run.log({"last": 1}, commit=False)
