"""Every call with its arguments by name."""

import mlflow
from mlflow import MlflowClient

key = mlflow.create_experiment(name="keyword_arguments", tags={"by": "keywords"})
with mlflow.start_run(
    experiment_id=key, run_name="named", tags={"a": "b"}, nested=False, description="d"
) as run:
    mlflow.log_param(key="p", value=1)
    mlflow.log_params(params={"q": 2})
    mlflow.log_metric(key="m", value=0.5, step=1)
    mlflow.log_metrics(metrics={"n": 1.5}, step=2)
    mlflow.set_tag(key="t", value="v")
    mlflow.set_tags(tags={"u": "w"})
    mlflow.log_text(text="hello", artifact_file="a.txt")
    mlflow.log_dict(dictionary={"x": 1}, artifact_file="b.json")
client = MlflowClient()
client.log_metric(run_id=run.info.run_id, key="late", value=3, step=4)
client.log_param(run_id=run.info.run_id, key="later", value="x")
client.set_tag(run_id=run.info.run_id, key="latest", value="y")
assert client.get_run(run_id=run.info.run_id).data.metrics["late"] == 3
assert (
    mlflow.search_runs(experiment_ids=[key], filter_string="params.later = 'x'", max_results=5).shape[0] == 1
)
