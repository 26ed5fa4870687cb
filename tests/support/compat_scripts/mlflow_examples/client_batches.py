"""Batches of metrics, parameters and tags by the client."""

import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

client = MlflowClient()
key = client.create_experiment("client_batches")
run = client.create_run(key, run_name="batched")
now = int(time.time() * 1000)
client.log_batch(
    run.info.run_id,
    metrics=[
        Metric(key=name, value=step / 10, timestamp=now + step, step=step)
        for name in ("a", "b")
        for step in range(10)
    ],
    params=[Param("lr", "0.1"), Param("wd", "0.01")],
    tags=[RunTag("phase", "train")],
)
client.log_batch(run.info.run_id, metrics=[Metric("a", 5.0, now + 11, 11)])
client.set_terminated(run.info.run_id, status="FINISHED")
found = client.get_run(run.info.run_id)
assert found.data.metrics == {"a": 5.0, "b": 0.9}
assert found.data.tags["phase"] == "train"
assert found.info.status == "FINISHED"
