"""Data sets in arrays, their digests, and what NumPy's types are called."""

import json

import mlflow
import numpy as np

mlflow.set_experiment("data_arrays")
rng = np.random.default_rng(0)
images = rng.random((8, 4, 4)).astype("float32")
whole = mlflow.data.from_numpy(images, targets=np.arange(8), name="images", source="s3://bucket/images.npz")
parts = mlflow.data.from_numpy({"left": np.zeros(3), "right": np.ones((3, 2))}, digest="abc12345")
assert whole.profile["features_shape"] == (8, 4, 4)
assert whole.source.to_dict() == {"uri": "s3://bucket/images.npz"}
with mlflow.start_run() as run:
    mlflow.log_input(whole)
    mlflow.log_input(parts, context="validation")
    mlflow.log_params({"digest": whole.digest, "given": parts.digest, "profile": json.dumps(whole.profile)})
    mlflow.log_param("parts", parts.to_dict()["schema"])
    for number in range(2):
        mlflow.log_input(whole, tags={"pass": str(number)})
found = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
assert sorted(one.dataset.name for one in found) == ["dataset", "images"]
