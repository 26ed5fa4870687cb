"""Every value of a metric, read back while the run goes on and afterwards."""

import mlflow

client = mlflow.MlflowClient()
mlflow.set_experiment("history_of_metrics")
with mlflow.start_run() as run:
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    during = client.get_metric_history(run.info.run_id, "loss")
after = client.get_metric_history(run.info.run_id, "loss")
assert [(one.step, one.value) for one in during] == [(one.step, one.value) for one in after]
assert all(one.key == "loss" and one.timestamp > 0 for one in after)
assert client.get_metric_history(run.info.run_id, "missing") == []
assert client.get_run(run.info.run_id).data.metrics["loss"] == 0.2
