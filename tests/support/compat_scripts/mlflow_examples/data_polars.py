"""Data sets in data frames of Polars, whose digest, schema and profile are MLflow's."""

import json

import mlflow
import polars as pl
from mlflow import MlflowClient

mlflow.set_experiment("data_polars")
columns = {"width": [1.5, None, 3.5], "kind": ["a", "b", "a"], "label": [0, 1, 0], "many": [[1], [2, 3], []]}
frame = pl.DataFrame(columns)
frame = frame.with_columns(small=pl.col("label").cast(pl.UInt32), sort=pl.col("kind").cast(pl.Categorical))
train = mlflow.data.from_polars(frame, source="https://example.org/train.csv", name="train", targets="label")
assert train.profile == {"num_rows": 3, "num_elements": 18}
assert train.df is frame
with mlflow.start_run() as run:
    mlflow.log_input(train, context="training")
    mlflow.log_params({"digest": train.digest, "schema": train.to_dict()["schema"]})
(found,) = MlflowClient().get_run(run.info.run_id).inputs.dataset_inputs
assert found.dataset.digest == train.digest
assert json.loads(found.dataset.profile) == train.profile
try:
    mlflow.data.from_polars(frame, targets="missing")
except mlflow.exceptions.MlflowException:
    pass
else:
    raise AssertionError("a column that is not there is taken")
