"""Regressors evaluated: a model, a function, data with predictions, and metrics alone."""

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import make_metric
from sklearn.linear_model import LinearRegression

mlflow.set_experiment("evaluate_regressors")
rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(50, 2)), columns=["a", "b"])
frame["y"] = frame["a"] * 2 + rng.normal(scale=0.1, size=50)
model = LinearRegression().fit(frame[["a", "b"]], frame["y"])
with mlflow.start_run(run_name="model"):
    info = mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
    result = mlflow.models.evaluate(
        info.model_uri,
        frame,
        targets="y",
        model_type="regressor",
        evaluator_config={"log_model_explainability": False},
    )
    assert result.metrics["r2_score"] > 0.9
with mlflow.start_run(run_name="function"):
    mlflow.models.evaluate(lambda data: data["a"] * 2, frame, targets="y", model_type="regressor")
with mlflow.start_run(run_name="predictions"):
    frame["guess"] = frame["a"]
    mlflow.models.evaluate(data=frame, targets="y", predictions="guess", model_type="regressor")
with mlflow.start_run(run_name="own"):

    def worst(eval_df, builtin_metrics):
        return float((eval_df["prediction"] - eval_df["target"]).abs().max())

    metric = make_metric(eval_fn=worst, greater_is_better=False, name="worst")
    mlflow.models.evaluate(data=frame, targets="y", predictions="guess", extra_metrics=[metric])
