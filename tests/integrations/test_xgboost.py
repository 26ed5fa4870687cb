"""Trainings with XGBoost, compared with its own history of evaluations."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xgboost as xgb
from sklearn.base import clone

from legm import ExperimentHandler
from legm.integrations.xgboost import LegmCallback
from legm.records import Status
from tests.support.boosting_data import halves
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points, require_completed_training, require_same_rounds

PARAMETERS = {
    "objective": "binary:logistic",
    "eta": 0.1,
    "max_depth": 2,
    "eval_metric": ["auc", "logloss"],
    "nthread": 1,
}


def matrices():
    (x, y), (valid_x, valid_y) = halves()
    return xgb.DMatrix(x, y), xgb.DMatrix(valid_x, valid_y)


def train(callback: LegmCallback, parameters: dict | None = None, rounds: int = 40, **options):
    train_data, valid_data = matrices()
    history: dict = {}
    options = {"early_stopping_rounds": 3, "evals": [(train_data, "train"), (valid_data, "valid")], **options}
    options |= {"evals_result": history, "verbose_eval": False, "callbacks": [callback]}
    given = PARAMETERS if parameters is None else parameters
    return xgb.train({"nthread": 1, **given}, train_data, rounds, **options), history


def test_every_round_of_every_evaluation_set_is_recorded(tmp_path):
    booster, history = train(LegmCallback(tmp_path, "e", backend=["local", "mlflow"]))
    assert 3 < len(history["valid"]["auc"]) < 40
    for backend in ("local", "mlflow"):
        require_completed_training(only_run(tmp_path, backend=backend), history, booster.best_iteration)


def test_the_parameters_are_those_that_differ_from_the_defaults(tmp_path, caplog):
    train(LegmCallback(tmp_path, "e", params={"seed": 7}))
    configuration = only_run(tmp_path).run.configuration
    active = {name: configuration.parameters[name] for name in configuration.active}
    assert active == {
        "objective": "binary:logistic",
        "learning_rate": 0.1,
        "max_depth": 2,
        "num_boost_round": 40,
        "early_stopping_rounds": 3,
    }
    assert configuration.parameters["reg_lambda"] == 1
    assert configuration.parameters["seed"] == 7
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize("seed", [1, 2])
def test_recording_changes_no_training(tmp_path, seed):
    given = {**PARAMETERS, "subsample": 0.5, "seed": seed}
    options = {"rounds": 5, "early_stopping_rounds": None}
    _, alone = train(xgb.callback.EvaluationMonitor(period=100), given, **options)
    _, recorded = train(LegmCallback(tmp_path, "e"), given, **options)
    assert recorded == alone
    _, other = train(LegmCallback(tmp_path, "e"), {**given, "seed": 7}, **options)
    assert recorded != other


def test_a_default_that_is_given_changes_nothing_and_another_value_does(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    handlers = []
    for more in ({}, {"subsample": 1.0, "lambda": 1}, {"subsample": 0.5}, {"base_score": 0.3}):
        train(callback, {**PARAMETERS, **more}, rounds=2)
        handlers.append(callback.handler.fingerprint)
    assert handlers[0] == handlers[1]
    assert len({*handlers}) == 3


@pytest.mark.parametrize("booster", ["gblinear", "dart"])
def test_other_boosters_have_their_own_parameters(tmp_path, booster, caplog):
    given = {"booster": booster, "lambda": 0.5, **({"rate_drop": 0.25} if booster == "dart" else {})}
    train(LegmCallback(tmp_path, "e"), given, rounds=3, early_stopping_rounds=None)
    configuration = only_run(tmp_path).run.configuration
    # The linear booster has defaults of its own.
    own = {"rate_drop"} if booster == "dart" else {"learning_rate", "updater"}
    assert {*configuration.active} == {"booster", "reg_lambda", "num_boost_round"} | own
    assert "counts like any other value" not in caplog.text


def test_the_native_and_the_scikit_learn_api_make_one_configuration(tmp_path):
    (x, y), (valid_x, valid_y) = halves()
    model = xgb.XGBClassifier(
        n_estimators=40,
        learning_rate=0.1,
        max_depth=2,
        eval_metric=["auc", "logloss"],
        early_stopping_rounds=3,
        random_state=5,
        n_jobs=1,
        callbacks=[LegmCallback(tmp_path, "e")],
    )
    model.fit(x, y, eval_set=[(x, y), (valid_x, valid_y)], verbose=False)
    require_same_rounds(only_run(tmp_path), model.evals_result())
    assert only_run(tmp_path).best_step == model.best_iteration
    assert only_run(tmp_path).run.configuration.parameters["seed"] == 5
    train(LegmCallback(tmp_path, "e"))
    first, second = runs_of(tmp_path)
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint


def test_a_copy_of_an_estimator_is_recorded_too(tmp_path):
    (x, y), _ = halves()
    model = xgb.XGBClassifier(n_estimators=2, n_jobs=1, callbacks=[LegmCallback(tmp_path, "e")])
    model.fit(x, y)
    clone(model).set_params(max_depth=1).fit(x, y)
    assert [one.status for one in runs_of(tmp_path)] == [Status.COMPLETED] * 2


def test_folds_have_their_mean_and_deviation(tmp_path):
    data, _ = matrices()
    callback = LegmCallback(tmp_path, "e")
    table = xgb.cv(
        PARAMETERS, data, 30, nfold=3, early_stopping_rounds=3, callbacks=[callback], as_pandas=False
    )
    found = only_run(tmp_path)
    kept = len(table["test-auc-mean"])
    for name, values in table.items():
        assert points(found, name)[:kept] == list(enumerate(values))
    assert found.best_step == kept - 1
    assert found.run.configuration.parameters["nfold"] == 3


def test_a_training_that_continues_another_model_counts_its_rounds(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    booster, _ = train(callback, rounds=5, early_stopping_rounds=None)
    _, history = train(callback, rounds=4, early_stopping_rounds=None, xgb_model=booster)
    _, second = runs_of(tmp_path)
    assert points(second, "valid-auc") == list(enumerate(history["valid"]["auc"], start=5))


def test_metrics_of_the_test_may_follow_and_a_started_handler_stays_open(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    train(callback, rounds=2)
    callback.handler.set_metric("auc", 0.75, test=True)
    callback.handler.log()
    assert only_run(tmp_path).test
    with ExperimentHandler(tmp_path, "own").start() as handler:
        train(LegmCallback(handler), rounds=2)
        handler.set_metric("after", 1.0)
    assert points(only_run(tmp_path, "own"), "after") == [(0, 1.0)]
    assert len(points(only_run(tmp_path, "own"), "valid-auc")) == 2


def test_an_exception_in_a_training_makes_the_run_failed(tmp_path):
    def broken(predictions: np.ndarray, _: xgb.DMatrix):
        raise ValueError("no gradient")

    with pytest.raises(ValueError, match="no gradient"), LegmCallback(tmp_path, "e") as callback:
        train(callback, obj=broken)
    assert only_run(tmp_path).error == "ValueError: no gradient"
