"""Two experiments that take turns."""

import mlflow

ids = [mlflow.set_experiment(f"two_experiments{suffix}").experiment_id for suffix in ("", " (other)")]
for number in range(4):
    with mlflow.start_run(experiment_id=ids[number % 2], run_name=str(number)):
        mlflow.log_metric("number", number, step=0)
mlflow.set_experiment(experiment_id=ids[0])
with mlflow.start_run(run_name="by id"):
    mlflow.log_metric("number", 9, step=0)
assert len(mlflow.search_runs(ids)) == 5
