"""Runs that finish, fail, are killed, and go on."""

import mlflow
from mlflow import MlflowClient

mlflow.set_experiment("statuses")
client = MlflowClient()
found = {}
for status in ("FINISHED", "FAILED", "KILLED"):
    run = mlflow.start_run(run_name=status)
    mlflow.log_metric("m", len(status), step=0)
    mlflow.end_run(status)
    found[status] = client.get_run(run.info.run_id).info
assert {name: info.status for name, info in found.items()} == {name: name for name in found}
assert all(info.end_time >= info.start_time for info in found.values())
try:
    with mlflow.start_run(run_name="raises") as run:
        mlflow.log_metric("m", 1, step=0)
        raise ValueError("it diverged")
except ValueError:
    assert client.get_run(run.info.run_id).info.status == "FAILED"
assert mlflow.active_run() is None
