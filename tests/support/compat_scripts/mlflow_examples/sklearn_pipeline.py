"""A pipeline of scikit-learn whose parameters are logged, and its model."""

import mlflow
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(0)
x = rng.normal(size=(80, 4))
y = (x[:, 0] * x[:, 1] > 0).astype(int)
mlflow.set_experiment("sklearn_pipeline")
with mlflow.start_run():
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3)).fit(x, y)
    mlflow.log_params(
        {name: value for name, value in model.get_params().items() if isinstance(value, (int, float, bool))}
    )
    mlflow.log_metrics({"accuracy": accuracy_score(y, model.predict(x)), "f1": f1_score(y, model.predict(x))})
    info = mlflow.sklearn.log_model(model, name="pipeline", pip_requirements=["scikit-learn"])
assert np.array_equal(mlflow.sklearn.load_model(info.model_uri).predict(x), model.predict(x))
