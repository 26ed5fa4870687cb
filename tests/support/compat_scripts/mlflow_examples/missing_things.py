"""What there is not: runs, experiments, artifacts."""

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

client = MlflowClient()
mlflow.set_experiment("missing_things")
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1, step=0)
for call in (
    lambda: client.get_run("0" * 32),
    lambda: mlflow.get_run("f" * 32),
    lambda: client.get_experiment("123456789012345678"),
    lambda: mlflow.start_run(run_id="a" * 32),
    lambda: client.log_metric("b" * 32, "m", 1),
    lambda: mlflow.start_run(experiment_id="987654321987654321"),
    lambda: client.download_artifacts(run.info.run_id, "missing.txt"),
):
    try:
        call()
    except (MlflowException, OSError):
        continue
    raise AssertionError("something that is missing was found")
assert client.get_experiment_by_name("missing experiment") is None
