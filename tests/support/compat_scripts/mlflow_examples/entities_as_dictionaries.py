"""Runs as dictionaries."""

import mlflow

mlflow.set_experiment("entities_as_dictionaries")
with mlflow.start_run(run_name="d") as run:
    mlflow.log_param("p", 1)
    mlflow.log_metric("m", 2, step=0)
content = mlflow.get_run(run.info.run_id).to_dictionary()
assert content["data"]["params"] == {"p": "1"}
assert content["data"]["metrics"] == {"m": 2}
assert content["info"]["run_name"] == "d"
assert content["inputs"]["dataset_inputs"] == []
