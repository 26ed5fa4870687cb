"""Numbers of NumPy, infinities, booleans, and what is not a number."""

import numpy as np
import wandb

with wandb.init(project="odd_numbers") as run:
    run.log({"f32": np.float32(0.5), "i64": np.int64(3), "zero": np.array(2.5), "true": True})
    run.log({"nan": float("nan"), "inf": float("inf"), "minus": float("-inf"), "one": np.array([7])})
    run.log({"big": 2**40, "small": 1e-300, "text": "hello", "none": None})
