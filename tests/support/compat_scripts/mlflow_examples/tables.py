"""Tables of data frames and columns, that grow, and are read back."""

import mlflow
import pandas as pd

mlflow.set_experiment("tables")
with mlflow.start_run() as run:
    mlflow.log_table(pd.DataFrame({"x": [1, 2], "y": [0.5, 1.5]}), "points.json")
    mlflow.log_table({"x": [3], "y": [2.5]}, "points.json")
    mlflow.log_table({"only": ["a"]}, "nested/other.json")
    mlflow.log_metric("rows", 3, step=0)
frame = mlflow.load_table("points.json", run_ids=[run.info.run_id])
assert frame["x"].tolist() == [1, 2, 3]
assert mlflow.load_table("nested/other.json")["only"].tolist() == ["a"]
