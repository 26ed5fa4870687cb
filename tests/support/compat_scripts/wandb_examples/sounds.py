"""Sounds of arrays, beside a number."""

import numpy as np
import wandb

wave = np.sin(np.linspace(0, 100, 800)).astype("float32")
with wandb.init(project="sounds") as run:
    run.log({"tone": wandb.Audio(wave, sample_rate=8000, caption="a tone"), "volume": 0.5})
