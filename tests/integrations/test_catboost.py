"""Trainings with CatBoost, compared with its own results of evaluations."""

from __future__ import annotations

import subprocess
import sys

import pytest
from catboost import CatBoostClassifier, CatBoostError

from legm.integrations.catboost import LegmCallback
from legm.records import Status
from tests.support.boosting_data import halves
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points, require_completed_training

PARAMETERS = {"iterations": 40, "max_depth": 3, "eval_metric": "AUC", "custom_metric": ["Accuracy"]}
PARAMETERS |= {"verbose": False, "allow_writing_files": False, "thread_count": 1}


def train(callback: LegmCallback, more=(), **parameters) -> CatBoostClassifier:
    train_data, valid_data = halves()
    model = CatBoostClassifier(**{**PARAMETERS, **parameters})
    return model.fit(*train_data, eval_set=valid_data, early_stopping_rounds=4, callbacks=[callback, *more])


def test_every_iteration_of_every_set_is_recorded(tmp_path):
    model = train(LegmCallback(tmp_path, "e", backend=["local", "mlflow"]))
    history = model.get_evals_result()
    assert sum(len(series) for series in history.values()) == 5
    assert len(history["learn"]["Logloss"]) < 40
    for backend in ("local", "mlflow"):
        require_completed_training(only_run(tmp_path, backend=backend), history, model.get_best_iteration())


def test_metrics_that_are_computed_every_few_iterations_have_the_steps_of_these(tmp_path):
    train_data, valid_data = halves()
    model = CatBoostClassifier(**{**PARAMETERS, "iterations": 12, "eval_metric": "Logloss"}, metric_period=5)
    model.fit(*train_data, eval_set=valid_data, callbacks=[LegmCallback(tmp_path, "e")])
    history = model.get_evals_result()
    found = only_run(tmp_path)
    assert points(found, "learn-Accuracy") == [
        *zip((0, 5, 10, 11), history["learn"]["Accuracy"], strict=True)
    ]
    for data, series in history.items():
        for name, values in series.items():
            assert [value for _, value in points(found, f"{data}-{name}")] == values, (data, name)


def test_the_parameters_are_those_that_differ_from_the_defaults(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    train(callback, random_state=1)
    train(callback, random_state=2, l2_leaf_reg=3.0, rsm=1)
    train(callback, l2_leaf_reg=2.0)
    train(callback, iterations=1000)
    *same, other, usual = runs_of(tmp_path)
    configuration = same[0].run.configuration
    assert {name: configuration.parameters[name] for name in configuration.active} == {
        "iterations": 40,
        "depth": 3,
        "eval_metric": "AUC",
        "loss_function": "Logloss",
        "od_type": "Iter",
        "od_wait": 4,
    }
    assert len({one.run.configuration.fingerprint for one in same}) == 1
    assert [one.run.parameters["random_seed"] for one in same] == [1, 2]
    assert "l2_leaf_reg" in other.run.configuration.active
    assert "iterations" not in usual.run.configuration.active


def test_recording_changes_no_training(tmp_path):
    class Nothing:
        def after_iteration(self, info):
            return True

    alone = train(Nothing(), random_seed=1, bootstrap_type="Bernoulli").get_evals_result()
    assert (
        train(LegmCallback(tmp_path, "e"), random_seed=1, bootstrap_type="Bernoulli").get_evals_result()
        == alone
    )


class Broken:
    def after_iteration(self, info):
        raise ValueError("stop")


def test_a_training_after_one_that_failed_is_a_run_of_its_own(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    with pytest.raises(CatBoostError):
        train(callback, more=[Broken()])
    model = train(callback)
    first, second = runs_of(tmp_path)
    assert (first.status, first.error) == (Status.FAILED, "the training ended in iteration 1")
    assert second.status is Status.COMPLETED
    assert points(second, "learn-Logloss") == list(enumerate(model.get_evals_result()["learn"]["Logloss"]))


SCRIPT = """
import sys
from catboost import CatBoostError
from tests.integrations.test_catboost import Broken, LegmCallback, train
try:
    train(LegmCallback(sys.argv[1], "e"), more=[Broken()])
except CatBoostError:
    if sys.argv[2] == "raised":
        raise
"""


@pytest.mark.parametrize("how", ["raised", "caught"])
def test_a_failed_training_at_the_end_of_its_process_is_a_failed_run(tmp_path, how):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (how == "raised"), done.stderr
    found = only_run(tmp_path)
    assert found.status is Status.FAILED
    assert found.error
    assert "legm" not in done.stderr.lower().replace(str(tmp_path), "").replace("legmcallback", "")
