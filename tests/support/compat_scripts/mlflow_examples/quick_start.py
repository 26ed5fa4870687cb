"""The shortest script: parameters, a metric, a text as an artifact."""

import mlflow

mlflow.set_experiment("quick_start")
with mlflow.start_run():
    mlflow.log_param("param1", 5)
    mlflow.log_metric("foo", 1)
    mlflow.log_metric("foo", 2)
    mlflow.log_metric("foo", 3)
    mlflow.log_text("hello world", "outputs/test.txt")
