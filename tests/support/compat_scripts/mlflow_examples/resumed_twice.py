"""A run that goes on, twice."""

import mlflow

mlflow.set_experiment("resumed_twice")
with mlflow.start_run() as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_metric("loss", 1, step=0)
for step in (1, 2):
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_param(f"late{step}", step)
assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")) == 3
