"""A run that begins with the first value."""

import mlflow

mlflow.set_experiment("implicit_start")
mlflow.log_param("begun", "by a parameter")
mlflow.log_metric("m", 0.5, step=1)
assert mlflow.active_run() is not None
mlflow.end_run()
