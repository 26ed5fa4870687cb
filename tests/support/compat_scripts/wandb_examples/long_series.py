"""Some thousand rows, as fast as they come."""

import math

import wandb

with wandb.init(project="long_series") as run:
    for step in range(1500):
        run.log({"loss": math.exp(-step / 500), "wave": math.sin(step / 50)})
