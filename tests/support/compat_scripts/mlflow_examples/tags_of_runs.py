"""Tags that are set, changed, deleted and searched for."""

import mlflow
from mlflow import MlflowClient

mlflow.set_experiment("tags_of_runs")
client = MlflowClient()
with mlflow.start_run(tags={"kind": "baseline"}, description="A first try") as run:
    mlflow.set_tag("release", "1.0")
    mlflow.set_tags({"a": 1, "b": [1, 2]})
    mlflow.set_tag("release", "1.1")
    mlflow.delete_tag("a")
    mlflow.log_metric("m", 1, step=0)
tags = client.get_run(run.info.run_id).data.tags
assert (tags["kind"], tags["release"], tags["b"]) == ("baseline", "1.1", "[1, 2]")
assert tags["mlflow.note.content"] == "A first try"
assert "a" not in tags
try:
    client.delete_tag(run.info.run_id, "a")
except mlflow.exceptions.MlflowException:
    pass
else:
    raise AssertionError("a tag that is not there is deleted")
