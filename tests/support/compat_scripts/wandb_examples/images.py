"""Pictures of arrays and Pillow's, with captions, several at once, beside numbers."""

import numpy as np
import wandb
from PIL import Image

rng = np.random.default_rng(0)
with wandb.init(project="images") as run:
    for step in range(2):
        pixels = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        run.log({"sample": wandb.Image(pixels, caption=f"step {step}"), "loss": 1 - step})
    run.log({"grid": [wandb.Image(pixels), wandb.Image(Image.fromarray(pixels), caption="same")], "count": 2})
    run.log({"gray": wandb.Image(rng.random((4, 4)))})
