"""Data sets in data frames, with sources, targets, tags and contexts, read back from the run."""

import json

import mlflow
import pandas as pd
from mlflow import MlflowClient

mlflow.set_experiment("data_frames")
frame = pd.DataFrame({"width": [1.5, 2.5, 3.5], "kind": ["a", "b", "a"], "label": [0, 1, 0]})
train = mlflow.data.from_pandas(frame, source="https://example.org/train.csv", name="train", targets="label")
test = mlflow.data.from_pandas(frame.head(2), source="data/test.csv")
assert train.targets == "label"
assert train.profile == {"num_rows": 3, "num_elements": 9}
assert [one["name"] for one in train.schema.to_dict()] == ["width", "kind", "label"]
with mlflow.start_run() as run:
    mlflow.log_input(train, context="training", tags={"version": "1"})
    mlflow.log_inputs([test], ["testing"], [None])
    mlflow.log_params({"digest": train.digest, "test_digest": test.digest, "rows": len(frame)})
    mlflow.log_param("schema", train.to_dict()["schema"])
    mlflow.log_param("source", json.loads(train.to_dict()["source"])["url"])
inputs = MlflowClient().get_run(run.info.run_id).inputs.dataset_inputs
by_name = {one.dataset.name: one for one in inputs}
assert set(by_name) == {"train", "dataset"}
assert by_name["train"].dataset.digest == train.digest
assert by_name["train"].dataset.source_type == "http"
assert {tag.key: tag.value for tag in by_name["train"].tags} == {
    "version": "1",
    "mlflow.data.context": "training",
}
assert json.loads(by_name["dataset"].dataset.profile) == {"num_rows": 2, "num_elements": 6}
assert mlflow.data.get_source(by_name["dataset"]).to_dict() == {"uri": "data/test.csv"}
assert mlflow.data.get_source(train).to_dict() == {"url": "https://example.org/train.csv"}
try:
    mlflow.data.from_pandas(frame, targets="missing")
except mlflow.exceptions.MlflowException:
    pass
else:
    raise AssertionError("a column that is not there is taken")
