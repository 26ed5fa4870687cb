"""XGBoost's training, logged by wandb's callback."""

import numpy as np
import xgboost
from wandb.integration.xgboost import WandbCallback

import wandb

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3))
y = x[:, 0] - x[:, 1] + rng.normal(size=200) * 0.1
with wandb.init(project="xgboost_callback", config={"rounds": 4}) as run:
    xgboost.train(
        {"max_depth": 2, "nthread": 1, "eval_metric": ["rmse", "mae"], "seed": 1},
        xgboost.DMatrix(x[:150], y[:150]),
        num_boost_round=run.config.rounds,
        evals=[(xgboost.DMatrix(x[150:], y[150:]), "valid")],
        callbacks=[WandbCallback(log_model=True)],
        verbose_eval=False,
    )
