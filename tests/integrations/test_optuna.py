"""Studies of Optuna, compared with their own trials and intermediate values."""

from __future__ import annotations

import warnings

import pytest

from legm import ExperimentHandler, ParameterError
from legm.integrations.optuna import LegmCallback, legm_trial
from legm.records import Status
from tests.support.calling import as_json
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points

optuna = pytest.importorskip("optuna")

from tests.support.optuna_studies import (  # noqa: E402
    STATUS,
    assert_equal_parameters,
    assert_recorded,
    by_trial,
    created,
    losses,
    recorded,
    reporting,
)


def test_the_callback_records_each_trial_with_all_that_the_study_knows(tmp_path):
    study = created()
    study.optimize(reporting, 12, callbacks=[LegmCallback(tmp_path, "e")], catch=[ArithmeticError])
    assert {one.state.name for one in study.trials} == {*STATUS}
    found = by_trial(runs_of(tmp_path))
    for trial in study.trials:
        one = found.pop(trial.number)
        assert_equal_parameters(one, trial)
        assert one.status is STATUS[trial.state.name]
        assert points(one, "intermediate_value") == sorted(trial.intermediate_values.items())
        values = [value for _, value in points(one, "value")]
        assert values == (trial.values if trial.state.name == "COMPLETE" else [])
    assert not found
    best = as_json("best", tmp_path / "e")[0]
    assert best["value"]["mean"] == study.best_value
    assert {name: best["parameters"][name] for name in study.best_params} == study.best_params


@pytest.mark.parametrize(("direction", "scale"), [("minimize", 1.0), ("maximize", -1.0)])
def test_a_block_in_the_objective_records_the_trial_while_it_runs(tmp_path, direction, scale):
    study = created(direction)
    objective = recorded(tmp_path, "score", scale)
    study.optimize(objective, 10, callbacks=[LegmCallback(tmp_path, "e")], catch=[ArithmeticError])
    assert {one.state.name for one in study.trials} == {*STATUS}
    found = by_trial(runs_of(tmp_path))
    assert_recorded(found, study, "score")
    assert found[3].error == "ArithmeticError: diverged"
    pruned = [one for one in found.values() if one.status is Status.PRUNED]
    assert [one.error for one in pruned] == [f"after epoch {one.last_step}" for one in pruned]
    best = as_json("best", tmp_path / "e", "score")[0]
    assert best["value"]["mean"] == study.best_value
    assert best["choice"]["higher_better"] is (direction == "maximize")


def test_several_seeds_of_a_trial_are_runs_of_one_configuration(tmp_path):
    def objective(trial: optuna.Trial) -> float:
        rate, lowest = trial.suggest_float("lr", 0.01, 1.0), []
        for seed in range(3):
            with legm_trial(trial, tmp_path, "e", metric="loss", params={"seed": seed}) as handler:
                for epoch, loss in enumerate(losses(rate)):
                    handler.set_metric("loss", loss + seed / 8, step=epoch)
                lowest.append(min(losses(rate)) + seed / 8)
        return sum(lowest) / 3

    study = created()
    study.optimize(objective, 3)
    ranking = as_json("best", tmp_path / "e")
    assert [one["completed"] for one in ranking] == [3, 3, 3]
    in_order = sorted(study.trials, key=lambda trial: trial.value)
    assert [one["parameters"]["lr"] for one in ranking] == [trial.params["lr"] for trial in in_order]
    assert [one["value"]["mean"] for one in ranking] == pytest.approx([trial.value for trial in in_order])
    assert len(study.best_trial.user_attrs["legm run ids"]) == 3
    seeds = sorted(one.run.parameters["seed"] for one in runs_of(tmp_path))
    assert seeds == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_equal_trials_are_runs_of_one_configuration(tmp_path):
    study = created()
    for _ in range(2):
        study.enqueue_trial({"lr": 0.5, "optimizer": "adam"})
    study.optimize(recorded(tmp_path), 2)
    assert [one["completed"] for one in as_json("best", tmp_path / "e")] == [2]


def test_what_is_suggested_counts_whatever_its_name(tmp_path):
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_int("num_workers", 1, 4)
        trial.suggest_categorical("log", ["a", "b"])
        trial.suggest_categorical("decay", [None, False, 0.1])
        with legm_trial(trial, tmp_path, "e", params={"device": "cpu"}) as handler:
            return handler.set_metric("loss", 1.0)

    study = created()
    for decay in (None, False):
        study.enqueue_trial({"num_workers": 2, "log": "a", "decay": decay})
    study.optimize(objective, 2)
    first, second = (one.run.configuration for one in runs_of(tmp_path))
    assert first.active == ("decay", "log_", "num_workers")
    assert (first.parameters["decay"], second.parameters["decay"]) == ("None", "False")
    assert first.fingerprint != second.fingerprint


def test_what_is_suggested_after_the_run_began_fails_the_run(tmp_path, caplog):
    def objective(trial: optuna.Trial) -> float:
        with legm_trial(trial, tmp_path, "e") as handler:
            return handler.set_metric("loss", trial.suggest_float("late", 0.0, 1.0))

    study = created()
    study.optimize(objective, 1)
    assert study.best_value == points(only_run(tmp_path), "loss")[0][1]
    assert only_run(tmp_path).status is Status.FAILED
    assert "suggested after the run began, which has no such parameter: late" in caplog.text


def test_the_best_trial_may_be_repeated_with_its_own_objective(tmp_path):
    study, objective = created(), recorded(tmp_path)
    study.optimize(objective, 2)
    assert objective(study.best_trial) == study.best_value
    assert as_json("best", tmp_path / "e")[0]["completed"] == 2


def test_an_error_that_ends_the_study_leaves_a_failed_run(tmp_path):
    study = created()
    with pytest.raises(ArithmeticError):
        study.optimize(recorded(tmp_path), 12, callbacks=[LegmCallback(tmp_path, "e")])
    assert [one.status for one in runs_of(tmp_path)].count(Status.FAILED) == 1


def test_a_study_with_several_objectives_has_a_metric_for_each(tmp_path):
    study = optuna.create_study(directions=["minimize", "maximize"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(["loss", "accuracy"])
    callback = LegmCallback(tmp_path, "e")
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 0.5), 1, callbacks=[callback])
    found = only_run(tmp_path)
    assert points(found, "loss") == [(0, study.trials[0].values[0])]
    assert points(found, "accuracy") == [(0, 0.5)]

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        with legm_trial(trial, tmp_path, "e", metric="loss"):
            return 1.0, 0.5

    with pytest.raises(ParameterError, match="the study has 2 objectives"):
        study.optimize(objective, 1)


def test_trouble_of_legms_own_ends_no_study(tmp_path, caplog):
    (tmp_path / "root").write_text("a file")
    study = created()
    study.optimize(reporting, 2, callbacks=[LegmCallback(tmp_path / "root", "e")])
    assert len(study.trials) == 2
    assert "trial 1 of Optuna is not recorded" in caplog.text
    with pytest.raises(ParameterError, match="each trial gets a handler of its own"):
        LegmCallback(ExperimentHandler(tmp_path, "e"))


def test_threads_of_one_study_do_not_mix_their_runs(tmp_path):
    study = created()
    study.optimize(recorded(tmp_path), 8, n_jobs=2, catch=[ArithmeticError])
    found = by_trial(runs_of(tmp_path))
    for trial in study.trials:
        assert points(found[trial.number], "loss") == sorted(trial.intermediate_values.items())
