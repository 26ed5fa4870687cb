"""Models of scikit-learn and XGBoost, saved, logged and loaded by their flavour and as pyfunc."""

import mlflow
import numpy as np
import xgboost
from mlflow.models import get_model_info, infer_signature
from sklearn.linear_model import LogisticRegression

mlflow.set_experiment("model_flavors")
rng = np.random.default_rng(0)
x = rng.normal(size=(60, 3))
y = (x[:, 0] > 0).astype(int)
classifier = LogisticRegression().fit(x, y)
booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(x, y), 3)
with mlflow.start_run() as run:
    by_example = mlflow.sklearn.log_model(
        classifier, name="logistic", input_example=x[:2], pip_requirements=["scikit-learn"]
    )
    with_scores = mlflow.sklearn.log_model(
        classifier, name="scores", pyfunc_predict_fn="predict_proba", pip_requirements=["scikit-learn"]
    )
    trees = mlflow.xgboost.log_model(
        booster,
        name="trees",
        signature=infer_signature(x, booster.predict(xgboost.DMatrix(x))),
        pip_requirements=["xgboost"],
    )
    mlflow.log_param("signature", by_example.signature.to_dict()["inputs"])
    mlflow.log_param("outputs", by_example.signature.to_dict()["outputs"])
    mlflow.log_param("flavors", sorted(trees.flavors))
mlflow.sklearn.save_model(classifier, "saved_logistic", pip_requirements=["scikit-learn"])
for address in (by_example.model_uri, "saved_logistic", f"runs:/{run.info.run_id}/logistic"):
    assert np.array_equal(mlflow.sklearn.load_model(address).predict(x), classifier.predict(x))
    assert np.array_equal(mlflow.pyfunc.load_model(address).predict(x), classifier.predict(x))
assert np.allclose(mlflow.pyfunc.load_model(with_scores.model_uri).predict(x), classifier.predict_proba(x))
assert np.allclose(mlflow.pyfunc.load_model(trees.model_uri).predict(x), booster.predict(xgboost.DMatrix(x)))
assert np.allclose(
    mlflow.xgboost.load_model(trees.model_uri).predict(xgboost.DMatrix(x)),
    booster.predict(xgboost.DMatrix(x)),
)
assert set(get_model_info(by_example.model_uri).flavors) == {"python_function", "sklearn"}
estimator = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(x, y)
with mlflow.start_run():
    logged = mlflow.xgboost.log_model(estimator, name="estimator", pip_requirements=["xgboost"])
    assert np.array_equal(mlflow.xgboost.load_model(logged.model_uri).predict(x), estimator.predict(x))
    assert np.array_equal(mlflow.pyfunc.load_model(logged.model_uri).predict(x), estimator.predict(x))
    mlflow.log_metric("accuracy", estimator.score(x, y))
