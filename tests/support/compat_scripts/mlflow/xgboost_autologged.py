"""XGBoost's training logged by itself: its own function with early stopping, and its estimators."""

import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

import mlflow
import mlflow.xgboost

mlflow.set_experiment("xgboost_autologged")
mlflow.xgboost.autolog(log_models=False, log_datasets=False)
x, y = load_breast_cancer(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
train, test = xgboost.DMatrix(x_train, label=y_train), xgboost.DMatrix(x_test, label=y_test)
params = {
    "objective": "binary:logistic",
    "eval_metric": ["logloss", "auc", "map@3"],
    "max_depth": 2,
    "nthread": 1,
    "seed": 42,
}
with mlflow.start_run(run_name="native"):
    model = xgboost.train(
        params,
        train,
        evals=[(train, "train"), (test, "test")],
        num_boost_round=40,
        early_stopping_rounds=2,
        verbose_eval=False,
    )
    chances = model.predict(test)
    mlflow.log_metrics(
        {"log_loss": log_loss(y_test, chances), "accuracy": accuracy_score(y_test, chances > 0.5)}
    )

classifier = xgboost.XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1, eval_metric="logloss")
classifier.fit(x_train, y_train, eval_set=[(x_test, y_test)], verbose=False)
classifier.score(x_test, y_test)

with mlflow.start_run(run_name="regressor", tags={"kind": "trees"}):
    regressor = xgboost.XGBRegressor(n_estimators=4, max_depth=2, n_jobs=1)
    regressor.fit(x_train, y_train)

mlflow.xgboost.autolog(disable=True)
xgboost.train(params, train, 2)
