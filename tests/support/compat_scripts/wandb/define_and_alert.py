"""Metrics that are defined, an alert, a file that is saved, a text."""

import os

import wandb

run = wandb.init(project="define_and_alert", config={"patience": 2})
wandb.define_metric("epoch")
wandb.define_metric("val/*", step_metric="epoch", summary="max")
wandb.watch(None) if False else None
for epoch, accuracy in enumerate([0.5, 0.7, 0.9, 0.8, 0.75]):
    wandb.log({"epoch": epoch, "val/accuracy": accuracy, "phase": "train"})
    if accuracy < 0.9 and epoch > 2:
        wandb.alert(title="worse", text=f"accuracy {accuracy}", level=wandb.AlertLevel.WARN)
with open(os.path.join(wandb.run.dir, "notes.txt"), "w") as file:
    file.write("done")
wandb.save(os.path.join(wandb.run.dir, "notes.txt"))
wandb.finish()
