"""Parameters and tags of some thousand characters."""

import mlflow

mlflow.set_experiment("long_values")
with mlflow.start_run() as run:
    mlflow.log_param("prompt", "word " * 1000)
    mlflow.set_tag("log", "x" * 4000)
    mlflow.log_metric("m", 1, step=0)
assert len(mlflow.get_run(run.info.run_id).data.params["prompt"]) == 5000
