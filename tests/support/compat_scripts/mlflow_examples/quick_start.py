"""The shortest script: parameters, a metric, a text as an artifact."""

import mlflow

mlflow.set_experiment("quick_start")
with mlflow.start_run():
    mlflow.log_param("param1", 5)
    mlflow.log_metric("foo", 1, step=0)
    mlflow.log_metric("foo", 2, step=1)
    mlflow.log_metric("foo", 3, step=2)
    mlflow.log_text("hello world", "outputs/test.txt")
