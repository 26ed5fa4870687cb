"""A run that is resumed after its end, with numbers and parameters."""

import mlflow

mlflow.set_experiment("resumed")
with mlflow.start_run() as run:
    mlflow.log_param("a", 1)
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_param("b", 2)
    for step in range(3, 6):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
mlflow.MlflowClient().log_metric(run.info.run_id, "after", 1.0, step=0)
