"""Scripts of wandb and mlflow that were killed continue the same run, where LEGM_RESUME says so."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from legm.compat.run_snapshot import RunSnapshot
from legm.core.run_environment import run_stretches
from legm.records import RunResult, Status
from tests.support import calling
from tests.support.compat_play import play, snapshots
from tests.support.local_runs import values_by_step
from tests.support.reading import runs_of
from tests.support.resumed_scripts import MLFLOW_TRAINING, WANDB_TRAINING

TRAININGS = {"wandb": WANDB_TRAINING, "mlflow": MLFLOW_TRAINING}
AUTO = {"LEGM_RESUME": "auto"}


def train(folder: Path, tracker: str, *arguments: str, killed_at: int = -1, **variables: str) -> str:
    """A training that continues from its checkpoint, killed at a step; returns what it printed on stderr."""
    (folder / "kill").write_text(str(killed_at))
    done = play(folder, TRAININGS[tracker], *(arguments or ("0.1", "3")), **variables)
    assert done.returncode == (0 if killed_at < 0 else -signal.SIGKILL), done.stderr
    return done.stderr


def only(folder: Path) -> RunResult:
    (found,) = runs_of(folder / "root", "p")
    return found


def only_snapshot(folder: Path) -> RunSnapshot:
    (found,) = snapshots(folder, "p")
    return found


@pytest.mark.parametrize("tracker", TRAININGS)
def test_a_script_that_was_killed_twice_continues_its_run(tmp_path, tracker):
    train(tmp_path, tracker, killed_at=2, **AUTO)
    key = only_snapshot(tmp_path).key
    train(tmp_path, tracker, killed_at=5, **AUTO)
    assert only(tmp_path).status is Status.INTERRUPTED
    train(tmp_path, tracker, **AUTO)
    found = only(tmp_path)
    assert found.status is Status.COMPLETED
    assert only_snapshot(tmp_path).key == key
    assert len(run_stretches(found.run)) == 3
    (tmp_path / "undisturbed").mkdir()
    train(tmp_path / "undisturbed", tracker)
    assert values_by_step(found, "loss") == values_by_step(only(tmp_path / "undisturbed"), "loss")
    assert np.array_equal([*values_by_step(found, "loss")], range(8))


def test_what_is_completed_is_not_resumed_and_without_the_variable_nothing_is(tmp_path):
    train(tmp_path, "wandb", killed_at=2)
    train(tmp_path, "wandb")
    assert len(runs_of(tmp_path / "root", "p")) == 2
    (tmp_path / "checkpoint.json").unlink()
    train(tmp_path, "wandb", **AUTO)  # the one that was killed
    (tmp_path / "checkpoint.json").unlink()
    train(tmp_path, "wandb", **AUTO)
    found = runs_of(tmp_path / "root", "p")
    assert [run.status for run in found] == [Status.COMPLETED] * 3


@pytest.mark.parametrize(
    ("tracker", "difference"),
    [("wandb", ("0.2", "3")), ("wandb", ("0.1", "4")), ("mlflow", ("0.1", "3", "--more"))],
    ids=["parameter", "seed", "argument"],
)
def test_another_command_begins_another_run(tmp_path, tracker, difference):
    train(tmp_path, tracker, killed_at=2, **AUTO)
    train(tmp_path, tracker, *difference, **AUTO)
    found = runs_of(tmp_path / "root", "p")
    assert sorted(run.status.value for run in found) == ["completed", "interrupted"]


def test_a_run_with_another_config_is_not_resumed_although_the_command_is_the_same(tmp_path):
    train(tmp_path, "wandb", killed_at=2, **AUTO)
    (tmp_path / "seed").write_text("7")
    printed = train(tmp_path, "wandb", **AUTO)
    assert "is not resumed: seed was 3 and is 7" in printed
    assert len(runs_of(tmp_path / "root", "p")) == 2


@pytest.mark.parametrize("tracker", TRAININGS)
def test_a_resumed_run_keeps_its_parameters_and_the_script_is_not_stopped(tmp_path, tracker):
    """What is set late, as mlflow's params are, cannot be compared before the run is chosen."""
    train(tmp_path, tracker, killed_at=2, LATE="1", **AUTO)
    printed = train(tmp_path, tracker, LATE="2", **AUTO)
    assert "the run is resumed: its 'late' stays" in printed
    found = only(tmp_path)
    assert found.status is Status.COMPLETED
    assert int(found.run.configuration.parameters["late"]) == 1


@pytest.mark.parametrize(
    ("tracker", "own"),
    [
        ("wandb", {"WANDB_RUN_ID": "mine"}),
        ("wandb", {"WANDB_RESUME": "never"}),
        ("wandb", {"OWN": "mine"}),
        ("mlflow", {"OWN": "1"}),
    ],
)
def test_the_trackers_own_means_decide(tmp_path, tracker, own):
    train(tmp_path, tracker, killed_at=2, **AUTO)
    key = only_snapshot(tmp_path).key
    train(tmp_path, tracker, **AUTO, **own)
    found = snapshots(tmp_path, "p")
    assert len(found) == 2
    assert key == found[0].key
    assert found[0].status is Status.INTERRUPTED


def test_wandbs_resume_without_an_id_leaves_it_open_which_run_it_is(tmp_path):
    train(tmp_path, "wandb", killed_at=2, WANDB_RESUME="allow", **AUTO)
    train(tmp_path, "wandb", WANDB_RESUME="allow", **AUTO)
    assert only(tmp_path).status is Status.COMPLETED


def test_mlflows_own_variable_decides(tmp_path):
    train(tmp_path, "mlflow", killed_at=2)
    key = only_snapshot(tmp_path).key
    (tmp_path / "checkpoint.json").unlink()
    train(tmp_path, "mlflow", killed_at=2, **AUTO, LEGM_IGNORE="x")  # resumes it by its command
    train(tmp_path, "mlflow", "0.1", "3", MLFLOW_RUN_ID=key, LEGM_RESUME="0" * 32)
    found = only_snapshot(tmp_path)
    assert (found.key, found.status) == (key, Status.COMPLETED)


@pytest.mark.parametrize(("tracker", "name"), [("wandb", "run"), ("wandb", "key"), ("mlflow", "run")])
def test_a_run_is_named_by_its_id_here_or_in_the_tracker(tmp_path, tracker, name):
    train(tmp_path, tracker, killed_at=2)
    run_id = only(tmp_path).run.run_id if name == "run" else only_snapshot(tmp_path).key
    train(tmp_path, tracker, "0.1", "3", "--more", LEGM_RESUME=run_id)  # whatever the command
    assert only(tmp_path).status is Status.COMPLETED


def test_an_unknown_run_is_said_and_a_new_one_begins(tmp_path):
    assert "there is no run 'abcdef'" in train(tmp_path, "wandb", LEGM_RESUME="abcdef")
    assert only(tmp_path).status is Status.COMPLETED


SEVERAL = """
import os, signal, sys, time, wandb
for number in range(2):
    with wandb.init(project="p", config={"lr": 0.1}) as run:
        run.log({"loss": float(number)})
        if number == 1 and sys.argv[1:] == [] and not os.path.exists("killed"):
            open("killed", "w").close()
            time.sleep(1)  # what was logged is on the disk within a second
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_only_the_first_run_of_a_process_is_resumed(tmp_path):
    """Which of several runs a script begins again, nothing says before its numbers come."""
    assert play(tmp_path, SEVERAL, **AUTO).returncode == -signal.SIGKILL
    assert play(tmp_path, SEVERAL, **AUTO).returncode == 0
    found = runs_of(tmp_path / "root", "p")
    assert sorted(run.status.value for run in found) == ["completed"] * 3 + ["interrupted"]
    assert [len(one.values) for run in found for one in run.histories.values()] == [1] * 4


TOGETHER = """
import os, time, wandb
run = wandb.init(project="p", config={"lr": 0.1})
run.log({"loss": 1.0})
open(f"begun-{os.getpid()}", "w").close()
while len([one for one in os.listdir() if one.startswith("begun-")]) < int(os.environ["N"]):
    time.sleep(0.02)
if os.environ["N"] == "1":
    time.sleep(0.7)  # the run begins half a second after its first number
    os._exit(9)
run.finish()
"""


def test_two_processes_that_resume_at_once_get_two_runs(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    assert play(tmp_path, TOGETHER, N="1", **AUTO).returncode == 9
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: play(tmp_path, TOGETHER, N="3", **AUTO).returncode, range(2)))
    assert done == [0, 0]
    found = runs_of(tmp_path / "root", "p")
    assert [run.status for run in found] == [Status.COMPLETED] * 2


@pytest.mark.parametrize("tracker", TRAININGS)
def test_legm_resume_runs_the_script_with_the_stand_ins_again(tmp_path, tracker, monkeypatch):
    train(tmp_path, tracker, killed_at=2)
    (tmp_path / "kill").write_text("-1")
    monkeypatch.chdir(tmp_path)
    run_id = only(tmp_path).run.run_id
    refused = calling.call("resume", f"root/{run_id}", "--", "true")
    assert refused.exit_code == 1
    assert "ended without resuming the run" in refused.output
    done = calling.call("resume", f"root/{run_id}", "--", "python", "script.py", "0.1", "3")
    assert done.exit_code == 0, done.output
    assert only(tmp_path).status is Status.COMPLETED
