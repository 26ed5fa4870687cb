"""Losses by batch and by epoch, with steps of their own."""

import mlflow

mlflow.set_experiment("learning_curves")
with mlflow.start_run():
    step = 0
    for epoch in range(3):
        for _batch in range(5):
            mlflow.log_metric("batch/loss", 1 / (step + 1), step=step)
            step += 1
        mlflow.log_metrics({"epoch/loss": 1 / (epoch + 1), "epoch/lr": 0.1 * 0.5**epoch}, step=epoch)
