"""Values that are logged without waiting, and waited for at the end."""

import mlflow

mlflow.set_experiment("asynchronous")
with mlflow.start_run() as run:
    pending = [mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False) for step in range(5)]
    pending.append(mlflow.log_params({"a": 1, "b": 2}, synchronous=False))
    pending.append(mlflow.set_tag("t", "v", synchronous=False))
    for one in pending:
        one.wait()
    mlflow.flush_async_logging()
assert mlflow.get_run(run.info.run_id).data.metrics["loss"] == 0.2
