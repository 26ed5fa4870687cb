"""A model under a name of its own, data that is noted, runs in an experiment by its id."""

import numpy as np
from sklearn.linear_model import LogisticRegression

import mlflow
import mlflow.sklearn

experiment_id = mlflow.create_experiment("registered")
rng = np.random.default_rng(0)
x = rng.normal(size=(100, 3))
y = (x[:, 0] > 0).astype(int)
with mlflow.start_run(experiment_id=experiment_id) as run:
    mlflow.log_input(mlflow.data.from_numpy(x, targets=y, name="noise"), context="training")
    model = LogisticRegression(C=0.5).fit(x, y)
    mlflow.log_param("C", 0.5)
    mlflow.log_metric("accuracy", model.score(x, y))
    info = mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
version = mlflow.register_model(info.model_uri, "noise-classifier")
assert int(version.version) == 1
assert np.array_equal(mlflow.sklearn.load_model(info.model_uri).predict(x), model.predict(x))
