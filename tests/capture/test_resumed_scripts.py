"""Captured scripts that were killed continue the same run, where LEGM_RESUME says so."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from legm.records import Status
from tests.support import calling
from tests.support.captured import QUIET, begin, play, prepare_kept_store, results
from tests.support.local_runs import values_by_step
from tests.support.resumed_scripts import MLFLOW_TRAINING, WANDB_TRAINING
from tests.support.waiting import until

TRAININGS = {"wandb": WANDB_TRAINING, "mlflow": MLFLOW_TRAINING}
AUTO = {"LEGM_RESUME": "auto"}
CODE = "import sys\nsys.argv[1:] = ['0.1', '3']\n"


def train(folder: Path, tracker: str, killed_at: int = -1, **variables: str) -> str:
    """A captured training that continues from its checkpoint, killed at a step; what legm said."""
    (folder / "kill").write_text(str(killed_at))
    if tracker == "mlflow":
        prepare_kept_store(folder)
    status, _, printed = play(folder, CODE + TRAININGS[tracker], **variables)
    assert status == (0 if killed_at < 0 else 128 + signal.SIGKILL), printed
    assert "different:" not in printed
    return printed


@pytest.mark.parametrize("tracker", TRAININGS)
def test_a_script_that_was_killed_twice_continues_its_run(tmp_path, tracker):
    train(tmp_path, tracker, killed_at=2, **AUTO)
    train(tmp_path, tracker, killed_at=5, LATE="1", **AUTO)
    (interrupted,) = results(tmp_path, "p")
    assert interrupted.status is Status.INTERRUPTED
    printed = train(tmp_path, tracker, LATE="2", **AUTO)
    assert "its 'late' stays" in printed
    (found,) = results(tmp_path, "p")
    assert found.status is Status.COMPLETED
    assert found.run.run_id == interrupted.run.run_id
    assert values_by_step(found, "loss") == {at: 1 / (1 + 0.1 * at) for at in range(8)}
    if tracker == "wandb":
        (tmp_path / "checkpoint.json").unlink()
        train(tmp_path, tracker, **AUTO)  # nothing is left to resume
        assert [run.status for run in results(tmp_path, "p")] == [Status.COMPLETED] * 2


def test_a_run_with_another_config_is_not_resumed_although_the_command_is_the_same(tmp_path):
    train(tmp_path, "wandb", killed_at=2, **AUTO)
    (tmp_path / "seed").write_text("7")
    assert "is not resumed: seed was 3 and is 7" in train(tmp_path, "wandb", **AUTO)
    assert len(results(tmp_path, "p")) == 2


def test_the_trackers_own_means_decide(tmp_path):
    train(tmp_path, "wandb", killed_at=2, **AUTO)
    train(tmp_path, "wandb", **AUTO, OWN="mine")
    assert len(results(tmp_path, "p")) == 2


def test_mlflows_own_variable_names_a_run_of_an_earlier_capture(tmp_path):
    train(tmp_path, "mlflow", killed_at=2)
    (known,) = results(tmp_path, "p")
    key = known.run.environment["imported"]["key"]
    train(tmp_path, "mlflow", MLFLOW_RUN_ID=key, LEGM_RESUME="abcdef")
    (found,) = results(tmp_path, "p")
    assert (found.run.run_id, found.status) == (known.run.run_id, Status.COMPLETED)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the processes of a script are seen on Linux")
def test_a_capture_that_was_killed_with_its_script_is_finished_first(tmp_path):
    """As by the end of a job: nobody was left to store the run."""
    (tmp_path / "kill").write_text("-1")
    waiting = WANDB_TRAINING.replace(
        "run.finish()", "open('trained', 'w').close(); time.sleep(600)  # until it is killed"
    )
    process = begin(tmp_path, CODE + waiting, **AUTO)
    try:
        until(lambda: (tmp_path / "trained").exists() and len(results(tmp_path, "p")) == 1)
    finally:
        process.kill()
        for one in _captured_processes(tmp_path):
            os.kill(one, signal.SIGKILL)
        process.communicate()
    until(lambda: not _captured_processes(tmp_path))
    done = begin(tmp_path, CODE + WANDB_TRAINING, **AUTO)
    _, printed = done.communicate()
    assert done.returncode == 0, printed
    (found,) = results(tmp_path, "p")
    assert found.status is Status.COMPLETED


def _captured_processes(folder: Path) -> list[int]:
    """The processes of the script that is captured in a folder."""
    mark, found = f"LEGM_CAPTURE={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


def test_legm_resume_captures_the_script_again(tmp_path, monkeypatch):
    train(tmp_path, "wandb", killed_at=2)
    (tmp_path / "kill").write_text("-1")
    (known,) = results(tmp_path, "p")
    monkeypatch.chdir(tmp_path)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    done = calling.call("resume", f"root/{known.run.run_id}", "--", sys.executable, "script.py")
    assert done.exit_code == 0, done.output
    (found,) = results(tmp_path, "p")
    assert (found.run.run_id, found.status) == (known.run.run_id, Status.COMPLETED)
