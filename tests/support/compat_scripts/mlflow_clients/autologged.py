"""scikit-learn's training, logged by itself."""

from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

import mlflow

mlflow.set_experiment("autologged")
mlflow.sklearn.autolog(log_models=False, log_datasets=False)
x, y = load_iris(return_X_y=True)
with mlflow.start_run(run_name="forest"):
    RandomForestClassifier(n_estimators=5, max_depth=2, random_state=0).fit(x, y)
x, y = load_diabetes(return_X_y=True)
LinearRegression().fit(x, y)
mlflow.sklearn.autolog(disable=True)
