"""Folds of scikit-learn's cross-validation as child runs."""

import mlflow
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 3))
y = x @ [1.0, -2.0, 0.5] + rng.normal(scale=0.1, size=40)
mlflow.set_experiment("cross_validation")
with mlflow.start_run(run_name="cv"):
    mlflow.log_param("alpha", 0.5)
    scores = []
    for fold, (train, test) in enumerate(KFold(4).split(x)):
        with mlflow.start_run(run_name=f"fold {fold}", nested=True):
            scores.append(Ridge(alpha=0.5).fit(x[train], y[train]).score(x[test], y[test]))
            mlflow.log_metric("r2", scores[-1], step=fold)
    mlflow.log_metrics({"r2_mean": np.mean(scores), "r2_std": np.std(scores)}, step=0)
