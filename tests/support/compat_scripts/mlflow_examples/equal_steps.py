"""Values at one step that replace one another."""

import mlflow

mlflow.set_experiment("equal_steps")
with mlflow.start_run():
    for value in (1, 2, 3):
        mlflow.log_metric("at seven", value, step=7)
    mlflow.log_metric("once", 5, step=7)
