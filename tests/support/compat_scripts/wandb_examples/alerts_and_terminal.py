"""Alerts, and what is printed with wandb's functions."""

import wandb

with wandb.init(project="alerts_and_terminal") as run:
    run.alert(title="low accuracy", text="0.1 is low", level=wandb.AlertLevel.WARN, wait_duration=0)
    wandb.termlog("a line")
    wandb.termwarn("a warning")
    wandb.termerror("an error")
    run.log({"acc": 0.1})
