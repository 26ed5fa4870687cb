"""A parameter that changes is refused, and the same value again is not."""

import mlflow
from mlflow.exceptions import MlflowException

mlflow.set_experiment("changed_parameters")
with mlflow.start_run():
    mlflow.log_param("lr", 0.1)
    mlflow.log_param("lr", "0.1")
    for call in (lambda: mlflow.log_param("lr", 0.2), lambda: mlflow.log_params({"lr": 0.3})):
        try:
            call()
        except MlflowException as error:
            code = error.error_code
        assert code == "INVALID_PARAMETER_VALUE"
    mlflow.log_metric("m", 1, step=0)
