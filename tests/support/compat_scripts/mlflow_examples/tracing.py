"""Functions that are traced: traces are MLflow's own, and change nothing for the run."""

import mlflow


@mlflow.trace
def add(a, b):
    return a + b


mlflow.set_experiment("tracing")
with mlflow.start_run():
    total = add(1, 2)
    with mlflow.start_span("block") as span:
        span.set_inputs({"a": 1})
        span.set_outputs({"b": 2})
    mlflow.log_metric("total", total, step=0)
