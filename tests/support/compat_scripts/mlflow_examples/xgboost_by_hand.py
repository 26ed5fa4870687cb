"""Trees of XGBoost whose evaluations are logged by hand."""

import mlflow
import numpy as np
import xgboost

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 3))
data = xgboost.DMatrix(x, (x[:, 0] > 0).astype(int))
mlflow.set_experiment("xgboost_by_hand")
with mlflow.start_run():
    params = {"max_depth": 2, "eta": 0.3, "objective": "binary:logistic", "nthread": 1}
    mlflow.log_params(params)
    found = {}
    booster = xgboost.train(params, data, 5, evals=[(data, "train")], evals_result=found, verbose_eval=False)
    for step, value in enumerate(found["train"]["logloss"]):
        mlflow.log_metric("train-logloss", value, step=step)
    mlflow.log_dict(booster.get_score(), "scores.json")
