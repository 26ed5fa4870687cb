"""Names of runs, given, made up, and changed."""

import mlflow
from mlflow import MlflowClient

mlflow.set_experiment("names_of_runs")
client = MlflowClient()
with mlflow.start_run(run_name="first") as run:
    assert run.info.run_name == "first"
    mlflow.set_tag("mlflow.runName", "second")
    mlflow.log_metric("m", 1, step=0)
assert client.get_run(run.info.run_id).info.run_name == "second"
client.update_run(run.info.run_id, name="third")
assert client.get_run(run.info.run_id).data.tags["mlflow.runName"] == "third"
with mlflow.start_run() as unnamed:
    assert unnamed.info.run_name
    mlflow.log_metric("m", 2, step=0)
