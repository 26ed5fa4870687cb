"""A config that grows, is changed on purpose, and refuses a change by mistake."""

import wandb
from wandb.sdk.lib.config_util import ConfigError

wandb.init(project="config_changes", config={"lr": 0.1, "layers": 2})
wandb.config["batch"] = 32
wandb.config.epochs = 3
wandb.config.setdefaults({"lr": 5.0, "clip": 1.0})
wandb.config.update({"layers": 4}, allow_val_change=True)
refused = 0
try:
    wandb.config.update({"lr": 0.2})
except ConfigError:
    refused = 1
for epoch in range(wandb.config.epochs):
    wandb.log({"loss": wandb.config.lr / (epoch + 1), "refused": refused, "layers": wandb.config["layers"]})
wandb.config.update({"parameters": 12345, "note": "counted after training"})
wandb.finish()
