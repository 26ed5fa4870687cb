"""No start_run: the first call begins one. Metrics without steps, of many kinds."""

import numpy as np

import mlflow

uri = mlflow.get_tracking_uri()
mlflow.set_tracking_uri(uri)
mlflow.set_experiment("implicit_run")
mlflow.log_param("kind", "implicit")
mlflow.log_params({"list": [1, 2], "np": np.float64(0.5), "none": None, "flag": False})
mlflow.log_metric("int", 3)
mlflow.log_metric("np", np.float32(0.25))
mlflow.log_metric("nan", float("nan"))
mlflow.log_metric("negative", -2.5, step=7)
mlflow.set_tags({"a": 1, "b": "two"})
mlflow.end_run()
