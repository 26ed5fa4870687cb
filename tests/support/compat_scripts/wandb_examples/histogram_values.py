"""Histograms from values and from counts beside numbers."""

import numpy as np
import wandb

rng = np.random.default_rng(0)
with wandb.init(project="histogram_values") as run:
    for step in range(3):
        run.log({"weights": wandb.Histogram(rng.normal(size=100)), "norm": step})
    run.log({"counts": wandb.Histogram(np_histogram=np.histogram(rng.random(50), bins=5))})
