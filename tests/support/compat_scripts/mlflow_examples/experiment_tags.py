"""An experiment with tags, found again by its name, its id and its tags."""

import mlflow
from mlflow import MlflowClient

client = MlflowClient()
key = client.create_experiment("experiment_tags", tags={"team": "vision", "project": "fruit"})
mlflow.set_experiment("experiment_tags")
mlflow.set_experiment_tag("stage", "dev")
mlflow.set_experiment_tags({"a": 1, "b": 2})
client.set_experiment_tag(key, "stage", "prod")
found = mlflow.get_experiment(key)
assert found.name == "experiment_tags"
assert {**found.tags} == {"team": "vision", "project": "fruit", "stage": "prod", "a": "1", "b": "2"} | {
    name: value for name, value in found.tags.items() if name.startswith("mlflow.")
}
assert [one.experiment_id for one in client.search_experiments(filter_string="tags.team = 'vision'")] == [key]
mlflow.delete_experiment_tag("a")
assert "a" not in mlflow.get_experiment_by_name("experiment_tags").tags
assert mlflow.get_experiment_by_name("no such experiment") is None
with mlflow.start_run(experiment_id=key):
    mlflow.log_metric("m", 0.5)
