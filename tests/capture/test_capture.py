"""Scripts with the real wandb and mlflow, run by ``legm capture``: what they log is in legm, also live."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

import legm
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.capture.earlier_store import begin_with_earlier_runs, kept_store, unchanged_earlier_runs
from legm.capture.kept_store import keep_mlflow_store
from legm.delivery.client import connect_client
from legm.records import Display, RunResult, Series, Split, Status
from legm.runlog.file_names import CONSOLE_FILE, OWN_FOLDER
from legm.runlog.log_reader import read_log
from tests.support.captured import QUIET, begin, command, play, prepare_kept_store, results
from tests.support.compat_stores import environment
from tests.support.mlflow_store import count_native_runs, prepare_store
from tests.support.waiting import WAIT_FOR, until
from tests.support.wandb_media import MEDIA as WANDB_MEDIA
from tests.support.wandb_media import assert_media_of_wandb


def curve(result: RunResult, metric: str) -> list[tuple[int, float]]:
    history = result.histories[Series(metric)]
    return list(zip(history.steps.tolist(), history.values.tolist(), strict=True))


def shown(folder: Path) -> list[tuple[Status, list[str], list[tuple[int, float]]]]:
    """Status, parameters that count, and losses of each run that has numbers."""
    return [
        (one.status, sorted(one.run.configuration.active), curve(one, "loss"))
        for one in results(folder, "live")
        if one.histories
    ]


@pytest.fixture
def folder(tmp_path):
    """A folder whose root directory has MLflow's tables from an earlier capture, which had no runs."""
    prepare_kept_store(tmp_path)
    return tmp_path


# MLflow

SWEEP = """
import sys, mlflow
mlflow.set_experiment("digits")
for seed in range(2):
    with mlflow.start_run(run_name=f"seed {seed}"):
        mlflow.log_params({"lr": 0.1, "seed": seed, "device": "cuda:0"})
        for step in range(3):
            mlflow.log_metric("loss", 1 / (1 + step + seed), step=step)
        mlflow.log_metric("test/accuracy", 0.5 + seed / 10)
        mlflow.log_text("hello", "notes/a.txt")
print("of the script")
mlflow.set_experiment("left")
mlflow.start_run()
mlflow.log_metric("loss", 2.5)
sys.exit(3)
"""


def test_a_sweep_is_there_as_runs_of_one_configuration_and_the_exit_status_is_the_scripts(folder):
    status, out, err = play(folder, SWEEP)
    assert (status, out) == (3, "of the script\n")
    first, second = results(folder, "digits")
    assert first.run.configuration == second.run.configuration
    assert set(first.run.configuration.active) == {"lr"}
    assert [one.run.parameters["seed"] for one in (first, second)] == [0, 1]
    assert [one.status for one in (first, second)] == [Status.COMPLETED] * 2
    assert curve(second, "loss") == [(0, 1 / 2), (1, 1 / 3), (2, 1 / 4)]
    assert second.test == {Series("accuracy", Split.TEST): 0.6}
    kept = list((folder / "root").glob("digits/*/artifacts/*/notes/a.txt"))
    assert [path.read_text(encoding="utf-8") for path in kept] == ["hello"] * 2
    (left,) = results(folder, "left")
    assert (left.status, curve(left, "loss")) == (Status.FAILED, [(0, 2.5)])
    assert "captured 3 runs of mlflow as 2 configurations in root" in err
    assert "digits: seed is not compared" in err
    # Before the first run MLflow may print something, which is a file of it.
    assert re.search("equal: 9 numbers, [345] files, 3 runs", err)
    console = next((folder / "root").glob(f"digits/*/artifacts/{second.run.run_id}/{CONSOLE_FILE}"))
    assert "of the script" in console.read_text(encoding="utf-8")
    assert not list((folder / "root" / ".legm" / "capture").iterdir())
    assert sorted(path.name for path in folder.iterdir()) == ["root", "script.py"]


LIVE = """
import os, time, mlflow
mlflow.set_experiment("live")
with mlflow.start_run():
    mlflow.log_param("lr", 0.1)
    mlflow.log_metric("loss", 1.0, step=0)
    mlflow.log_metric("loss", 0.5, step=1)
    while not os.path.exists("late"):
        time.sleep(0.05)
    mlflow.log_param("layers", 3)
    mlflow.log_metric("loss", 0.25, step=2)
    while not os.path.exists("go"):
        time.sleep(0.05)
"""


def test_a_run_is_shown_while_it_is_running_and_moves_when_parameters_are_added_later(folder):
    process = begin(folder, LIVE)

    until(lambda: shown(folder) == [(Status.RUNNING, ["lr"], [(0, 1.0), (1, 0.5)])])
    (folder / "late").touch()
    points = [(0, 1.0), (1, 0.5), (2, 0.25)]
    until(lambda: shown(folder) == [(Status.RUNNING, ["layers", "lr"], points)])
    (folder / "go").touch()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert shown(folder) == [(Status.COMPLETED, ["layers", "lr"], points)], err


ENDS = """
import os, signal, sys, mlflow
def run(experiment):
    mlflow.set_experiment(experiment)
    mlflow.start_run()
    mlflow.log_param("seed", 1)
    for step in range(100):
        mlflow.log_metric("loss", 1.0 / (1 + step), step=step)
run("ended")
mlflow.end_run("KILLED")
run("left")
"""


@pytest.mark.parametrize(
    ("end", "status", "left"),
    [
        ("raise KeyError('x')", 1, Status.FAILED),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, Status.INTERRUPTED),
    ],
)
def test_a_script_that_crashes_or_is_killed_leaves_its_runs_with_all_numbers(folder, end, status, left):
    code, _, err = play(folder, f"{ENDS}{end}\n")
    assert code == status, err
    (ended,), (last,) = results(folder, "ended"), results(folder, "left")
    assert ended.status is Status.INTERRUPTED
    assert last.status is left
    assert ended.points == last.points == 100
    assert curve(last, "loss") == [(step, 1.0 / (1 + step)) for step in range(100)]
    if status == 137:
        assert last.error == "the script was ended by SIGKILL"
    assert not list((folder / "root" / ".legm" / "capture").iterdir())


STILL_RUNNING = """
import os, time, mlflow
mlflow.set_experiment("orphan")
with mlflow.start_run():
    mlflow.log_params({"lr": 0.1, "fold": 3})
    mlflow.log_metric("loss", 1.0, step=0)
    print("began", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.05)
    mlflow.log_metric("loss", 0.5, step=1)
open("ended", "w").close()
"""


def test_a_capture_that_is_killed_is_finished_by_the_next_one_when_its_script_has_ended(folder):
    process = begin(folder, STILL_RUNNING, "--experiment", "mine", "--ignore", "fold")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "began\n"
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()

    def capture_nothing() -> str:
        done = subprocess.run(
            [*command(), "--", sys.executable, "-c", "pass"],
            cwd=folder,
            env=environment(**QUIET),
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return done.stderr

    assert "nothing was captured" in capture_nothing()
    # The script still writes there.
    assert len(list((folder / "root" / ".legm" / "capture").iterdir())) == 1
    (folder / "go").touch()
    until((folder / "ended").exists)
    until(lambda: "1 run that earlier captures" in capture_nothing())
    (found,) = results(folder, "mine")
    assert found.status is Status.COMPLETED
    assert set(found.run.configuration.active) == {"lr"}
    assert curve(found, "loss") == [(0, 1.0), (1, 0.5)]
    assert not list((folder / "root" / ".legm" / "capture").iterdir())


OUTLIVES = """
import os, subprocess, sys, time
if len(sys.argv) == 1:
    with open("log", "w") as log:
        subprocess.Popen([sys.executable, "script.py", "on"], stdout=log, stderr=log, start_new_session=True)
    while not os.path.exists("begun"):
        time.sleep(0.05)
else:
    import mlflow
    mlflow.set_experiment("outlives")
    with mlflow.start_run():
        mlflow.log_metric("loss", 1.0, step=0)
        open("begun", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.05)
        mlflow.log_metric("loss", 0.5, step=1)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system shows no processes")
def test_a_process_that_outlives_its_script_keeps_its_store_which_the_next_capture_takes(folder):
    status, _, err = play(folder, OUTLIVES)
    assert status == 0
    assert "1 process is still running: the next capture into root imports what is logged from now on" in err
    (found,) = results(folder, "outlives")
    assert (found.status, curve(found, "loss")) == (Status.INTERRUPTED, [(0, 1.0)])
    (folder / "go").touch()

    def taken() -> bool:
        play(folder, "")
        return not list((folder / "root" / ".legm" / "capture").iterdir())

    until(taken)
    (found,) = results(folder, "outlives")
    assert (found.status, curve(found, "loss")) == (Status.COMPLETED, [(0, 1.0), (1, 0.5)])


CHANGES = f"""{WAIT_FOR}
import os
os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
import mlflow
mlflow.set_tracking_uri("http://127.0.0.1:9")
client = mlflow.MlflowClient("http://127.0.0.1:9")
client.create_experiment("changes", artifact_location="own")
mlflow.set_experiment("changes")
with mlflow.start_run() as deleted:
    mlflow.log_metric("loss", 9.0, step=0)
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 1.25, step=0)
client.delete_run(deleted.info.run_id)
wait_for("root/changes/*/metrics.yml", b"1.25")  # its end was seen
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_metric("loss", 0.625, step=1)
    mlflow.log_text("after all", "late.txt")
wait_for("root/changes/*/metrics.yml", b"0.625")
client.log_text(run.info.run_id, "and now", "later.txt")
client.log_param(run.info.run_id, "after", 1)
"""


def test_what_a_script_changes_afterwards_counts_and_its_own_address_is_not_used(folder):
    status, _, err = play(folder, CHANGES)
    assert status == 0, err
    (found,) = results(folder, "changes")
    assert curve(found, "loss") == [(0, 1.25), (1, 0.625)]
    assert set(found.run.configuration.active) == {"after"}
    assert list((folder / "root").glob("changes/*/artifacts/*/late.txt"))
    assert list((folder / "root").glob("changes/*/artifacts/*/later.txt"))
    assert "different" not in err
    assert "the address 'http://127.0.0.1:9' is not used" in err
    assert "the folder 'own' is not used" in err
    assert "not imported (1): runs that the script deleted" in err
    assert not (folder / "own").exists()


PROCESSES = """
import multiprocessing, subprocess, sys
def train(seed):
    import mlflow
    mlflow.set_experiment("processes")
    mlflow.set_experiment("processes")  # MLflow does not choose one that another process makes meanwhile
    mlflow.start_run()  # it ends with its process
    mlflow.log_param("seed", seed)
    mlflow.log_metric("loss", seed, step=0)
if __name__ == "__main__":
    if len(sys.argv) > 1:
        train(int(sys.argv[1]))
    else:
        other = subprocess.Popen([sys.executable, "script.py", "1"])
        child = multiprocessing.get_context("spawn").Process(target=train, args=(2,))
        child.start()
        train(0)
        child.join()
        sys.exit(other.wait() or child.exitcode)
"""


def test_processes_of_a_script_that_use_mlflow_first_at_once_are_captured_and_do_not_break_its_store(
    tmp_path,
):
    status, _, err = play(tmp_path, PROCESSES)
    assert status == 0, err
    found = results(tmp_path, "processes")
    assert sorted(one.run.parameters["seed"] for one in found) == [0, 1, 2]
    assert len({one.run.configuration.fingerprint for one in found}) == 1
    assert [one.status for one in found] == [Status.COMPLETED] * 3


def test_overrides_apply_and_those_without_effect_are_reported(tmp_path):
    code = (
        "import wandb\nwith wandb.init(project='theirs', config={'lr': 0.1, 'fold': 1, 'seed': 2}) as run:\n"
        "    run.log({'loss': 1.0})\n"
    )
    options = ("--experiment", "mine", "--ignore", "fold", "--compare", "seed", "--ignore", "flod")
    status, _, err = play(tmp_path, code, *options)
    assert status == 0
    (found,) = results(tmp_path, "mine")
    assert set(found.run.configuration.active) == {"lr", "seed"}
    assert found.run.environment["imported"]["captured_experiment"] == "theirs"
    assert "no run has a parameter 'flod'; did you mean 'fold'?" in err
    status, _, err = play(tmp_path, code, "--experiment", "mine", "--ignore", "lr")
    assert status == 0
    assert "whether 'lr' is compared was decided by earlier runs" in err
    assert len({one.run.configuration.fingerprint for one in results(tmp_path, "mine")}) == 1


# W&B

WANDB_LIVE = """
import os, time, wandb
monitor = wandb.Settings(x_stats_sampling_interval=0.1)
run = wandb.init(project="live", config={"lr": 0.1, "optimizer": {"name": "adam"}}, settings=monitor)
run.log({"loss": 1.0})
run.log({"loss": 0.5})
while not os.path.exists("late"):
    time.sleep(0.05)
run.config.update({"layers": 3})
run.log({"loss": 0.25, "note": "soon over"})
while not os.path.exists("go"):
    time.sleep(0.05)
artifact = wandb.Artifact("data", "dataset")
with artifact.new_file("a.txt") as file:
    file.write("hello")
run.log_artifact(artifact)
run.summary["accuracy"] = 0.9
"""


def test_a_wandb_run_is_shown_while_it_is_running_and_moves_when_parameters_are_added_later(tmp_path):
    process = begin(tmp_path, WANDB_LIVE)

    early, late = ["lr", "optimizer.name"], ["layers", "lr", "optimizer.name"]
    until(lambda: shown(tmp_path) == [(Status.RUNNING, early, [(0, 1.0), (1, 0.5)])])
    (tmp_path / "late").touch()
    points = [(0, 1.0), (1, 0.5), (2, 0.25)]
    until(lambda: shown(tmp_path) == [(Status.RUNNING, late, points)])
    (tmp_path / "go").touch()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert shown(tmp_path) == [(Status.COMPLETED, late, points)], err
    (found,) = [one for one in results(tmp_path, "live") if one.histories]
    assert found.test == {Series("accuracy", Split.TEST): 0.9}
    (kept,) = (tmp_path / "root").glob("live/*/artifacts/*/data*/a.txt")
    assert kept.read_text(encoding="utf-8") == "hello"
    assert "captured 1 run of wandb" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go", "late", "root", "script.py"]
    (log,) = tmp_path.glob(f"root/live/*/runs/{found.run.run_id}.log")
    displays = [one.name for one in read_log(log).records if isinstance(one, Display)]
    assert "system/process_memory_megabytes" in displays  # W&B's proc.memory.rssMB


WANDB_ENDS = f"""{WAIT_FOR}
import os, signal, sys
os.environ["WANDB_MODE"] = "online"
import wandb
wandb.login(key="0" * 40)
run = wandb.init(None, "ends", "own", mode="online", settings=wandb.Settings(console="off"))
with open("weights.pt", "w") as file:
    file.write("of the model")
wandb.save("weights.pt")
for step in range(100):
    run.log({{"loss": 1.0 / (1 + step)}})
wait_for("go")
"""


@pytest.mark.parametrize(
    ("end", "status", "left"),
    [
        ("raise KeyError('x')", 1, Status.FAILED),
        ("raise SystemExit(4)", 4, Status.FAILED),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, Status.INTERRUPTED),
    ],
)
def test_a_script_with_wandb_that_crashes_or_is_killed_leaves_its_run_with_all_numbers(
    tmp_path, end, status, left
):
    process = begin(tmp_path, f"{WANDB_ENDS}{end}\n")
    until(lambda: [len(curve(one, "loss")) for one in results(tmp_path, "ends") if one.histories] == [100])
    (tmp_path / "go").touch()
    _, err = process.communicate(timeout=120)
    assert process.returncode == status, err
    (found,) = results(tmp_path, "ends")
    assert found.status is left
    assert curve(found, "loss") == [(step, 1.0 / (1 + step)) for step in range(100)]
    assert not (tmp_path / "own").exists()
    (saved,) = (tmp_path / "root").glob("ends/*/artifacts/*/weights.pt")
    assert saved.read_text(encoding="utf-8") == "of the model"
    assert not list((tmp_path / "root" / ".legm" / "capture").iterdir())


WANDB_AGAIN = (
    WAIT_FOR
    + """
import wandb
with wandb.init(project="again", id="abc", config={"seed": 1}) as run:
    run.log({"loss": 1.0})
    run.log({"loss": 0.5})
wait_for("root/again/*/metrics.yml")  # its end was seen
with wandb.init(project="again", id="abc", resume="allow") as run:
    run.log({"loss": 0.25})
    run.config.update({"lr": 0.1})
with wandb.init(project="again", mode="disabled", settings=wandb.Settings(console="off")) as run:
    run.log({"loss": 7.0})
"""
)


def test_a_run_of_wandb_that_is_resumed_is_one_run_and_a_disabled_one_is_none(tmp_path):
    status, _, err = play(tmp_path, WANDB_AGAIN)
    assert status == 0, err
    (found,) = results(tmp_path, "again")
    assert found.status is Status.COMPLETED
    assert curve(found, "loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert set(found.run.configuration.active) == {"lr"}
    assert "different" not in err


NAMED = """
import mlflow
for name in ("svm", "forest"):
    with mlflow.start_run(run_name=name):
        for value in (0.5, 0.25):
            mlflow.log_metric("loss", value)
        mlflow.log_param("kernel", object())
"""
AGAIN = """
import sys, wandb
import numpy as np
part = int(sys.argv[1])
with wandb.init(project="again", id="abc", name="svm", resume="allow", config={"lr": 0.1}) as run:
    picture = wandb.Image(np.full((2, 2), part, np.uint8), caption=f"part {part}")
    run.define_metric("val", step_metric="epoch")
    for step in range(2):
        counted = {"val": 10 * part + step, "epoch": 5 * (2 * part + step)}
        run.log({"loss": 10 * part + step} | counted | ({"picture": picture} if step else {}))
    with open(run.dir + f"/part{part}.txt", "w") as file:
        file.write("x")
    run.summary[f"score{part}"] = part
    run.config.update({f"part{part}": part})
"""


def test_runs_of_other_names_stay_separate_and_one_that_a_later_capture_resumes_is_one(folder):
    """Two captures of both libraries: names and steps in MLflow, and W&B's resume of one id."""
    for part in range(2):
        (folder / "again.py").write_text(AGAIN)
        code = f"import sys\n{NAMED}\nsys.argv[1:] = ['{part}']\nexec(open('again.py').read())\n"
        status, _, err = play(folder, code)
        assert status == 0, err
        assert "not everything" not in err
        assert "different" not in err
    found = results(folder, "Default")
    by_name: dict[str, list[RunResult]] = {}
    for one in found:
        assert curve(one, "loss") == [(0, 0.5), (1, 0.25)]
        assert one.run.configuration.parameters["kernel"] == "<object object>"
        by_name.setdefault(one.run.configuration.parameters["mlflow.runName"], []).append(one)
    assert {name: len(runs) for name, runs in by_name.items()} == {"svm": 2, "forest": 2}
    assert len({one.run.configuration.fingerprint for one in found}) == 2
    (run,) = results(folder, "again")
    assert run.status is Status.COMPLETED
    assert curve(run, "loss") == [(0, 0), (1, 1), (2, 10), (3, 11)]
    assert curve(run, "val") == [(0, 0), (5, 1), (10, 10), (15, 11)]  # the second script's rows come later
    assert {"lr": 0.1, "part0": 0, "part1": 1}.items() <= run.run.configuration.parameters.items()
    assert {series.name for series in run.test} == {"score0", "score1"}
    kept = (folder / "root").glob(f"again/*/artifacts/{run.run.run_id}/part*.txt")
    assert sorted(path.name for path in kept) == ["part0.txt", "part1.txt"]
    assert len(list((folder / "root").glob("again/*/runs/**/*.log"))) == 1
    shown = [(one.step, one.files[0].caption) for one in connect_client(folder / "root").media(run.run)]
    assert shown == [(1, "part 0"), (3, "part 1")]


def begun(root: Path, kept: Path, name: str) -> Path:
    """The private store of a capture that begins with what is kept, and makes a run of a new experiment."""
    (staging := root / ".legm" / "capture" / name).mkdir()
    begin_with_earlier_runs(staging, kept.stem)
    with closing(sqlite3.connect(staging / "mlflow.db")) as store:
        (number,) = store.execute("SELECT max(experiment_id) + 1 FROM experiments").fetchone()
        for table, row in {
            "experiments": {"experiment_id": number, "name": f"of {name}", "lifecycle_stage": "active"},
            "runs": {"run_uuid": name, "experiment_id": number, "artifact_uri": "legm-root:../../../etc"},
            "metrics": {"run_uuid": name, "key": "loss", "value": 1.0, "timestamp": 1},
        }.items():
            marks = ", ".join("?" * len(row))
            store.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", [*row.values()])
        store.commit()
    return staging / "mlflow.db"


FIRST_PART = """
import mlflow
mlflow.set_experiment("parts")
for seed in range(2):
    with mlflow.start_run():
        mlflow.log_params({"lr": 0.1, "seed": seed, "api_key": "sk-secret"})
        for step in range(2):
            mlflow.log_metric("loss", 10 * seed + step, step=step)
        mlflow.log_text("first", "notes/first.txt")
"""
SECOND_PART = """
import mlflow
client = mlflow.MlflowClient()
experiment = mlflow.get_experiment_by_name("parts")
second, first = mlflow.search_runs([experiment.experiment_id], output_format="list")
assert first.data.params["seed"] == "0" and first.data.metrics == {"loss": 1.0}, first
assert "api_key" not in first.data.params
assert mlflow.artifacts.load_text(first.info.artifact_uri + "/notes/first.txt") == "first"
with mlflow.start_run(run_id=first.info.run_id):
    mlflow.log_params({"lr": 0.1, "layers": 3})
    mlflow.log_metric("loss", 0.5, step=2)
    mlflow.log_text("second", "notes/second.txt")
assert [one.value for one in client.get_metric_history(first.info.run_id, "loss")] == [0, 1, 0.5]
mlflow.set_experiment("parts")
with mlflow.start_run():
    mlflow.log_params({"lr": 0.1, "seed": 2})
    mlflow.log_metric("loss", 7.0, step=0)
client.delete_run(second.info.run_id)
"""


def test_a_later_capture_finds_and_resumes_the_runs_of_an_earlier_one(tmp_path):
    (before := tmp_path / "before").mkdir()
    prepare_kept_store(before)
    status, _, err = play(before, FIRST_PART)
    assert status == 0, err
    tmp_path = before.rename(tmp_path / "moved")
    earlier = {one.run.run_id: one for one in results(tmp_path, "parts")}
    status, _, err = play(tmp_path, SECOND_PART)
    assert status == 0, err
    assert "captured 2 runs of mlflow" in err
    assert "different" not in err
    assert "deleted" not in err.replace("runs that the script deleted", "")
    new, continued = sorted(results(tmp_path, "parts"), key=lambda one: one.run.run_id in earlier)
    assert set(continued.run.configuration.active) == {"lr", "layers"}
    assert continued.run.parameters["seed"] == 0
    assert continued.status is Status.COMPLETED
    assert curve(continued, "loss") == [(0, 0.0), (1, 1.0), (2, 0.5)]
    assert curve(new, "loss") == [(0, 7.0)]
    kept = (tmp_path / "root").glob(f"parts/*/artifacts/{continued.run.run_id}/notes/*.txt")
    assert sorted(path.name for path in kept) == ["first.txt", "second.txt"]
    assert len(list((tmp_path / "root").glob("parts/*/runs/**/*.log"))) == 2
    written = [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert not any(b"sk-secret" in path.read_bytes() for path in written)

    # Of two captures at the same time, neither loses what the other one made.
    (kept,) = (tmp_path / "root").glob(".legm/mlflow/*.db")
    for store in [begun(tmp_path / "root", kept, name) for name in ("one", "two")]:
        keep_mlflow_store(tmp_path / "root", store, {})
    with closing(sqlite3.connect(begun(tmp_path / "root", kept, "three"))) as there:
        found = there.execute(
            "SELECT e.name, r.run_uuid, r.artifact_uri FROM runs r JOIN metrics USING (run_uuid) "
            "JOIN experiments e USING (experiment_id) WHERE e.name LIKE 'of %' ORDER BY r.rowid"
        ).fetchall()
        assert [row[:2] for row in found] == [(f"of {name}", name) for name in ("one", "two", "three")]
        assert all("/artifacts/" in address for _, _, address in found[:2])  # nothing outside the root
        keys = {one.run.environment["imported"]["key"] for one in (new, continued)}
        assert unchanged_earlier_runs(there) == {"one", "two", *keys}


CONTINUED = """
import mlflow
(run,) = mlflow.search_runs(experiment_names=["parts"], output_format="list")
assert run.data.params == {"lr": "0.1"} and run.data.metrics == {"loss": 0.5}, run
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_metric("loss", 0.25, step=1)
"""


def test_a_script_with_another_version_of_mlflow_finds_and_resumes_earlier_runs_too(tmp_path):
    older = prepare_store(kept_store(tmp_path / "root" / OWN_FOLDER, "2.21.0"))
    client = MlflowClient(mlflow_sqlite_uri(older))
    made = client.create_run(client.create_experiment("parts"))
    client.log_param(made.info.run_id, "lr", 0.1)
    client.log_metric(made.info.run_id, "loss", 0.5, step=0)
    client.set_terminated(made.info.run_id)
    with closing(sqlite3.connect(older)) as there:  # a table less, a column more, another schema
        there.executescript(
            "DROP TABLE logged_models; ALTER TABLE runs ADD COLUMN removed_since TEXT; "
            "UPDATE alembic_version SET version_num = 'of another version'"
        )
    status, _, err = play(tmp_path, CONTINUED)
    assert status == 0, err
    assert "earlier captures" not in err
    (run,) = results(tmp_path, "parts")
    assert curve(run, "loss") == [(0, 0.5), (1, 0.25)]
    assert (tmp_path / "root" / ".legm" / "mlflow" / f"{version('mlflow')}.db").exists()


# The command


NATIVE_WITH_MIRRORS = """
from legm import ExperimentHandler
handler = ExperimentHandler("own", "e", backend=["local", "mlflow", "wandb"])
handler.set_param("lr", 0.5)
handler.start()
handler.set_metric("loss", 0.25)
handler.log()
"""


def test_a_handler_in_the_script_keeps_its_runs_in_the_users_stores_and_they_are_not_captured(tmp_path):
    variables = {
        "MLFLOW_TRACKING_URI": mlflow_sqlite_uri(prepare_store(tmp_path / "own.db")),
        "WANDB_MODE": "offline",
    }
    status, _, err = play(tmp_path, NATIVE_WITH_MIRRORS, WANDB_DIR=str(tmp_path / "mine"), **variables)
    assert status == 0, err
    assert "nothing was captured" in err
    assert results(tmp_path, "e") == []
    assert len(list((tmp_path / "mine" / "wandb").glob("offline-run-*"))) == 1
    assert count_native_runs(tmp_path / "own.db") == 1


def test_a_command_that_cannot_be_run_is_reported_and_leaves_nothing(tmp_path):
    for name, status in (("no-such-command", 127), (str(tmp_path), 126)):
        done = subprocess.run(
            [*command(), "--", name],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            env=environment(),
            check=False,
        )
        assert done.returncode == status
        assert name in done.stderr
        assert not list((tmp_path / "root" / ".legm" / "capture").iterdir())


def test_a_signal_is_the_scripts(tmp_path):
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
time.sleep(600)  # until the signal
"""
    process = begin(tmp_path, code)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert "nothing was captured" in err


def test_the_users_own_sitecustomize_still_runs_and_find_spec_finds_the_real_library(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import builtins\nbuiltins.mine = 1\n", encoding="utf-8")
    (site / "mlflow").mkdir()  # a folder that is no library
    code = """
import importlib.util, sys
print(mine, importlib.util.find_spec("wandb") is not None)
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
print(importlib.util.find_spec("wandb"))
"""
    paths = os.pathsep.join([str(site), environment()["PYTHONPATH"]])
    status, out, err = play(tmp_path, code, PYTHONPATH=paths)
    assert (status, out) == (0, "1 True\nNone\n"), err


MLFLOW_MEDIA = """
import numpy as np, mlflow
mlflow.set_experiment("pictures")
with mlflow.start_run():
    for step in range(2):
        mlflow.log_image(np.full((4, 4), 9 * step, np.uint8), key="val/sample", step=step)
    mlflow.log_image(np.zeros((4, 4), np.uint8), "named.png")
"""


def test_pictures_of_mlflow_are_media_and_those_with_a_file_name_are_files(folder):
    status, _, err = play(folder, MLFLOW_MEDIA)
    assert status == 0, err
    table = legm.open(folder / "root").media()
    assert list(zip(table["name"].tolist(), table["kind"].tolist(), table["step"].tolist(), strict=True)) == [
        ("val/sample", "image", 0),
        ("val/sample", "image", 1),
    ]
    assert list((folder / "root").glob("pictures/*/artifacts/*/named.png"))


def test_media_of_wandb_are_those_of_an_import(tmp_path):
    begun = 'run = wandb.init(project="media", settings=wandb.Settings(console="off", x_disable_stats=True))'
    status, _, err = play(tmp_path, f"{WANDB_MEDIA}\n{begun}\nlog_media(run)\nrun.finish()\n")
    assert status == 0, err
    assert_media_of_wandb(tmp_path / "root")
