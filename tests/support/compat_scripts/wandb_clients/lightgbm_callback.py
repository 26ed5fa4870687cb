"""LightGBM's training, logged by wandb's callback."""

import lightgbm
import numpy as np
from wandb.integration.lightgbm import log_summary, wandb_callback

import wandb

rng = np.random.default_rng(0)
x = rng.normal(size=(300, 4))
y = x[:, 0] * 2 + rng.normal(size=300) * 0.1
parameters = {"objective": "regression", "metric": "rmse", "num_leaves": 7, "verbose": -1, "num_threads": 1}
wandb.init(project="lightgbm_callback")
data = lightgbm.Dataset(x[:200], y[:200])
model = lightgbm.train(
    parameters,
    data,
    num_boost_round=5,
    valid_sets=[lightgbm.Dataset(x[200:], y[200:], reference=data)],
    valid_names=["valid"],
    callbacks=[wandb_callback()],
)
log_summary(model, save_model_checkpoint=False)
wandb.finish()
