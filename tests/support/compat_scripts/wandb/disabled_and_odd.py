"""A disabled run beside a real one; numbers of many kinds."""

import numpy as np

import wandb

off = wandb.init(project="disabled_and_odd", mode="disabled", config={"never": 1})
wandb.log({"never": 1})
wandb.finish()

run = wandb.init(
    project="disabled_and_odd", config={"vector": np.array([1, 2]), "half": np.float64(0.5), "text": "a"}
)
wandb.log({"int": 3, "bool": True, "np": np.float32(0.25), "array": np.array(2.0), "nan": float("nan")})
wandb.log({"inf": float("inf"), "big": 2**40, "none": None})
wandb.log({"x": -1e-300})
run.summary.update({"total": 7, "nested": {"a": 1}})
run.finish()
