"""What is MLflow's error is an error here."""

import mlflow
from mlflow.exceptions import MlflowException

errors = 0
mlflow.set_experiment("conflicts")
with mlflow.start_run():
    mlflow.log_param("a", 1)
    mlflow.log_param("a", "1")
    for wrong in (
        lambda: mlflow.log_param("a", 2),
        lambda: mlflow.log_metric("m", "text"),
        lambda: mlflow.create_experiment("conflicts"),
        lambda: mlflow.get_run("0" * 32),
    ):
        try:
            wrong()
        except MlflowException:
            errors += 1
    try:
        mlflow.start_run()
    except Exception:
        errors += 1
    mlflow.log_metric("errors", errors)
assert mlflow.get_experiment_by_name("there is none") is None
assert mlflow.active_run() is None
