"""An axis that is defined when values are there already."""

import wandb

with wandb.init(project="custom_axis_late") as run:
    for step in range(2):
        run.log({"loss": step, "tokens": step * 100})
    run.define_metric("loss", step_metric="tokens")
    for step in range(2, 4):
        run.log({"loss": step, "tokens": step * 100})
