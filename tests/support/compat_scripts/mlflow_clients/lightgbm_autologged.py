"""LightGBM's training logged by itself: its own function with early stopping, and its estimators."""

import lightgbm as lgb
from sklearn import datasets, metrics
from sklearn.model_selection import train_test_split

import mlflow
import mlflow.lightgbm

mlflow.set_experiment("lightgbm_autologged")
x, y = datasets.load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
train = lgb.Dataset(x_train, label=y_train)
mlflow.lightgbm.autolog(log_models=False, log_datasets=False)
with mlflow.start_run():
    params = {
        "objective": "multiclass",
        "num_class": 3,
        "learning_rate": 0.3,
        "metric": ["multi_logloss", "multi_error"],
        "num_threads": 1,
        "seed": 42,
        "verbose": -1,
    }
    model = lgb.train(
        params,
        train,
        num_boost_round=30,
        valid_sets=[train, lgb.Dataset(x_test, label=y_test, reference=train)],
        valid_names=["train", "test"],
        callbacks=[lgb.early_stopping(2, verbose=False)],
    )
    chances = model.predict(x_test)
    mlflow.log_metric("accuracy", metrics.accuracy_score(y_test, chances.argmax(axis=1)))

ranked = lgb.Dataset(x_train, label=y_train, group=[60, 60])
lgb.train(
    {"objective": "lambdarank", "metric": "ndcg", "eval_at": [1, 3], "num_threads": 1, "verbose": -1},
    ranked,
    3,
    valid_sets=[ranked],
)

classifier = lgb.LGBMClassifier(n_estimators=4, num_leaves=4, n_jobs=1, random_state=0, verbose=-1)
classifier.fit(x_train, y_train, eval_set=[(x_test, y_test)])
predicted = classifier.predict(x_test)
metrics.accuracy_score(y_test, predicted)
metrics.f1_score(y_test, predicted, average="macro")
mlflow.lightgbm.autolog(disable=True)
