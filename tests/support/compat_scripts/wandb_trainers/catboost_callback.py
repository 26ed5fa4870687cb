"""CatBoost with wandb's callback."""

import numpy as np
from catboost import CatBoostRegressor
from wandb.integration.catboost import WandbCallback, log_summary

import wandb

x = np.random.default_rng(0).random((50, 3))
wandb.init(project="catboost_callback")
model = CatBoostRegressor(iterations=5, verbose=0, allow_writing_files=False, random_seed=0, thread_count=1)
model.fit(x, x[:, 0], eval_set=(x, x[:, 0]), callbacks=[WandbCallback()])
assert model.tree_count_ == 5
log_summary(model, log_feature_importance=False)
wandb.finish()
