"""Processes that a script with stand-ins starts, and folders that it changes to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.compat_play import play, played
from tests.support.compat_stores import environment, in_legm
from tests.support.mlflow_store import prepare_store
from tests.support.prepared import TRACKERS, prepared_processes

SPAWNED = """
import multiprocessing

import wandb

def train(seed):
    with wandb.init(project="p", config={"seed": seed}) as run:
        run.log({"loss": seed})

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=train, args=(1,))
    child.start()
    child.join()
    train(2)
"""


@pytest.mark.parametrize("python", [None, sys.executable], ids=["absent", "installed"])
def test_a_spawned_process_has_the_stand_ins_whether_or_not_the_library_is_installed(tmp_path, python):
    played(tmp_path, SPAWNED, python)
    assert [run.points for run in in_legm(tmp_path / "root", "p")] == [
        {"loss": [(0, 1.0)]},
        {"loss": [(0, 2.0)]},
    ]
    assert not (tmp_path / "wandb").exists()


CHANGING = """
import os, subprocess, sys

import wandb

for job in ("a", "b"):
    os.makedirs(job)
    os.chdir(job)
    with wandb.init(project="p", config={"job": job}) as run:
        run.log({"loss": 1})
inner = "import wandb; wandb.init(project='p', config={'job': 'child'}).log({'loss': 2})"
subprocess.run([sys.executable, "-c", inner], check=True)
"""


def test_jobs_that_change_the_folder_record_into_the_root_directory_of_the_begin(tmp_path):
    played(tmp_path, CHANGING)
    jobs = [run.parameters["job"] for run in in_legm(tmp_path / "root", "p")]
    assert jobs == ["a", "b", "child"]
    assert not (tmp_path / "a" / "root").exists()


JOINING = """
import subprocess, sys, mlflow
mlflow.set_experiment("e")
subprocess.run([sys.executable, "-c", "import mlflow; mlflow.log_metric('a', 1)"], check=True)
"""


def test_a_child_logs_to_the_experiment_that_its_parent_has_set(tmp_path):
    played(tmp_path, JOINING)
    assert [run.points for run in in_legm(tmp_path / "root", "e")] == [{"a": [(0, 1.0)]}]


# What a process hands on, and what it inherits: each line names the experiment of its run, or the error.

HANDING_ON = """
import json, os, sys, mlflow
from mlflow.exceptions import MlflowException
experiment_id = None
try:
    for name in sys.argv[1:]:
        mlflow.set_experiment(name)
    mlflow.log_metric("a", 1)
    run = mlflow.active_run()
    experiment_id = run.info.experiment_id
    found = mlflow.get_experiment(experiment_id).name
    os.environ["MLFLOW_RUN_ID"] = run.info.run_id
    mlflow.end_run()
except MlflowException as error:
    found = error.error_code
handed_on = [os.environ.get(f"MLFLOW_{name}") for name in ("EXPERIMENT_ID", "EXPERIMENT_NAME", "RUN_ID")]
print(json.dumps([found, experiment_id, handed_on]))
"""


def with_mlflow(folder: Path, *chosen: str, **variables: str) -> str:
    store = f"sqlite:///{prepare_store(folder / 'mlflow.db')}"
    kept = environment(MLFLOW_TRACKING_URI=store, MLFLOW_DISABLE_TELEMETRY="true", **variables)
    arguments = ["-c", HANDING_ON, *chosen]
    return prepared_processes(TRACKERS).run(arguments, cwd=folder, env=kept, check=True).stdout


def with_stand_in(folder: Path, *chosen: str, **variables: str) -> str:
    done = play(folder, HANDING_ON, *chosen, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("say", [with_stand_in, with_mlflow])
def test_a_process_inherits_and_hands_on_the_experiment_as_with_mlflow(tmp_path, say: Callable[..., str]):
    def run(*chosen: str, **inherited: str) -> tuple[str, str, list[str | None]]:
        variables = {f"MLFLOW_EXPERIMENT_{name}": value for name, value in inherited.items()}
        return json.loads(say(tmp_path, *chosen, **variables))

    _, key, _ = chosen = run("e")
    found = [
        chosen,
        run(ID=key),
        run(ID=key, NAME="e"),
        run(ID=key, NAME="new"),
        run(ID=key, NAME="new"),  # which there is by now
        run(ID="123"),
        run("f", ID=key, NAME="e"),
    ]
    names = {experiment_id: f"id of {experiment}" for experiment, experiment_id, _ in found if experiment_id}
    assert [(one, [names.get(value, value) for value in handed_on]) for one, _, handed_on in found] == [
        ("e", ["id of e", None, None]),
        ("e", ["id of e", None, None]),
        ("e", ["id of e", "e", None]),
        ("new", ["id of e", "new", None]),
        ("INVALID_PARAMETER_VALUE", ["id of e", "new", None]),
        ("INVALID_PARAMETER_VALUE", ["123", None, None]),
        ("f", ["id of f", "e", None]),
    ]
