"""Metrics that are not finite, negative steps, and steps out of order."""

import mlflow

mlflow.set_experiment("metrics_extreme")
with mlflow.start_run():
    mlflow.log_metric("nan", float("nan"), step=0)
    for step in (5, 1, 3, -2):
        mlflow.log_metric("unordered", step * 1.5, step=step)
    mlflow.log_metric("tiny", 5e-324, step=1)
    mlflow.log_metric("true", True, step=1)
