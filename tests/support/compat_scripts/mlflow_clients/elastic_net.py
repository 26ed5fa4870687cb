"""Parameters and scores of an elastic net, by hand."""

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

import mlflow
import mlflow.sklearn
from mlflow.models import infer_signature

mlflow.set_experiment("elastic_net")
x, y = load_diabetes(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=40)
alpha, l1_ratio = 0.01, 0.5
with mlflow.start_run(run_name="first", description="a first try") as run:
    model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, random_state=42).fit(x_train, y_train)
    predicted = model.predict(x_test)
    mlflow.log_param("alpha", alpha)
    mlflow.log_param("l1_ratio", l1_ratio)
    mlflow.log_metric("rmse", np.sqrt(mean_squared_error(y_test, predicted)))
    mlflow.log_metric("r2", r2_score(y_test, predicted))
    mlflow.log_metric("mae", mean_absolute_error(y_test, predicted))
    mlflow.set_tag("stage", "dev")
    signature = infer_signature(x_train, predicted)
    mlflow.sklearn.log_model(model, name="model", signature=signature, pip_requirements=["scikit-learn"])
assert mlflow.last_active_run().info.run_id == run.info.run_id
