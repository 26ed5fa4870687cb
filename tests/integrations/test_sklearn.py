"""What scikit-learn fits and scores in a block, compared with what it returns."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from legm import ExperimentHandler, LegmError
from legm.integrations.sklearn import autolog
from legm.records import RunResult, Status
from tests.support.boosting_data import halves
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points, test_values

(X_train, y_train), (X_test, y_test) = halves(60)


def active(found: RunResult) -> dict:
    configuration = found.run.configuration
    return {name: configuration.parameters[name] for name in configuration.active}


def test_a_fit_is_a_run_with_what_differs_from_the_defaults(tmp_path):
    model = make_pipeline(StandardScaler(), SVC(C=3.0, random_state=5))
    with autolog(tmp_path, "e", backend=["local", "mlflow"]):
        model.fit(X_train, y_train)
        train, test = model.score(X_train, y_train), model.score(X_test, y_test)
        validation = model.score(X_test[:10], y_test[:10])
    for backend in ("local", "mlflow"):
        found = only_run(tmp_path, backend=backend)
        assert active(found) == {
            "estimator": "Pipeline",
            "Pipeline.steps": ["standardscaler", "svc"],
            "standardscaler": "StandardScaler",
            "svc": "SVC",
            "SVC.C": 3.0,
        }
        assert found.run.configuration.parameters["SVC.kernel"] == "rbf"
        assert found.run.parameters["SVC.random_state"] == 5
        assert test_values(found) == {"score": test}
        assert points(found, "train_score") == [(0, train)]
        assert points(found, "score") == [(0, validation)]
        assert found.status is Status.COMPLETED


@pytest.mark.parametrize("is_given", [True, False])
def test_every_fit_in_a_block_is_a_run_of_its_configuration(tmp_path, is_given, caplog):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("data", "mine")
    arguments = (handler,) if is_given else (tmp_path, "e")
    with autolog(*arguments, **({} if is_given else {"params": {"data": "mine"}})):
        for seed in range(2):
            DecisionTreeClassifier(max_depth=2, random_state=seed).fit(X_train, y_train)
        LogisticRegression(C=0.5).fit(X_train, y_train)
        Ridge(alpha=2.0).fit(X_train, y_train)
    trees = runs_of(tmp_path)[:2]
    assert [one.run.parameters["DecisionTreeClassifier.random_state"] for one in trees] == [0, 1]
    assert len({one.run.configuration.fingerprint for one in trees}) == 1
    others = [active(one) for one in runs_of(tmp_path)[2:]]
    assert others == [
        {"data": "mine", "estimator": "LogisticRegression", "LogisticRegression.C": 0.5},
        {"data": "mine", "estimator": "Ridge", "Ridge.alpha": 2.0},
    ]
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_a_handler_that_was_started_is_filled_and_left_open(tmp_path):
    with ExperimentHandler(tmp_path, "e").start() as handler:
        with autolog(handler):
            model = LogisticRegression().fit(X_train, y_train)
            score = model.score(X_test, y_test)
        handler.set_metric("after", 1.0)
    found = only_run(tmp_path)
    assert (test_values(found), points(found, "after")) == ({"score": score}, [(0, 1.0)])


def test_each_candidate_of_a_search_is_a_configuration_with_a_run_for_each_fold(tmp_path):
    pipeline = Pipeline([("reducer", PCA()), ("model", SVC())])
    grid = {"model__C": [0.1, 5.0], "reducer__n_components": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=3, return_train_score=True)
    with autolog(tmp_path, "e"):
        search.fit(X_train, y_train)
        test = search.score(X_test, y_test)
    *folds, last = runs_of(tmp_path)
    results = search.cv_results_
    assert len(folds) == 4 * 3
    for number, found in enumerate(folds):
        candidate, fold = divmod(number, 3)
        assert points(found, "score") == [(0, results[f"split{fold}_test_score"][candidate])]
        assert points(found, "train_score") == [(0, results[f"split{fold}_train_score"][candidate])]
        assert active(found)["model.SVC.C"] == results["params"][candidate]["model__C"]
        assert (
            active(found)["reducer.PCA.n_components"] == results["params"][candidate]["reducer__n_components"]
        )
        assert found.run.parameters["fold"] == fold
    assert len({one.run.configuration.fingerprint for one in folds}) == 4
    assert test_values(last) == {"score": test}
    best = ExperimentHandler(tmp_path, "e").get_best("score")[0]
    assert best.configuration.parameters["model.SVC.C"] == search.best_params_["model__C"]
    assert best.value.mean == pytest.approx(search.best_score_)
    assert best.value.std == pytest.approx(results["std_test_score"][search.best_index_])


def test_cross_validation_is_a_run_for_each_fold(tmp_path):
    model = LogisticRegression(C=0.5)
    with autolog(tmp_path, "e"):
        scores = cross_val_score(model, X_train, y_train, cv=KFold(4))
        several = cross_validate(model, X_train, y_train, cv=3, scoring=["accuracy", "roc_auc"])
    found = runs_of(tmp_path)
    assert [points(one, "score")[0][1] for one in found[:4]] == [*scores]
    for name in ("accuracy", "roc_auc"):
        assert [points(one, name)[0][1] for one in found[4:]] == [*several[f"test_{name}"]]
    assert {one.run.configuration.parameters["folds"] for one in found[:4]} == {4}
    assert len(found) == 7


def test_values_of_every_iteration_are_a_series(tmp_path):
    model = MLPClassifier(4, max_iter=6, early_stopping=True, random_state=0)
    with autolog(tmp_path, "e"), pytest.warns(UserWarning, match="converged"):
        model.fit(X_train, y_train)
    found = only_run(tmp_path)
    assert points(found, "loss") == list(enumerate(model.loss_curve_))
    assert points(found, "validation_score") == list(enumerate(model.validation_scores_))
    assert found.best_step == int(np.argmax(model.validation_scores_))


def test_parts_of_a_model_have_names_of_their_own(tmp_path):
    columns = ColumnTransformer(
        [("scaled", StandardScaler(with_mean=False), [0, 1])], remainder="passthrough"
    )
    with autolog(tmp_path, "e"):
        Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(X_train, y_train)
    found = active(only_run(tmp_path))
    assert found["columns.scaled.StandardScaler.with_mean"] == "False"
    assert found["columns.scaled.columns"] == [0, 1]
    assert found["columns.ColumnTransformer.remainder"] == "passthrough"


def test_a_fit_that_ctrl_c_ends_is_an_interrupted_run(tmp_path):
    class Slow(LogisticRegression):
        def fit(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), autolog(tmp_path, "e"):
        Slow(C=0.5).fit([[0.0]], [0])
    assert only_run(tmp_path).status is Status.INTERRUPTED


def test_a_fit_that_raises_is_a_failed_run(tmp_path):
    with autolog(tmp_path, "e"), pytest.raises(ValueError, match="'C'"):
        SVC(C=-1.0).fit(X_train, y_train)
    found = only_run(tmp_path)
    assert found.status is Status.FAILED
    assert "'C'" in str(found.error)


def test_what_only_transforms_and_what_is_outside_of_the_block_are_no_runs(tmp_path):
    before = vars(LogisticRegression)["fit"], cross_validate.__closure__[0].cell_contents
    with autolog(tmp_path, "e"):
        StandardScaler().fit_transform(X_train)
    LogisticRegression().fit(X_train, y_train)
    assert runs_of(tmp_path) == []
    assert (vars(LogisticRegression)["fit"], cross_validate.__closure__[0].cell_contents) == before


def test_estimators_that_are_imported_or_defined_in_the_block_are_recorded(tmp_path):
    with autolog(tmp_path, "e"):

        class Own(ClassifierMixin, BaseEstimator):
            def __init__(self, answer=1):
                self.answer = answer

            def fit(self, X, y):  # noqa: N803 - scikit-learn's name
                self.inner_ = LogisticRegression().fit(X, y)
                return self

            def predict(self, X):  # noqa: N803
                return np.full(len(X), self.answer)

        score = Own(0).fit(X_train, y_train).score(X_test, y_test)
    found = only_run(tmp_path)
    assert active(found) == {"estimator": "Own", "Own.answer": 0}
    assert test_values(found) == {"score": score}


def test_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(LegmError, match="autolog needs scikit-learn: install it"), autolog(tmp_path, "e"):
        pass


def test_an_unstarted_copy_shares_nothing_that_changes(tmp_path):
    handler = ExperimentHandler(tmp_path, "e", "described")
    handler.set_param("lr", 0.1)
    handler.disable_param("lr")
    with handler.start():
        copy = handler.unstarted_copy()
        assert not copy.has_started
        copy.set_param("depth", 2)
        with copy.start():
            copy.set_metric("loss", 1.0)
        assert handler.run_id != copy.run_id
    with pytest.raises(AttributeError):
        _ = handler.depth
    assert {one.run.description for one in runs_of(tmp_path)} == {"described"}
    assert [one.run.configuration.active for one in runs_of(tmp_path)] == [(), ("depth",)]
