"""Runs that are deleted and restored, and what a deleted one refuses."""

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

client = MlflowClient()
key = mlflow.set_experiment("run_lifecycle").experiment_id
with mlflow.start_run(run_name="kept") as kept:
    mlflow.log_metric("m", 1, step=0)
with mlflow.start_run(run_name="dropped") as dropped:
    mlflow.log_metric("m", 2, step=0)
mlflow.delete_run(dropped.info.run_id)
for call in (
    lambda: client.log_metric(dropped.info.run_id, "m", 3, step=1),
    lambda: client.log_param(dropped.info.run_id, "p", 3),
    lambda: client.set_tag(dropped.info.run_id, "t", 3),
):
    try:
        call()
    except MlflowException:
        continue
    raise AssertionError("a deleted run takes values")
assert [run.info.run_name for run in client.search_runs([key])] == ["kept"]
assert [run.info.run_name for run in client.search_runs([key], run_view_type=ViewType.DELETED_ONLY)] == [
    "dropped"
]
assert len(client.search_runs([key], run_view_type=ViewType.ALL)) == 2
mlflow.restore_run(dropped.info.run_id)
assert len(client.search_runs([key])) == 2
assert client.get_run(dropped.info.run_id).info.status == "FINISHED"
client.delete_run(kept.info.run_id)
