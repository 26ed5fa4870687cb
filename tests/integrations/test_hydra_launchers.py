"""Hydra's launchers, several processes into one root directory or one MLflow store, and what goes wrong."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import cloudpickle
import pytest

from legm import StateError
from legm.integrations.hydra import LegmCallback
from legm.records import Status
from tests.support.calling import as_json
from tests.support.hydra_jobs import (
    CONFIGURATION,
    TRAINING,
    assert_as_hydra_says,
    by_job,
    launch,
    write_training,
)
from tests.support.mlflow_store import prepare_store
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points

RETURNED = TRAINING.replace("    handler = job_handler()\n", "").replace(
    'handler.set_metric("loss", cfg.lr * cfg.model.depth / (step + 1), step=step)', "cfg.lr * (step + 1)"
)
NAMED = CONFIGURATION.replace("backend: local", "metric_names: loss")
PRUNED = TRAINING.replace("    return history[-1]\n", '    handler.end("pruned", "too slow")\n')
IN_MLFLOW = CONFIGURATION.replace("backend: local", "backend: mlflow")
WRONG = {
    "class": (CONFIGURATION.replace("legm.integ", "legm.noteg"), "legm.notegrations"),
    "option": (CONFIGURATION.replace("backend: local", "backends: local"), "there is no option 'backends'"),
    "backend": (CONFIGURATION.replace("backend: local", "backend: nowhere"), "nowhere"),
    "file": (CONFIGURATION, "there is no run of this job: "),
}
LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local"],
}


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("hydra")
    scripts = {
        write_training(top / "returned", CONFIGURATION, RETURNED): ["lr=2"],
        write_training(top / "named", NAMED, RETURNED): ["lr=2"],
        write_training(top / "one"): ["lr=0.5"],
        write_training(top / "pruned", CONFIGURATION, PRUNED): [],
    }
    wrong = {write_training(top / name, configuration): [] for name, (configuration, _) in WRONG.items()}
    (top / "file" / "results").write_text("a file")
    assert sorted(launch({**scripts, **wrong})) == [0] * 4 + [1] * 4
    return top


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_processes_of_a_launcher_record_into_one_root(tmp_path, launcher):
    script = write_training(tmp_path / "many")
    given = ["-m", "hydra.job.chdir=true", "lr=0.1,0.2,9.0", "seed=1,2", *LAUNCHERS[launcher]]
    assert launch({script: given}) == [1]
    root = script.parent / "results"
    found = by_job(runs_of(root, "digits"))
    assert sorted(found) == [*range(6)]
    for one in found.values():
        if one.run.configuration.parameters["lr"] > 5:
            assert (one.status, one.error) == (Status.FAILED, "ArithmeticError: diverged")
        else:
            assert one.status is Status.COMPLETED
            assert "multirun" in assert_as_hydra_says(one)["cwd"]
    ranking = as_json("best", root / "digits", "loss")
    assert [(one["parameters"]["lr"], one["completed"]) for one in ranking] == [(0.1, 2), (0.2, 2)]
    assert [one["value"]["mean"] for one in ranking] == [0.1 * 2 / 3, 0.2 * 2 / 3]
    assert [*script.parent.rglob("results")] == [root]


def test_the_processes_of_a_launcher_record_into_one_store_of_mlflow(tmp_path):
    script = write_training(tmp_path / "many", IN_MLFLOW)
    root = prepare_store(script.parent / "results" / "mlflow.db").parent
    assert launch({script: ["-m", "lr=0.1,0.2", *LAUNCHERS["joblib"]]}) == [0]
    for one in by_job(runs_of(root, "digits", "mlflow")).values():
        assert one.status is Status.COMPLETED
        assert_as_hydra_says(one)
    ranking = as_json("best", root / "digits", "loss", "--backend", "mlflow")
    assert [one["value"]["mean"] for one in ranking] == [0.1 * 2 / 3, 0.2 * 2 / 3]


def test_a_single_job_has_no_number(launched):
    found = only_run(launched / "one" / "results", "digits")
    assert_as_hydra_says(found)
    assert (found.status, found.run.configuration.name) == (Status.COMPLETED, "0.5")
    assert "hydra_job" not in found.run.configuration.parameters
    assert {series.name for series in found.histories} == {"loss"}


def test_what_a_job_returns_is_recorded_where_it_set_no_metric_or_is_named(launched):
    found = only_run(launched / "returned" / "results", "digits")
    assert (points(found, "value"), found.status) == ([(0, 6.0)], Status.COMPLETED)
    assert points(only_run(launched / "named" / "results", "digits"), "loss") == [(0, 6.0)]


def test_a_job_may_end_its_run_itself(launched):
    found = only_run(launched / "pruned" / "results", "digits")
    assert (found.status, found.error) == (Status.PRUNED, "too slow")
    assert "ERROR" not in (launched / "pruned" / "said.txt").read_text()


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(launched, name):
    assert WRONG[name][1] in (launched / name / "said.txt").read_text()
    assert not (launched / name / "results").is_dir()


def test_a_callback_is_pickled_with_its_arguments_and_without_its_run(tmp_path):
    callback = LegmCallback(str(tmp_path / "root"), "e", params={"task": 1})
    with pytest.raises(StateError, match="there is no run of this job: it has not begun"):
        _ = callback.handler
    for dumps in (pickle.dumps, cloudpickle.dumps):
        copy = pickle.load(io.BytesIO(dumps(callback)))
        assert type(copy) is type(callback)
        assert not copy.unbegun_run().is_open
