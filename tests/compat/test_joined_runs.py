"""Processes that log to one run: nothing that any of them logs is lost, whichever of them ends first."""

from __future__ import annotations

import os

import pytest

from legm.records import Status
from legm.runlog.file_names import JOINED_RUNS, JOURNAL_SUFFIX, OWN_FOLDER
from tests.support.compat_play import play, played, snapshots
from tests.support.compat_stores import in_legm, run
from tests.support.reading import runs_of as runs_in
from tests.support.waiting import WAIT_FOR, until

JOINING = """
import subprocess, sys, os, mlflow
mlflow.set_experiment("e")
with mlflow.start_run(run_name="parent") as run:
    mlflow.log_param("p", 1)
    mlflow.log_metric("a", 1, step=0)
    child = '''
import mlflow
with mlflow.start_run() as run:
    print(run.info.run_name, run.data.params)
    mlflow.log_param("q", 2)
    mlflow.log_metrics({"b": 5, "c": 0.5}, step=3)
    mlflow.log_metric("b", 6)
    mlflow.set_tag("t", "x")
    mlflow.log_text("hello", "t.txt")
    mlflow.log_image([[0, 255], [255, 0]], key="picture", step=1)
    print(mlflow.get_run(run.info.run_id).data.metrics)
'''
    environment = {**os.environ, "MLFLOW_RUN_ID": run.info.run_id}
    subprocess.run([sys.executable, "-c", child], check=True, env=environment)
    data = mlflow.get_run(run.info.run_id).data
    print(data.metrics, data.params, data.tags["t"])
    mlflow.log_metric("a", 2, step=1)
    mlflow.log_metric("b", 7, step=8)
"""


def test_a_child_joins_its_parents_mlflow_run(tmp_path):
    said = played(tmp_path, JOINING).splitlines()
    assert said == [
        "parent {'p': '1'}",
        "{'a': 1.0, 'b': 5.0, 'c': 0.5}",
        "{'a': 1.0, 'b': 5.0, 'c': 0.5} {'p': '1', 'q': '2'} x",
    ]
    (held,) = in_legm(tmp_path / "root", "e")
    assert held.parameters == {"p": 1, "q": 2}
    assert held.points == {"a": [(0, 1.0), (1, 2.0)], "b": [(0, 6.0), (3, 5.0), (8, 7.0)], "c": [(3, 0.5)]}
    (stored,) = runs_in(tmp_path / "root", "e")
    assert stored.status is Status.COMPLETED
    assert "t.txt" in snapshots(tmp_path, "e")[0].files


# The parent is killed once its child has joined; the child continues once the parent is gone.
KILLED = (
    WAIT_FOR
    + """
import os, signal, subprocess, sys, mlflow
mlflow.set_experiment("e")
run = mlflow.start_run()
mlflow.log_param("p", 1)
for step in range(3):
    mlflow.log_metric("a", step, step=step)
reading, writing = os.pipe()
child = f'''
import mlflow, os
with mlflow.start_run():
    mlflow.log_metric("b", 5, step=0)
    open("joined", "w").close()
    os.read({reading}, 1)
    mlflow.log_metric("b", 6, step=1)
    mlflow.log_param("q", 2)
    {sys.argv[1]}
open("done", "w").close()
'''
environment = {**os.environ, "MLFLOW_RUN_ID": run.info.run_id}
process = subprocess.Popen([sys.executable, "-c", child], env=environment, pass_fds=[reading])
wait_for("joined")
os.kill(os.getpid(), signal.SIGKILL)
"""
)


def test_a_child_continues_the_run_of_a_parent_that_was_killed(tmp_path):
    play(tmp_path, KILLED, "pass")
    until((tmp_path / "done").exists)
    (held,) = in_legm(tmp_path / "root", "e")
    assert held.parameters == {"p": 1, "q": 2}
    assert held.points == {"a": [(0, 0.0), (1, 1.0), (2, 2.0)], "b": [(0, 5.0), (1, 6.0)]}
    (stored,) = runs_in(tmp_path / "root", "e")
    assert stored.status is Status.COMPLETED


def test_what_was_logged_to_a_run_whose_processes_were_killed_is_recovered(tmp_path):
    play(tmp_path, KILLED, "os.kill(os.getpid(), 9)")
    calls = f"root/{OWN_FOLDER}/{JOINED_RUNS}/*/*{JOURNAL_SUFFIX}"
    until(lambda: any(b'"q"' in path.read_bytes() for path in tmp_path.glob(calls)))
    done = run(["-m", "legm", "recover", "root"], tmp_path)
    assert "got what other processes had logged to it" in done.stdout
    (held,) = in_legm(tmp_path / "root", "e")
    assert held.points == {"a": [(0, 0.0), (1, 1.0), (2, 2.0)], "b": [(0, 5.0), (1, 6.0)]}
    (stored,) = runs_in(tmp_path / "root", "e")
    assert stored.status is Status.INTERRUPTED
    assert list((tmp_path / "root" / OWN_FOLDER / JOINED_RUNS).iterdir()) == []


RANKS = """
import os, subprocess, sys
child = '''
import os, sys, time, wandb
rank = sys.argv[1]
with wandb.init(project="ranks", config={"lr": 0.1, "of" + rank: rank}) as run:
    open("begun" + rank, "w").close()
    while not all(os.path.exists(f"begun{one}") for one in range(3)):
        time.sleep(0.01)
    for row in range(3):
        run.log({"loss" + rank: row})
    run.summary["accuracy" + rank] = int(rank)
'''
environment = {**os.environ, "WANDB_RUN_ID": "one"}
ranks = [subprocess.Popen([sys.executable, "-c", child, str(rank)], env=environment) for rank in range(3)]
assert [rank.wait() for rank in ranks] == [0, 0, 0]
"""


def test_processes_with_one_wandb_id_are_one_run(tmp_path):
    played(tmp_path, RANKS)
    (found,) = snapshots(tmp_path, "ranks")
    assert (found.key, found.status) == ("one", Status.COMPLETED)
    assert found.parameters == {"lr": 0.1, **{f"of{rank}": str(rank) for rank in range(3)}}
    (held,) = in_legm(tmp_path / "root", "ranks")
    assert held.points == {f"loss{rank}": [(row, row) for row in range(3)] for rank in range(3)}
    assert found.tests == {f"accuracy{rank}": rank for rank in range(3)}


HANDED_ON = """
import copy, multiprocessing, pickle, wandb

def work(run):
    run.log({"a": 10, "text": "hello"})
    run.log({"a": run.config.lr})

if __name__ == "__main__":
    run = wandb.init(project="p", config={"lr": 11})
    run.log({"a": 1})
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=work, args=(run,))
        process.start()
        process.join()
        assert process.exitcode == 0
    run.log({"a": 3})
    copy.deepcopy(run).log({"a": 4})
    print(pickle.loads(pickle.dumps(run.config)), dict(copy.deepcopy(run.config)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_run_is_handed_to_another_process(tmp_path):
    """Rows of a fork and of a spawned process are the next ones of the run, as with wandb itself."""
    assert played(tmp_path, HANDED_ON) == "{'lr': 11} {'lr': 11}\n"
    (held,) = in_legm(tmp_path / "root", "p")
    assert held.points == {"a": list(enumerate([1.0, 10.0, 11.0, 10.0, 11.0, 3.0, 4.0]))}


ONE_AFTER_THE_OTHER = """
import sys, wandb
part = int(sys.argv[1])
with wandb.init(project="p", id="abc", resume="allow", config={"lr": 0.1}) as run:
    run.define_metric("val", step_metric="epoch")
    for step in range(2):
        run.log({"loss": 10 * part + step, "val": part, "epoch": 5 * (2 * part + step)})
    run.summary[f"score{part}"] = part
    run.config.update({f"part{part}": part})
"""


def test_scripts_with_one_wandb_id_one_after_the_other_are_one_run(tmp_path):
    for part in ("0", "1"):
        done = play(tmp_path, ONE_AFTER_THE_OTHER, part)
        assert done.returncode == 0, done.stderr
    (found,) = runs_in(tmp_path / "root", "p")
    assert found.status is Status.COMPLETED
    (points,) = in_legm(tmp_path / "root", "p")
    assert points.points["loss"] == [(0, 0.0), (1, 1.0), (2, 10.0), (3, 11.0)]
    assert points.points["val"] == [(0, 0.0), (5, 0.0), (10, 1.0), (15, 1.0)]
    assert points.parameters == {"lr": 0.1, "part0": 0, "part1": 1}
    assert {series.name for series in found.test} == {"score0", "score1"}
