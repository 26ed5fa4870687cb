"""A model of the script's own class, with files, settings and parameters."""

import json
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException


class AddN(mlflow.pyfunc.PythonModel):
    def __init__(self, n):
        self.n = n

    def load_context(self, context):
        self.offset = json.loads(Path(context.artifacts["offset"]).read_text())["offset"]

    def predict(self, context, model_input, params=None):
        factor = (params or {}).get("factor", 1)
        return model_input.apply(lambda column: (column + self.n + self.offset) * factor)


mlflow.set_experiment("python_model")
frame = pd.DataFrame({"x": [1, 2, 3]})
Path("offset.json").write_text(json.dumps({"offset": 100}))
with mlflow.start_run() as run:
    model = AddN(n=5)
    info = mlflow.pyfunc.log_model(
        name="add_n", python_model=model, artifacts={"offset": "offset.json"}, pip_requirements=["pandas"]
    )
    model.n = 1000
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    mlflow.log_metric("sum", float(loaded.predict(frame)["x"].sum()))
    mlflow.log_metric(
        "doubled",
        float(
            loaded.unwrap_python_model()
            .predict(loaded.unwrap_python_model(), frame, {"factor": 2})["x"]
            .sum()
        ),
    )
assert loaded.predict(frame)["x"].tolist() == [106, 107, 108]
assert isinstance(loaded.unwrap_python_model(), AddN)
assert loaded.metadata.run_id == run.info.run_id


def shout(model_input: list[str]) -> list[str]:
    return [text.upper() for text in model_input]


with mlflow.start_run():
    info = mlflow.pyfunc.log_model(
        name="shout", python_model=shout, pip_requirements=["pandas"], input_example=["a"]
    )
    mlflow.log_param("said", mlflow.pyfunc.load_model(info.model_uri).predict(["hello"])[0])
mlflow.pyfunc.save_model(
    "saved_add_n", python_model=AddN(1), artifacts={"offset": "offset.json"}, pip_requirements=["pandas"]
)
assert mlflow.pyfunc.load_model("saved_add_n").predict(frame)["x"].tolist() == [102, 103, 104]
for call in (
    lambda: mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/missing"),
    lambda: mlflow.pyfunc.log_model(name="none", python_model=None),
    lambda: mlflow.pyfunc.save_model("saved_add_n", python_model=AddN(1)),
):
    try:
        call()
    except MlflowException:
        continue
    raise AssertionError("it is taken")
