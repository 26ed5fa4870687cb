"""A data set of Hugging Face's datasets, noted with a run"""

import json

import datasets
import mlflow
from mlflow import MlflowClient

data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 0]})
mlflow.set_experiment("huggingface_data")
train = mlflow.data.from_huggingface(data, path="owner/data", targets="label", name="train", revision="v1")
assert train.profile["num_rows"] == 3
assert train.ds is data
with mlflow.start_run() as run:
    mlflow.log_input(train, context="training")
    mlflow.log_params({"digest": train.digest, "schema": train.to_dict()["schema"]})
    mlflow.log_param("source", train.to_dict()["source"])
(found,) = MlflowClient().get_run(run.info.run_id).inputs.dataset_inputs
assert json.loads(found.dataset.source)["path"] == "owner/data"
assert found.dataset.source_type == "hugging_face"
