"""What is promised for kills, crowds and refusing disks, each by really doing it."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from legm import ExperimentHandler, LegmError, StorageError
from legm.analysis.overview import read_overview
from legm.analysis.recovery import recover_folders
from legm.records import Points, Status
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log
from tests.support.processes import ForkServer, run_at_once, wait_for_end
from tests.support.waiting import until

KILLS = 100
AT_ONCE = 8

# Logs without a pause: odd workers make short runs one after the other, even ones a single long run. Each
# line on standard output says what was done, and when.
WORKER = """
import time
from legm import ExperimentHandler

root, number = sys.argv[1], int(sys.argv[2])

def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

handler = ExperimentHandler(root, "kills")
handler.set_dict_params({"lr": 0.1, "number": number})
handler.disable_param("number")
say("ready")
handler.start()
while True:
    run = handler.run_id
    for step in range(40 if number % 2 else 10**9):
        handler.set_dict_metrics({"loss": 1 / (step + 1), "acc": float(step)}, step=step)
        say("set", run, step, time.time())
        time.sleep(0.002)  # the pace of a training
    handler.log()
    say("logged", run, 40, time.time())
    handler.reset()
"""


def load(path: Path) -> dict:
    return yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}


def kill_at_a_random_instant(
    server: ForkServer, root: Path, said: Path, numbers: list[int], randomness: random.Random
) -> list[tuple[float, list[str]]]:
    outputs = {server.begin(said / f"{n}.txt", root, n): said / f"{n}.txt" for n in numbers}
    for output in outputs.values():
        until(lambda output=output: output.exists() and output.read_text().startswith("ready\n"))
    killed = {}
    delays = sorted((randomness.uniform(0.0, 3.0), pid) for pid in outputs)
    began = time.monotonic()
    for delay, pid in delays:
        time.sleep(max(0.0, began + delay - time.monotonic()))  # the instant is what is tried
        killed[pid] = time.time()
        server.kill(pid)
    for pid in outputs:
        wait_for_end(pid)
    return [(killed[pid], output.read_text().splitlines()) for pid, output in outputs.items()]


@pytest.mark.slow
def test_a_hundred_kills_lose_at_most_the_last_second(tmp_path, tmp_path_factory):
    randomness = random.Random(20261123)
    said = tmp_path_factory.mktemp("said")
    kept_logged: set[str] = set()
    killed_runs = 0
    with ForkServer(WORKER, "import numpy, legm.backends.local.backend, legm.handler") as server:
        for first in range(0, KILLS, AT_ONCE):
            numbers = list(range(first, min(first + AT_ONCE, KILLS)))
            for killed, lines in kill_at_a_random_instant(server, tmp_path, said, numbers, randomness):
                words = [line.split() for line in lines if line.count(" ") == 3]
                kept_logged |= {run for kind, run, _, _ in words if kind == "logged"}
                old: dict[str, int] = {}
                for kind, run, step, moment in words:
                    if kind == "set" and float(moment) < killed - 1.0:
                        old[run] = max(int(step), old.get(run, -1))
                for run, step in old.items():
                    (log,) = tmp_path.glob(f"kills/*/runs/**/{run}.log")
                    assert steps_in(log) >= step
                killed_runs += 1
            for path in tmp_path.rglob("*.yml"):
                assert load(path), path
    assert killed_runs == KILLS

    (folder,) = configuration_folders(tmp_path)
    entries = [entry["run_id"] for entry in load(folder / "metrics.yml").values()]
    assert len(entries) == len(set(entries))
    assert kept_logged <= set(entries)
    before = {log.stem: points_in(log) for log in find_logs(tmp_path)}

    finalized = [run for _, runs, _ in recover_folders(tmp_path) for run in runs]
    assert not list(recover_folders(tmp_path))
    after = {run.run.run_id: run for run in read_overview(folder).runs}
    assert {run.status for run in after.values()} <= {Status.COMPLETED, Status.INTERRUPTED}
    interrupted = {i for i, run in after.items() if run.status is Status.INTERRUPTED}
    assert len(interrupted) > KILLS / 2
    assert {run.run.run_id for run in finalized} >= interrupted
    assert {i: run.points for i, run in after.items()} == before

    with ExperimentHandler.load_existent(folder).start() as handler:
        handler.set_metric("loss", 0.5)
    summary = handler.aggregate_results()
    assert summary["best_loss"]["n"] == sum(run.status is Status.COMPLETED for run in after.values()) + 1
    assert summary["best_loss"]["interrupted"] == sum(
        run.status is Status.INTERRUPTED for run in after.values()
    )


def points_in(log: Path) -> int:
    return sum(len(record) for record in read_log(log).records if isinstance(record, Points))


def steps_in(log: Path) -> int:
    found = read_log(log)
    return max((int(r.steps.max()) for r in found.records if hasattr(r, "steps")), default=-1)


CROWD = """
import sys
from legm import ExperimentHandler

for seed in range(25):
    handler = ExperimentHandler(sys.argv[1], "crowd")
    handler.set_dict_params({"lr": 0.1, "seed": int(sys.argv[2]) * 1000 + seed})
    handler.disable_param("seed")
    handler.name_param("lr")
    with handler.start():
        for step in range(20):
            handler.set_dict_metrics({"loss": handler.seed + step / 64, "acc": step}, step=step)
        handler.set_metric("acc", handler.seed, test=True)
"""


def test_eight_processes_share_a_new_configuration(tmp_path):
    given = [(tmp_path, number) for number in range(8)]
    assert run_at_once(CROWD, given, "import numpy, legm.backends.local.backend, legm.handler") == [0] * 8
    (folder,) = configuration_folders(tmp_path)
    assert [p.name for p in (tmp_path / "crowd").iterdir() if not p.name.startswith(".")] == ["0.1_0"]
    metrics, steps = load(folder / "metrics.yml"), load(folder / "steps.yml")
    assert sorted(metrics) == sorted(f"experiment_{n}" for n in range(200))
    assert len({entry["run_id"] for entry in metrics.values()}) == 200
    for entry in metrics.values():
        seed = entry["test_acc"]
        assert entry["loss"] == [seed + step / 64 for step in range(20)]
        assert entry["best_loss"] == seed + 19 / 64
    assert {entry["run_id"] for entry in steps.values()} == {entry["run_id"] for entry in metrics.values()}
    assert all(entry["loss"] == list(range(20)) for entry in steps.values())
    assert not list(recover_folders(tmp_path))


# A limit on the size of files makes real writes fail in the middle, as a full disk does.
FULL = """
import json, resource, signal, sys, time
from legm import ExperimentHandler, LegmError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root, limit = sys.argv[1], int(sys.argv[2])
handler = ExperimentHandler(root, "full")
handler.set_param("lr", 0.1)
with handler.start():
    for step in range(100):
        handler.set_metric("loss", 1 / (step + 1), step=step)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
failures = []
try:
    handler.reset()
    for step in range(1000):
        handler.set_metric("loss", 2 / (step + 1), step=step)
    time.sleep(0.6)  # the run log is written twice a second
    handler.log()
except LegmError as error:
    failures.append([type(error).__name__, str(error)])
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
if handler.run_id is not None:
    handler.log()
print(json.dumps(failures))
"""


@pytest.mark.parametrize("limit", [64, 700, 1500, 4000, 9000, 20000])
def test_a_full_disk_is_a_clear_error_and_nothing_complete_is_touched(tmp_path, limit):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(limit)], capture_output=True, text=True, check=True
    )
    failures = json.loads(done.stdout)
    for name, message in failures:
        assert name == "StorageError"
        assert str(tmp_path) in message
    assert failures or limit > 10_000
    (folder,) = configuration_folders(tmp_path)
    entries = load(folder / "metrics.yml")
    assert entries["experiment_0"]["loss"] == [1 / (step + 1) for step in range(100)]
    if len(entries) > 1:  # the run continued after the disk had space again
        assert entries["experiment_1"]["loss"] == [2 / (step + 1) for step in range(1000)]
    assert not read_overview(folder).problem


def test_a_read_only_root_is_a_clear_error_at_start(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "e").write_text("a file where the experiment's folder would be")
    handler = ExperimentHandler(root, "e")
    with pytest.raises(StorageError, match=r"cannot .*root.e.* a part of the path is a file"):
        handler.start()


READ_ONLY = """
import os, sys, tempfile
from legm import ExperimentHandler, LegmError
with tempfile.TemporaryDirectory() as elsewhere:  # imports all that is imported on first use
    with ExperimentHandler(elsewhere, "e").start() as handler:
        handler.set_metric("loss", 1)
    handler.get_best("loss")
os.setuid(65534)
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_param("lr", float(sys.argv[2]))
try:
    handler.start()
except LegmError as error:
    print(type(error).__name__, error)
print(handler.get_best("loss", False)[0].value.mean)
try:
    print(handler.aggregate_results()["best_loss"]["mean"])
except LegmError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("lr", ["0.1", "0.2"])
def test_a_user_without_write_permission_gets_a_clear_error_and_may_read(lr):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        root = Path(folder) / "root"
        with ExperimentHandler(root, "e") as handler:
            handler.set_param("lr", 0.1)
            handler.start()
            handler.set_metric("loss", 0.25)
        Path(folder).chmod(0o755)
        for place, _, files in os.walk(root):
            Path(place).chmod(0o555)
            for file in files:
                (Path(place) / file).chmod(0o444)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(root), lr], capture_output=True, text=True, check=True
        )
    refused, best, aggregate = done.stdout.splitlines()
    assert refused.startswith("StorageError cannot")
    assert "permission is denied" in refused
    assert best == "0.25"
    if lr == "0.1":
        assert aggregate == "0.25"
        assert "permission is denied" in done.stderr
        assert "The result is returned, but it is not stored." in done.stderr
    else:
        assert aggregate.startswith("StateError")


def test_a_folder_that_is_read_only_by_limit_of_its_medium_says_so(tmp_path):
    handler = ExperimentHandler("/proc/nothing", "e")
    with pytest.raises(LegmError, match="cannot create the folder /proc/nothing"):
        handler.start()


def test_the_limit_that_simulates_a_full_disk_really_refuses(tmp_path):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
