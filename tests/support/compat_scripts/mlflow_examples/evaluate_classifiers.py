"""A classifier of two classes and one of three, evaluated: scores, files, thresholds, own metrics."""

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import MetricThreshold, make_metric
from sklearn.linear_model import LogisticRegression

mlflow.set_experiment("evaluate_classifiers")
rng = np.random.default_rng(0)
x = pd.DataFrame(rng.normal(size=(90, 3)), columns=["a", "b", "c"])
two = (x["a"] + rng.normal(scale=0.5, size=90) > 0).astype(int)
three = np.digitize(x["a"] + rng.normal(scale=0.5, size=90), [-0.5, 0.5])


def share_of_ones(predictions, targets):
    return float((predictions == 1).mean())


for name, target in {"two": two, "three": three}.items():
    with mlflow.start_run(run_name=name) as run:
        model = LogisticRegression(C=0.5).fit(x, target)
        info = mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
        result = mlflow.models.evaluate(
            info.model_uri,
            x.assign(label=target),
            targets="label",
            model_type="classifier",
            evaluators="default",
            evaluator_config={"log_model_explainability": False, "metric_prefix": "val_"},
            extra_metrics=[make_metric(eval_fn=share_of_ones, greater_is_better=True)],
        )
    files = {one.path for one in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert any("confusion_matrix" in file for file in files), files
    assert result.metrics["val_accuracy_score"] > 0.5
    if name == "three":
        assert any("per_class_metrics" in file for file in files), files
threshold = MetricThreshold(threshold=0.3, greater_is_better=True)
mlflow.validate_evaluation_results({"val_accuracy_score": threshold}, result)
try:
    mlflow.validate_evaluation_results(
        {"val_accuracy_score": MetricThreshold(threshold=1.5, greater_is_better=True)}, result
    )
except mlflow.exceptions.MlflowException:
    pass
else:
    raise AssertionError("the threshold is not checked")
with mlflow.start_run(run_name="static"):
    predictions = pd.DataFrame({"label": two, "predicted": model.predict(x) > 0}).astype(int)
    data = mlflow.data.from_pandas(predictions, targets="label", predictions="predicted")
    mlflow.models.evaluate(data=data, model_type="classifier")
