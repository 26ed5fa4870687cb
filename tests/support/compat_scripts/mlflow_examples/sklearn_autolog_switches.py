"""scikit-learn's autologging, switched on for one fit and off for another."""

import mlflow
import numpy as np
from sklearn.linear_model import LinearRegression

x = np.arange(10.0).reshape(-1, 1)
mlflow.set_experiment("sklearn_autolog_switches")
mlflow.sklearn.autolog(log_models=False, log_datasets=False, log_post_training_metrics=False)
with mlflow.start_run(run_name="logged"):
    LinearRegression().fit(x, x[:, 0] * 2)
mlflow.sklearn.autolog(disable=True)
with mlflow.start_run(run_name="not logged"):
    LinearRegression().fit(x, x[:, 0] * 3)
    mlflow.log_metric("by_hand", 1, step=0)
