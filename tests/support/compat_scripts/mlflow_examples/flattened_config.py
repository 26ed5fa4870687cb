"""A nested configuration with joined names."""

import mlflow


def flat(values, prefix=""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


mlflow.set_experiment("flattened_config")
with mlflow.start_run():
    mlflow.log_params(dict(flat({"model": {"depth": 2, "norm": {"eps": 1e-5}}, "lr": 0.1})))
    mlflow.log_metric("loss", 0.5, step=0)
