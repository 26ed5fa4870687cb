"""Everything by the client, without an active run."""

import time

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

client = MlflowClient()
experiment_id = client.create_experiment("client_calls")
assert client.get_experiment(experiment_id).name == "client_calls"
assert client.get_experiment_by_name("client_calls").experiment_id == experiment_id
run = client.create_run(experiment_id, tags={"by": "client"})
run_id = run.info.run_id
now = int(time.time() * 1000)
client.log_batch(
    run_id,
    metrics=[Metric("loss", 1 / (i + 1), now + i, i) for i in range(5)],
    params=[Param("p", "1"), Param("q", "text")],
    tags=[RunTag("t", "1")],
)
client.log_metric(run_id, "accuracy", 0.5, step=0)
client.log_metric(run_id, "accuracy", 0.75, step=3)
client.log_param(run_id, "r", 2.5)
client.set_tag(run_id, "state", "done")
client.log_text(run_id, "hello", "notes/hello.txt")
assert [one.path for one in client.list_artifacts(run_id)] == ["notes"]
client.set_terminated(run_id)
again = client.get_run(run_id)
assert again.info.status == "FINISHED"
assert again.data.metrics["accuracy"] == 0.75
assert again.data.params == {"p": "1", "q": "text", "r": "2.5"}
assert [one.value for one in client.get_metric_history(run_id, "accuracy")] == [0.5, 0.75]
assert [one.info.run_id for one in client.search_runs([experiment_id], "metrics.accuracy > 0.7")] == [run_id]
