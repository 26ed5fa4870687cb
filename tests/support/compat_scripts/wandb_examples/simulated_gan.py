"""Two losses that take turns, with pictures now and then."""

import numpy as np
import wandb

rng = np.random.default_rng(0)
with wandb.init(project="simulated_gan", config={"latent": 8}) as run:
    for step in range(6):
        row = {"generator/loss": 1 / (step + 1)} if step % 2 else {"discriminator/loss": 2 / (step + 1)}
        if step % 3 == 0:
            row["samples"] = [wandb.Image(rng.integers(0, 255, (4, 4), dtype=np.uint8)) for _ in range(2)]
        run.log(row)
