"""Two models compete: the better one becomes the champion."""

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.linear_model import Ridge

client = MlflowClient()
rng = np.random.default_rng(0)
x = rng.normal(size=(40, 2))
y = x[:, 0]
mlflow.set_experiment("champion_and_challenger")
scores = {}
for alpha in (100.0, 0.1):
    with mlflow.start_run(run_name=f"alpha {alpha}") as run:
        model = Ridge(alpha=alpha).fit(x, y)
        info = mlflow.sklearn.log_model(
            model, name="ridge", registered_model_name="competing ridge", pip_requirements=["scikit-learn"]
        )
        mlflow.log_param("alpha", alpha)
        mlflow.log_metric("r2", model.score(x, y))
        scores[int(info.registered_model_version)] = model.score(x, y)
        client.set_model_version_tag(
            "competing ridge", str(info.registered_model_version), "r2", f"{model.score(x, y):.3f}"
        )
best = max(scores, key=scores.get)
client.set_registered_model_alias("competing ridge", "champion", str(best))
champion = client.get_model_version_by_alias("competing ridge", "champion")
assert int(champion.version) == 2
assert float(champion.tags["r2"]) > 0.9
assert client.get_run(champion.run_id).data.params["alpha"] == "0.1"
