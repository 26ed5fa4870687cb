"""Metrics at steps, at once, and one at a time."""

import math

import mlflow

mlflow.set_experiment("metrics_many")
with mlflow.start_run():
    for step in range(20):
        mlflow.log_metric("loss", math.exp(-step / 5), step=step)
        if step % 5 == 0:
            mlflow.log_metrics({"val_loss": 1 / (step + 1), "val_acc": step / 20}, step=step)
    mlflow.log_metric("final", 0.125)
