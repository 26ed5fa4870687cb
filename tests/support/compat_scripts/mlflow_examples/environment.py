"""What the tracking address is, and that it can be set."""

import mlflow

address = mlflow.get_tracking_uri()
mlflow.set_tracking_uri(address)
assert mlflow.get_tracking_uri() == address
assert mlflow.is_tracking_uri_set()
assert mlflow.get_registry_uri()
mlflow.set_experiment("environment")
with mlflow.start_run():
    mlflow.log_metric("m", 1, step=0)
