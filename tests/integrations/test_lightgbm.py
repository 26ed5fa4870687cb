"""Trainings with LightGBM, compared with its own record of evaluations."""

from __future__ import annotations

import gc

import lightgbm as lgb
import pytest

from legm.integrations.lightgbm import LegmCallback
from legm.records import Status
from tests.support.boosting_data import halves
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points, require_completed_training, require_same_rounds

PARAMETERS = {"objective": "binary", "eta": 0.12345678, "metric": ["auc", "binary_logloss"]}
PARAMETERS |= {"verbosity": -1, "num_threads": 1}


def train(callback, parameters=None, rounds: int = 40, stopping: int = 3, more=()):
    (x, y), (valid_x, valid_y) = halves()
    data = lgb.Dataset(x, y)
    history: dict = {}
    callbacks = [callback, lgb.record_evaluation(history), *more]
    if stopping:
        callbacks.append(lgb.early_stopping(stopping, verbose=False))
    sets = [data, lgb.Dataset(valid_x, valid_y, reference=data)]
    given = {**PARAMETERS, **(parameters or {})}
    booster = lgb.train(
        given, data, rounds, valid_sets=sets, valid_names=["train", "valid"], callbacks=callbacks
    )
    return booster, history


def test_every_round_of_every_evaluation_set_is_recorded(tmp_path):
    booster, history = train(LegmCallback(tmp_path, "e", backend=["local", "mlflow"]))
    assert 3 < len(history["valid"]["auc"]) < 40
    for backend in ("local", "mlflow"):
        require_completed_training(only_run(tmp_path, backend=backend), history, booster.best_iteration - 1)


def test_the_parameters_are_those_that_differ_from_the_defaults(tmp_path):
    train(LegmCallback(tmp_path, "e"))
    configuration = only_run(tmp_path).run.configuration
    active = {name: configuration.parameters[name] for name in configuration.active}
    assert active == {
        "objective": "binary",
        "learning_rate": 0.12345678,  # of which LightGBM's own text has six digits
        "num_iterations": 40,
        "early_stopping_round": 3,
    }
    assert configuration.parameters["num_leaves"] == 31


def test_recording_changes_no_training(tmp_path):
    given = {"bagging_fraction": 0.5, "bagging_freq": 1, "seed": 1}
    _, alone = train(lambda env: None, given, rounds=5, stopping=0)
    _, recorded = train(LegmCallback(tmp_path, "e"), given, rounds=5, stopping=0)
    assert recorded == alone
    _, other = train(LegmCallback(tmp_path, "e"), {**given, "seed": 7}, rounds=5, stopping=0)
    assert recorded != other


def test_a_default_that_is_given_changes_nothing_and_another_value_does(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    found = []
    for more in ({}, {"num_leaves": 31, "reg_lambda": 0.0}, {"num_leaves": 8}, {"eta": 0.123456781}):
        train(callback, more, rounds=2, stopping=0)
        found.append(callback.handler.fingerprint)
    assert found[0] == found[1]
    assert len({*found}) == 3


def test_seeds_are_no_part_of_the_configuration(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    for seed in (1, 2):
        train(callback, {"seed": seed}, rounds=2, stopping=0)
    first, second = runs_of(tmp_path)
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint
    assert [one.run.parameters["seed"] for one in (first, second)] == [1, 2]


def test_the_scikit_learn_api_and_its_early_stopping(tmp_path):
    (x, y), (valid_x, valid_y) = halves()
    model = lgb.LGBMClassifier(
        n_estimators=40, learning_rate=0.12345678, random_state=5, verbosity=-1, n_jobs=1
    )
    callbacks = [lgb.early_stopping(3, verbose=False), LegmCallback(tmp_path, "e")]
    keywords = (
        {"eval_X": valid_x, "eval_y": valid_y}
        if hasattr(lgb.basic, "EvalResult")
        else {"eval_set": [(valid_x, valid_y)]}
    )
    model.fit(x, y, eval_metric="auc", callbacks=callbacks, **keywords)
    found = only_run(tmp_path)
    require_same_rounds(found, model.evals_result_)
    assert found.best_step == model.best_iteration_ - 1
    parameters = found.run.configuration.parameters
    assert (parameters["learning_rate"], parameters["num_iterations"]) == (0.12345678, 40)
    assert found.run.parameters["seed"] == 5


def test_folds_have_their_mean_and_deviation(tmp_path):
    (x, y), _ = halves()
    table = lgb.cv(PARAMETERS, lgb.Dataset(x, y), 4, nfold=3, callbacks=[LegmCallback(tmp_path, "e")])
    found = only_run(tmp_path)
    assert len(found.histories) == len(table) == 4
    for name, values in table.items():  # LightGBM calls it "valid auc-mean"
        assert points(found, name.replace(" ", "-", 1)) == list(enumerate(values))
    assert found.status is Status.COMPLETED


def test_a_training_without_evaluation_sets_is_a_run(tmp_path):
    (x, y), _ = halves()
    lgb.train(PARAMETERS, lgb.Dataset(x, y), 3, callbacks=[LegmCallback(tmp_path, "e")])
    assert only_run(tmp_path).status is Status.COMPLETED


def test_an_exception_that_is_caught_makes_the_run_failed(tmp_path):
    def broken(env):
        if env.iteration == 1:
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        train(LegmCallback(tmp_path, "e"), more=[broken])
    gc.collect()
    found = only_run(tmp_path)
    assert (found.status, found.error) == (Status.FAILED, "the training ended after 2 of 40 rounds")


def test_the_level_of_lightgbms_messages_stays(tmp_path, capfd):
    train(LegmCallback(tmp_path, "e"), {"verbosity": -1}, rounds=2, stopping=0)
    assert capfd.readouterr().out == ""
    (x, y), _ = halves()
    printed = []
    for callbacks in ([], [LegmCallback(tmp_path, "e")]):
        for _ in range(2):
            lgb.train({**PARAMETERS, "verbosity": 1}, lgb.Dataset(x, y), 1, callbacks=callbacks)
        printed.append(capfd.readouterr().out.count("[Info] Start training"))
    assert printed[0] == printed[1] > 0
