"""Pages and three-dimensional points."""

import numpy as np
import wandb

with wandb.init(project="html_and_molecules") as run:
    run.log({"page": wandb.Html("<b>bold</b>"), "n": 1})
    run.log({"points": wandb.Object3D(np.arange(12.0).reshape(4, 3)), "n": 2})
