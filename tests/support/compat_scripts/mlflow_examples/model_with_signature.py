"""A model that is registered with its signature, and loaded by its version."""

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.tree import DecisionTreeRegressor

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 2))
y = x[:, 0] ** 2
mlflow.set_experiment("model_with_signature")
with mlflow.start_run():
    model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(x, y)
    signature = infer_signature(x, model.predict(x))
    info = mlflow.sklearn.log_model(
        sk_model=model,
        skops_trusted_types=["sklearn.tree._tree.Tree"],
        name="tree",
        signature=signature,
        registered_model_name="signed tree",
        pip_requirements=["scikit-learn"],
    )
    mlflow.log_metric("mse", float(np.mean((model.predict(x) - y) ** 2)))
assert int(info.registered_model_version) == 1
loaded = mlflow.pyfunc.load_model("models:/signed tree/1")
assert np.allclose(loaded.predict(x), model.predict(x))
