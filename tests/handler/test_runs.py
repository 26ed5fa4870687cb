"""Runs: how one begins and ends, and what is kept of it whatever happens."""
# ruff: noqa: PT012 - the blocks that raise are the ones that are tested

from __future__ import annotations

import copy
import errno
import gc
import json
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

import legm
from legm import ExperimentHandler, MetricError, ParameterError, StateError, StorageError
from legm.analysis.overview import read_overview
from legm.analysis.recovery import recover_folders
from legm.delivery.client import connect_client
from legm.delivery.run_endings import end_stored_run
from legm.export import export_table
from legm.integrations.training_run import TrainingRun
from legm.records import RunResult, Status
from legm.runlog import log_writer, recorder
from tests.support.calling import call
from tests.support.reading import load_yaml
from tests.support.waiting import until


def begin(root: Path, description: str | None = None, **params) -> ExperimentHandler:
    handler = ExperimentHandler(root, "e", description)
    handler.set_dict_params({"lr": 0.1, "seed": 0, **params})
    handler.disable_param("seed")
    return handler.start()


def folder_of(handler: ExperimentHandler) -> Path:
    return Path(handler.get_save_filename("x")).parent


def entries(folder: Path) -> list[dict]:
    """The completed runs, as any YAML reader sees them."""
    path = folder / "metrics.yml"
    return list((load_yaml(path) or {}).values()) if path.exists() else []


def shown(folder: Path) -> list[tuple[Status, str | None]]:
    """What a user sees, oldest run first."""
    return [(run.status, run.error) for run in runs(folder)]


def runs(folder: Path) -> list[RunResult]:
    overview = read_overview(folder)
    assert not overview.problem
    return overview.runs


def values(result: RunResult, name: str = "loss") -> list[float]:
    (history,) = (h.values.tolist() for s, h in result.histories.items() if s.name == name)
    return history


def python(script: str, *arguments: object) -> str:
    """What a script prints, in a process of its own that must end well."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Completing a run


def test_a_seed_that_is_compared_is_reported_once_in_the_log(tmp_path, caplog):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_dict_params({"lr": 0.1, "data.seed": 3})
    handler.start()
    for _ in range(2):
        handler.set_metric("loss", 0.5)
        handler.log()
        handler.reset()
    (said,) = [one for one in caplog.records if "is compared" in one.message]
    assert said.levelname == "WARNING"
    assert "'data.seed' is compared, so each of its values makes a configuration" in said.message
    assert "call disable_param('data.seed') before start()" in said.message
    caplog.clear()
    begin(tmp_path).log()
    assert "is compared" not in caplog.text


def test_log_makes_the_run_count(tmp_path):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0.5)
    assert entries(folder_of(handler)) == []
    assert shown(folder_of(handler)) == [(Status.RUNNING, None)]
    result = handler.log()
    assert result.status is Status.COMPLETED
    assert [entry["run_id"] for entry in entries(folder_of(handler))] == [result.run.run_id]
    assert shown(folder_of(handler)) == [(Status.COMPLETED, None)]


def test_log_again_replaces_the_runs_entry(tmp_path):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0.5)
    first = handler.log()
    assert handler.log().run == first.run
    handler.set_metric("loss", 0.25)
    handler.set_metric("acc", 1, test=True)
    second = handler.log()
    assert second.run == first.run
    assert values(second) == [0.5, 0.25]
    (entry,) = entries(folder_of(handler))
    assert (entry["loss"], entry["best_loss"], entry["test_acc"]) == ([0.5, 0.25], 0.25, 1.0)
    assert handler.aggregate_results()["best_loss"]["n"] == 1
    assert shown(folder_of(handler)) == [(Status.COMPLETED, None)]


def test_what_comes_after_log_does_not_count_until_the_next_log(tmp_path):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0.5)
    handler.log()
    handler.set_metric("loss", 0.25)
    handler.flush()
    assert handler.aggregate_results()["best_loss"]["mean"] == 0.5
    assert values(handler.log()) == [0.5, 0.25]
    assert handler.aggregate_results()["best_loss"]["mean"] == 0.25


AFTER_LOG = """
import os, sys
from legm import ExperimentHandler
for how in ("raise", "reset", "drop", "artifact", "kill"):
    handler = ExperimentHandler(sys.argv[1], how)
    handler.start()
    handler.set_metric("loss", 0.5)
    handler.log()
    if how == "artifact":
        handler.log_artifact(sys.argv[2])
    else:
        handler.set_metric("loss", 0.25)
    handler.flush()
    if how == "raise":
        try:
            with handler:
                raise ValueError("late")
        except ValueError:
            pass
    elif how == "reset":
        handler.reset()
        handler.log()
    elif how == "kill":
        os.kill(os.getpid(), 9)
    del handler
"""


def test_a_run_that_went_on_after_log_and_ended_without_another_keeps_all_values(tmp_path):
    command = [sys.executable, "-c", AFTER_LOG, tmp_path / "root", __file__]
    subprocess.run(command, capture_output=True, timeout=60, check=False)
    ends = {
        "raise": (Status.FAILED, [0.5, 0.25]),
        "reset": (Status.INTERRUPTED, [0.5, 0.25]),
        "drop": (Status.INTERRUPTED, [0.5, 0.25]),
        "artifact": (Status.COMPLETED, [0.5]),
        "kill": (Status.INTERRUPTED, [0.5, 0.25]),
    }
    for how, (status, losses) in ends.items():
        (folder,) = (path.parent for path in tmp_path.glob(f"root/{how}/*/params.yml"))
        for finalized in (False, True):
            if finalized:
                list(recover_folders(tmp_path / "root"))
            first = read_overview(folder, frozenset({"loss"})).runs[0]
            assert (how, first.status, values(first)) == (how, status, losses)
            (counts,) = connect_client(tmp_path / "root").counts_as_stored(how)
            assert (how, counts.completed) == (how, (status is Status.COMPLETED) + (how == "reset"))
            export_table(folder, tmp_path / "table.csv", "points")
            assert str(losses[-1]) in (tmp_path / "table.csv").read_text()
        assert len(entries(folder)) == counts.completed


def test_entries_of_other_runs_stay_when_one_is_replaced(tmp_path):
    first, second = begin(tmp_path), begin(tmp_path)
    first.set_metric("loss", 1)
    second.set_metric("loss", 2)
    first.log()
    second.log()
    first.set_metric("loss", 3)
    first.log()
    assert sorted(entry["loss"] for entry in entries(folder_of(first))) == [[1, 3], [2]]


# Beginning another run


def test_reset_begins_a_new_run_of_the_same_configuration(tmp_path):
    handler = begin(tmp_path)
    for number in range(3):
        handler.set_metric("loss", number)
        handler.log()
        handler.reset()
    handler.set_metric("loss", 3)
    handler.log()
    assert [entry["loss"] for entry in entries(folder_of(handler))] == [[0], [1], [2], [3]]
    assert len({entry["run_id"] for entry in entries(folder_of(handler))}) == 4
    assert handler.aggregate_results()["best_loss"]["n"] == 4


def test_reset_forgets_the_metrics_and_the_best_rule(tmp_path):
    handler = begin(tmp_path)
    handler.set_metric("plain", 1)
    handler.set_best("early_stopping", metric="plain")
    handler.log()
    handler.reset()
    handler.set_dict_metrics({"a": {"plain": 1}})
    assert handler.log().rule.method == "last"


def test_reset_may_change_a_parameter_that_does_not_count(tmp_path):
    handler = begin(tmp_path, seed=1)
    handler.log()
    handler.reset(seed=2)
    assert handler.seed == 2
    handler.log()
    assert [entry["legm"]["parameters"]["seed"] for entry in entries(folder_of(handler))] == [1, 2]


@pytest.mark.parametrize(
    ("name", "message"), [("lr", "only parameters that are not compared"), ("sed", "did you mean 'seed'")]
)
def test_reset_refuses_to_make_it_another_configuration(tmp_path, name, message):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0.5)
    with pytest.raises(ParameterError, match=message):
        handler.reset(**{"seed": 7, name: 1})
    assert (handler.seed, handler.lr) == (0, 0.1)
    assert values(handler.log()) == [0.5]  # the run continues


def test_reset_before_log_leaves_an_interrupted_run(tmp_path):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0.5)
    handler.reset()
    handler.set_metric("loss", 0.25)
    handler.log()
    assert shown(folder_of(handler)) == [
        (Status.INTERRUPTED, "reset() before log()"),
        (Status.COMPLETED, None),
    ]
    assert [run.points for run in runs(folder_of(handler))] == [1, 1]
    summary = handler.aggregate_results()["best_loss"]
    assert (summary["n"], summary["mean"], summary["interrupted"]) == (1, 0.25, 1)


# The context manager


def test_leaving_normally_logs(tmp_path):
    with begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
    assert shown(folder_of(handler)) == [(Status.COMPLETED, None)]
    with pytest.raises(StateError, match=r"after the run was closed: .* reset\(\)"):
        handler.set_metric("loss", 1)
    assert handler.aggregate_results()["best_loss"]["n"] == 1
    handler.reset()
    handler.set_metric("loss", 0.25)
    handler.log()
    assert len(entries(folder_of(handler))) == 2


def test_leaving_after_log_adds_nothing(tmp_path):
    with begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        first = handler.log()
    assert [entry["run_id"] for entry in entries(folder_of(handler))] == [first.run.run_id]


def test_leaving_with_more_than_was_logged_logs_again(tmp_path):
    with begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        handler.log()
        handler.set_metric("loss", 0.25)
    (entry,) = entries(folder_of(handler))
    assert entry["loss"] == [0.5, 0.25]


@pytest.mark.parametrize("code", [0, None, False])
def test_an_exit_without_error_completes_the_run(tmp_path, code):
    with pytest.raises(SystemExit), begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        sys.exit(code)
    (entry,) = entries(folder_of(handler))
    assert entry["best_loss"] == 0.5


@pytest.mark.parametrize("error", [ValueError("loss is\nso low"), KeyboardInterrupt(), SystemExit(3)])
def test_leaving_by_an_exception_marks_the_run_as_failed_and_the_exception_is_raised_on(tmp_path, error):
    with pytest.raises(type(error)) as raised, begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        handler.set_metric("loss", 0.25)
        raise error
    assert raised.value is error
    assert raised.value.__context__ is None
    ((status, text),) = shown(folder_of(handler))
    assert (status, text) == (Status.FAILED, f"{type(error).__name__}: {error}")
    assert [run.points for run in runs(folder_of(handler))] == [2]
    assert entries(folder_of(handler)) == []


def test_an_exception_after_log_leaves_the_run_completed(tmp_path):
    with pytest.raises(ValueError, match="later"), begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        handler.log()
        raise ValueError("later")
    assert shown(folder_of(handler)) == [(Status.COMPLETED, None)]


def test_an_exception_before_start_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="early"), ExperimentHandler(tmp_path / "root", "e"):
        raise ValueError("early")
    assert not (tmp_path / "root").exists()


def test_leaving_without_start_is_nothing(tmp_path):
    with ExperimentHandler(tmp_path / "root", "e"):
        pass
    assert not (tmp_path / "root").exists()


def test_a_best_metric_that_is_never_set_does_not_keep_a_run_from_being_completed(tmp_path, caplog):
    with begin(tmp_path) as handler:
        handler.set_best("early_stopping", metric="acc")
        handler.set_metric("loss", 0.5)
        handler.flush()
        assert not caplog.records
        handler.set_metric("loss", 0.25)
        handler.flush()
        assert "metric='acc', which was not set at the first step" in caplog.text
        with pytest.raises(MetricError, match="did you mean 'loss'"):
            handler.set_best("early_stopping", metric="los")
    assert "chosen by the dev metric 'acc', which was never set" in caplog.text
    assert shown(folder_of(handler)) == [(Status.COMPLETED, None)]
    assert [entry["best_loss"] for entry in entries(folder_of(handler))] == [0.25]


def test_the_users_exception_is_raised_on_when_the_store_fails_too(tmp_path, full_disk, caplog):
    with pytest.raises(ValueError, match="mine"), begin(tmp_path) as handler:
        handler.set_metric("loss", 0.5)
        full_disk.full = True
        raise ValueError("mine")
    assert "the run could not be marked as failed" in caplog.text
    full_disk.full = False


# Runs that nobody ends


def test_a_handler_that_is_dropped_leaves_everything_that_was_set(tmp_path):
    handler = begin(tmp_path)
    folder = folder_of(handler)
    for number in range(10):
        handler.set_metric("loss", number)
    handler.set_metric("acc", 1, test=True)
    del handler
    gc.collect()
    (run,) = runs(folder)
    assert (run.status, run.points) == (Status.INTERRUPTED, 11)
    assert values(run) == list(range(10))


UNLOGGED = """
import os, sys, threading, time, warnings
from concurrent import futures
import legm.backends.local.event_file, legm.core.results  # once for all children
from legm import ExperimentHandler
warnings.simplefilter("ignore")

def begin(name):
    handler = ExperimentHandler(sys.argv[1], name)
    handler.set_param("lr", 0.1)
    handler.start()
    for number in range(1000):
        handler.set_metric("loss", number)
    handler.set_best("early_stopping", metric="loss")
    return handler

for ending in sys.argv[2:]:
    child = os.fork() if len(sys.argv) > 3 else 0
    if child:
        os.waitpid(child, 0)
        continue
    handler = begin(ending)
    if ending == "exit":
        sys.exit(0)
    elif ending == "exit 3":
        sys.exit(3)
    elif ending == "raise exit 4":
        raise SystemExit(4)
    elif ending == "caught":
        try:
            sys.exit(3)
        except SystemExit:
            handler.set_metric("loss", 1000)
    elif ending == "raise":
        sys.excepthook = lambda *_: None
        raise ValueError("late")
    elif ending == "kill":
        handler.flush()
        os.kill(os.getpid(), 9)
    elif ending == "with":
        with handler:
            sys.exit(0)
    elif ending == "exit 0.0":  # which is not 0 for Python
        sys.exit(0.0)
    elif ending == "thread":
        def later():
            threading.main_thread().join()
            handler.set_metric("loss", 1000)
        threading.Thread(target=later).start()
    elif ending == "executor":
        def later():
            while not futures.thread._shutdown:
                time.sleep(0.005)
            handler.set_metric("loss", 1000)
        futures.ThreadPoolExecutor(1).submit(later)
    elif ending == "two":
        another = begin("another")
        del handler
    break
"""
ENDINGS = {
    "end": (Status.COMPLETED, None),
    "thread": (Status.COMPLETED, None),
    "executor": (Status.COMPLETED, None),
    "exit": (Status.COMPLETED, None),
    "exit 0.0": (Status.FAILED, "SystemExit: 0.0"),
    "exit 3": (Status.FAILED, "SystemExit: 3"),
    "raise exit 4": (Status.FAILED, "SystemExit: 4"),
    "caught": (Status.COMPLETED, None),
    "raise": (Status.FAILED, "ValueError: late"),
    "kill": (Status.INTERRUPTED, "the process ended without log()"),
    "with": (Status.COMPLETED, None),
    "two": (Status.INTERRUPTED, "its handler was dropped before log()"),
    "another": (Status.COMPLETED, None),
}


def test_a_process_that_ends_normally_completes_its_open_run(tmp_path):
    python(UNLOGGED, tmp_path, "end")
    (folder,) = (path.parent for path in tmp_path.glob("end/*/params.yml"))
    assert shown(folder) == [(Status.COMPLETED, None)]
    assert [entry["loss"] for entry in entries(folder)] == [list(range(1000))]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
def test_how_a_process_ends_is_how_its_open_runs_end(tmp_path):
    python(UNLOGGED, tmp_path, *(ending for ending in ENDINGS if ending != "another"))
    list(recover_folders(tmp_path))
    for ending, end in ENDINGS.items():
        (folder,) = (path.parent for path in tmp_path.glob(f"{ending}/*/params.yml"))
        assert (ending, *shown(folder)) == (ending, end)
        is_more = ending in {"caught", "thread", "executor"}
        assert [run.points for run in runs(folder)] == [1001 if is_more else 1000]
    handler = ExperimentHandler(tmp_path, "kill")
    handler.set_param("lr", 0.1)
    with handler.start():
        handler.set_metric("loss", 5)
    summary = handler.aggregate_results()["best_loss"]
    assert (summary["n"], summary["mean"], summary["failed"], summary["interrupted"]) == (1, 5.0, 0, 1)


def test_a_handler_that_is_dropped_warns_once_and_names_log_and_a_command_that_works(
    tmp_path, tmp_path_factory, monkeypatch, caplog
):
    root = tmp_path / "root of mine"
    handler = begin(root)
    handler.log()
    handler.reset()
    handler.set_metric("loss", 1)
    del handler
    gc.collect()
    (message,) = (one.message for one in caplog.records if "dropped" in one.message)
    assert "log()" in message
    program, *arguments = shlex.split(message.split("`")[1])
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    done = call(*arguments)
    assert program == "legm"
    assert done.exit_code == 0, done.output
    assert "completed" in done.output


def test_an_interrupted_run_can_be_completed_later(tmp_path):
    handler = begin(tmp_path)
    for number in (3, 1, 2):
        handler.set_metric("loss", number)
    handler.set_best("early_stopping", metric="loss", higher_better=False)
    run_id, folder = handler.run_id, folder_of(handler)
    with pytest.raises(StorageError, match="written by another process"):
        end_stored_run(tmp_path, run_id, Status.COMPLETED)
    del handler
    gc.collect()
    list(recover_folders(tmp_path))
    with pytest.raises(ParameterError, match=f"no run 'x.*{run_id}"):
        end_stored_run(tmp_path, "x" + run_id, Status.COMPLETED)
    (delivered,) = end_stored_run(tmp_path, run_id[-6:], Status.COMPLETED)
    assert (delivered.result.status, delivered.result.best_step) == (Status.COMPLETED, 1)
    assert shown(folder) == [(Status.COMPLETED, None)]
    assert [entry["best_loss"] for entry in entries(folder)] == [1]
    with pytest.raises(StateError, match="completed already"):
        end_stored_run(tmp_path, run_id, Status.COMPLETED)


def test_failed_and_interrupted_runs_are_counted_and_never_aggregated(tmp_path):
    for number in range(2):
        with begin(tmp_path) as handler:
            handler.set_metric("loss", number)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), begin(tmp_path) as handler:
            handler.set_metric("loss", 1000)
            raise ValueError("no")
    begin(tmp_path).reset()
    gc.collect()
    summary = handler.aggregate_results()
    found = summary["best_loss"]
    assert (found["n"], found["mean"], found["failed"], found["interrupted"]) == (2, 0.5, 3, 2)
    (ranked,) = handler.get_best("loss", higher_better=False)
    assert (ranked.completed, ranked.failed, ranked.interrupted, ranked.value.mean) == (2, 3, 2, 0.5)


@pytest.mark.parametrize("root", ["", None, 3, b"results", "a\0b"])
def test_what_is_no_path_is_no_root(root):
    for given in (
        lambda: ExperimentHandler(root, "e"),
        lambda: legm.open(root),
        lambda: TrainingRun(root, "e"),
    ):
        with pytest.raises(
            ParameterError, match=f"a root directory has to be a path, not {re.escape(repr(root))}"
        ):
            given()
    with pytest.raises(ParameterError, match="an experiment's folder has to be a path"):
        legm.amend(root, drop=["lr"])
    with pytest.raises(ParameterError, match="a configuration's folder has to be a path"):
        ExperimentHandler.load_existent(root)


def test_a_relative_root_stays_where_it_was_when_the_process_changes_its_folder(tmp_path, monkeypatch):
    (home := tmp_path / "home").mkdir()
    (other := tmp_path / "other").mkdir()
    monkeypatch.chdir(home)
    made = ExperimentHandler("results", "e")
    for _ in range(2):
        monkeypatch.chdir(home)
        made.reset() if made.run_id else made.start()
        made.set_metric("loss", 0.5)
        monkeypatch.chdir(other)
        made.set_metric("loss", 0.25)
        made.set_custom_data({"a": 1})
        made.log()
    monkeypatch.chdir(other)
    assert made.aggregate_results()["best_loss"]["n"] == 2
    made.reset()
    made.log()
    folder = home / "results" / "e" / "_0"
    assert made.get_save_filename() == str(folder / "model.pt")
    assert len(entries(folder)) == 3
    assert list(other.iterdir()) == []


def test_without_a_completed_run_the_others_are_named(tmp_path):
    with pytest.raises(ValueError, match="no"), begin(tmp_path) as handler:
        raise ValueError("no")
    with pytest.raises(StateError, match=r"no completed run .*1 failed, 0 interrupted"):
        handler.aggregate_results()


ALIVE = """
import sys
from legm import ExperimentHandler
with ExperimentHandler(sys.argv[1], "e") as handler:
    handler.set_param("lr", 0.1)
    handler.start()
    handler.set_metric("loss", 0.25)
    handler.flush()
    print("running", flush=True)
    sys.stdin.readline()
"""


def test_a_run_of_a_living_process_is_running_and_left_alone(tmp_path):
    command = [sys.executable, "-c", ALIVE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "running\n"
        (folder,) = (path.parent for path in tmp_path.glob("e/*/params.yml"))
        assert shown(folder) == [(Status.RUNNING, None)]
        with ExperimentHandler.load_existent(folder).start() as handler:
            handler.set_metric("loss", 0.75)
        summary = handler.aggregate_results()["best_loss"]
        assert (summary["n"], summary["interrupted"]) == (1, 0)
        assert shown(folder) == [(Status.RUNNING, None), (Status.COMPLETED, None)]
        other.communicate("continue\n", timeout=60)
    assert other.returncode == 0
    assert shown(folder) == [(Status.COMPLETED, None)] * 2
    assert handler.aggregate_results()["best_loss"]["mean"] == 0.5


FORKED = """
import json, os, sys, warnings
from legm import ExperimentHandler, StateError
warnings.simplefilter("ignore")  # Python's own, of forking a process with threads
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_dict_params({"lr": 0.1, "seed": 0})
handler.disable_param("seed")
handler.start()
handler.set_metric("loss", 0)
if sys.argv[2] == "written":
    handler.flush()
if sys.argv[2] == "logged":
    handler.log()
read, write = os.pipe()
child = os.fork()
if child == 0:
    said = []
    for call in (
        lambda: handler.set_metric("loss", 100),
        lambda: handler.set_dict_metrics({"loss": 100, "new": 1}),
        lambda: handler.set_best("early_stopping", step=7),
        lambda: handler.log(),
        lambda: handler.reset(seed=1),
        lambda: handler.set_metric("loss", 100),
    ):
        try:
            call()
            said.append("nothing was said")
        except StateError as error:
            said.append(str(error))
        except Exception as error:
            said.append(repr(error))
    try:
        with handler:
            raise KeyError
    except KeyError:
        pass
    own = ExperimentHandler(sys.argv[1], "child")
    own.start()
    own.set_metric("loss", 5)
    own.log()
    os.write(write, json.dumps(said).encode())
    os.close(write)
    if sys.argv[3] == "exit":
        sys.exit(0)
    os._exit(0)
os.close(write)
with os.fdopen(read) as pipe:
    said = pipe.read()
assert os.waitpid(child, 0)[1] == 0
handler.set_metric("loss", 1)
result = handler.log()
print(said)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
@pytest.mark.parametrize("before", ["pending", "written", "logged"])
@pytest.mark.parametrize("ending", ["exit", "_exit"])
def test_a_forked_child_is_refused_and_harms_nothing(tmp_path, before, ending):
    said = json.loads(python(FORKED, tmp_path, before, ending))
    assert len(said) == 6
    for message in said:
        assert "belongs to the parent process" in message
    (folder,) = (path.parent for path in tmp_path.glob("e/*/params.yml"))
    (entry,) = entries(folder)
    assert entry["loss"] == [0, 1]
    assert shown(folder) == [(Status.COMPLETED, None)]
    (child,) = tmp_path.glob("child/*/metrics.yml")
    assert [e["loss"] for e in entries(child.parent)] == [[5]]


# A folder that a user moves or deletes during the run


@pytest.mark.parametrize("how", ["renamed", "deleted", "experiment deleted"])
@pytest.mark.parametrize("is_logged", [False, True])
def test_a_folder_that_is_moved_or_deleted_during_the_run_is_noticed_and_log_stores_the_run(
    tmp_path, caplog, monkeypatch, how, is_logged
):
    write = recorder.Recorder.flush
    written: list[int] = []

    def flush(self: recorder.Recorder) -> int:
        position = write(self)
        if self.path.stem == run_id and threading.current_thread().name == "legm-recorder":
            written.append(position)
        return position

    assert 2 * vars(recorder)["_FLUSH_INTERVAL"] < 1
    monkeypatch.setattr(recorder, "_FLUSH_INTERVAL", 0.02)
    monkeypatch.setattr(recorder.Recorder, "flush", flush)
    handler = begin(tmp_path)
    run_id = handler.run_id
    handler.set_metric("loss", 0)
    if is_logged:
        handler.log()
    handler.flush()
    folder = folder_of(handler)
    if how == "renamed":
        folder = folder.rename(folder.with_name("by hand"))
    else:
        shutil.rmtree(folder if how == "deleted" else folder.parent)
    handler.set_metric("loss", 1)
    earlier = len(written)
    until(lambda: len(written) >= earlier + 2)  # of the intervals, the first may have begun before
    assert "moved or deleted during the run" in caplog.text
    handler.set_metric("loss", 2)
    handler.flush()
    assert caplog.text.count("moved or deleted during the run") == 1
    assert values(handler.log()) == [0, 1, 2]
    assert folder_of(handler) == folder
    assert [entry["loss"] for entry in entries(folder)] == [[0, 1, 2]]
    assert shown(folder) == [(Status.COMPLETED, None)]
    handler.set_metric("loss", 3)
    handler.log()
    assert [entry["loss"] for entry in entries(folder)] == [[0, 1, 2, 3]]


# At once


def test_threads_that_set_metrics_at_once_lose_nothing(tmp_path):
    handler = begin(tmp_path)
    go = threading.Barrier(6)

    def work(number):
        go.wait()
        for step in range(500):
            handler.set_metric(f"m{number}", step, step=step)
            handler.set_dict_metrics({"shared": number, f"g{number}": step}, step=number * 500 + step)
            handler.set_metric("counted", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = handler.log()
    found = {series.name: history for series, history in result.histories.items()}
    for number in range(6):
        assert found[f"m{number}"].values.tolist() == list(range(500))
        assert found[f"g{number}"].values.tolist() == list(range(500))
        assert found["shared"].values[number * 500 : number * 500 + 500].tolist() == [number] * 500
    assert found["counted"].steps.tolist() == list(range(3000))
    assert sorted(found["counted"].values.tolist()) == [n for n in range(6) for _ in range(500)]
    (entry,) = entries(folder_of(handler))
    assert entry["counted"] == found["counted"].values.tolist()


def test_metrics_may_be_set_while_another_thread_logs(tmp_path):
    handler = begin(tmp_path)
    done = threading.Event()

    def work():
        for step in range(3000):
            handler.set_metric("loss", step)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        handler.log()
    thread.join()
    assert values(handler.log()) == list(range(3000))
    assert len(entries(folder_of(handler))) == 1


def test_several_handlers_live_side_by_side_in_one_process(tmp_path):
    handlers = [begin(tmp_path, "d" if n == 4 else None, lr=n // 2) for n in range(6)]
    for step in range(5):
        for number, handler in enumerate(handlers):
            handler.set_metric("loss", number * 10 + step)
    for number, handler in enumerate(handlers):
        assert values(handler.log()) == [number * 10 + step for step in range(5)]
    folders = [folder_of(handler) for handler in handlers]
    assert len(set(folders)) == 3
    assert [len(entries(folder)) for folder in folders] == [2] * 6
    assert [handler.aggregate_results()["best_loss"]["n"] for handler in handlers] == [2, 2, 2, 2, 1, 1]


# At the wrong time

CALLS = {
    "set_metric()": lambda h: h.set_metric("loss", 1),
    "set_dict_metrics()": lambda h: h.set_dict_metrics({"loss": 1}),
    "set_best()": lambda h: h.set_best(),
    "log()": lambda h: h.log(),
    "set_custom_data()": lambda h: h.set_custom_data({"a": 1}),
    "log_artifact()": lambda h: h.log_artifact(__file__),
    "tensorboard_write()": lambda h: h.tensorboard_write("a", 1, 0),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_needs_a_run_is_refused_before_start_and_after_the_end(tmp_path, call):
    handler = ExperimentHandler(tmp_path, "e")
    with pytest.raises(StateError) as early:
        CALLS[call](handler)
    assert call in str(early.value)
    assert "start()" in str(early.value)
    assert not list(tmp_path.iterdir())
    with handler.start():
        pass
    with pytest.raises(StateError) as late:
        CALLS[call](handler)
    assert call in str(late.value)
    assert "reset()" in str(late.value)


def test_reset_and_file_names_are_refused_before_start(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    with pytest.raises(StateError, match=r"start\(\)"):
        handler.reset()
    with pytest.raises(StateError, match=r"start\(\)"):
        handler.get_save_filename()
    with pytest.raises(StateError, match=r"start\(\)"):
        handler.model_save_filename  # noqa: B018


def test_start_twice_is_one_start_until_something_is_set(tmp_path):
    handler = begin(tmp_path)
    assert handler.start() is handler
    handler.set_metric("loss", 1)
    with pytest.raises(StateError, match=r"reset\(\)"):
        handler.start()
    handler.log()
    with pytest.raises(StateError, match=r"reset\(\)"):
        handler.start()
    assert len(runs(folder_of(handler))) == 1


def test_start_after_the_end_begins_another_run(tmp_path):
    with begin(tmp_path) as handler:
        handler.set_metric("loss", 1)
    with handler.start():
        handler.set_metric("loss", 2)
    assert [entry["loss"] for entry in entries(folder_of(handler))] == [[1], [2]]


def test_a_start_that_was_refused_may_be_tried_again(tmp_path):
    handler = ExperimentHandler(tmp_path / "root", "e")
    (tmp_path / "root").write_text("in the way")
    with pytest.raises(StorageError):
        handler.start()
    (tmp_path / "root").unlink()
    handler.set_param("lr", 1)  # nothing is frozen
    handler.start().set_metric("loss", 1)
    assert values(handler.log()) == [1]


# Descriptions and existing configurations


def test_descriptions_distinguish_runs_of_one_configuration(tmp_path):
    handlers = {}
    for number, description in enumerate([None, "", "ablation", "ablation", "ABLATION", "a/b: ../c"]):
        handlers[description] = handler = begin(tmp_path, description)
        handler.set_metric("loss", number)
        handler.log()
    assert len({folder_of(handler) for handler in handlers.values()}) == 1
    means = {d: h.aggregate_results()["best_loss"]["mean"] for d, h in handlers.items()}
    assert means == {None: 0.5, "": 0.5, "ablation": 2.5, "ABLATION": 4, "a/b: ../c": 5}
    assert [entry["description"] for entry in entries(folder_of(handler))] == [
        "",
        "",
        "ablation",
        "ablation",
        "ABLATION",
        "a/b: ../c",
    ]
    aggregated = yaml.safe_load((folder_of(handler) / "aggregated_metrics.yml").read_text())
    assert {d: a["best_loss"]["n"] for d, a in aggregated.items()} == {
        "": 2,
        "ablation": 2,
        "ABLATION": 1,
        "a/b: ../c": 1,
    }


def test_an_existing_configuration_takes_further_runs(tmp_path):
    with begin(tmp_path, lr=[0.1, None, "x"]) as first:
        first.set_metric("loss", 1)
    folder = folder_of(first)
    with ExperimentHandler.load_existent(folder).start() as second:
        second.set_metric("loss", 3)
    with ExperimentHandler.load_existent(str(folder), "other").start() as third:
        third.set_metric("loss", 100)
    assert first == second == third
    assert second.lr == [0.1, None, "x"]
    assert [folder_of(second), folder_of(third)] == [folder, folder]
    assert [(e["description"], e["loss"]) for e in entries(folder)] == [
        ("", [1]),
        ("", [3]),
        ("other", [100]),
    ]
    assert first.aggregate_results()["best_loss"]["mean"] == 2


def test_what_is_no_configuration_cannot_be_loaded(tmp_path):
    with pytest.raises(StorageError, match=str(tmp_path)):
        ExperimentHandler.load_existent(tmp_path / "nothing")
    with pytest.raises(StorageError, match=str(tmp_path)):
        ExperimentHandler.load_existent(tmp_path)


# A disk that is full for a while


class FullDisk:
    """The module ``os`` for the run log, on a disk that may be full."""

    def __init__(self) -> None:
        self.full = False
        self.refused = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        if self.full:
            self.refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data[: max(1, len(data) // 2)])  # and a system that writes a part only


@pytest.fixture
def full_disk(monkeypatch):
    disk = FullDisk()
    monkeypatch.setattr(log_writer, "os", disk)
    monkeypatch.setattr(recorder, "_FLUSH_INTERVAL", 0.02)
    return disk


def wait_until_refused(disk: FullDisk) -> None:
    before = disk.refused
    until(lambda: disk.refused > before)


def test_while_the_disk_is_full_training_continues_and_nothing_is_lost(tmp_path, full_disk, caplog):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0)
    handler.flush()
    full_disk.full = True
    handler.set_dict_metrics({"loss": 1, "new": 1})
    wait_until_refused(full_disk)
    handler.set_best("early_stopping", metric="new")
    handler.set_metric("loss", 2)
    wait_until_refused(full_disk)
    handler.set_metric("loss", 3)
    wait_until_refused(full_disk)
    assert caplog.text.count("the disk is full") == 1
    with pytest.raises(StorageError, match="the disk is full: free some space"):
        handler.log()
    with pytest.raises(StorageError, match=str(tmp_path)):
        handler.log()
    assert entries(folder_of(handler)) == []
    handler.set_metric("loss", 4)
    full_disk.full = False
    result = handler.log()
    assert values(result) == [0, 1, 2, 3, 4]
    assert (result.best_step, result.points) == (0, 6)
    (entry,) = entries(folder_of(handler))
    assert (entry["loss"], entry["best_loss"]) == ([0, 1, 2, 3, 4], 0)
    assert shown(folder_of(handler)) == [(Status.COMPLETED, None)]


def test_after_the_disk_has_space_again_everything_is_written_without_a_call(tmp_path, full_disk, caplog):
    handler = begin(tmp_path)
    full_disk.full = True
    for number in range(10):
        handler.set_metric("loss", number)
    wait_until_refused(full_disk)
    full_disk.full = False
    until(lambda: "nothing was lost" in caplog.text)
    (run,) = runs(folder_of(handler))
    assert (run.status, values(run)) == (Status.RUNNING, list(range(10)))


def test_a_full_disk_after_log_does_not_harm_what_was_logged(tmp_path, full_disk):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0)
    handler.log()
    full_disk.full = True
    handler.set_metric("loss", 1)
    with pytest.raises(StorageError):
        handler.log()
    assert [entry["loss"] for entry in entries(folder_of(handler))] == [[0]]
    full_disk.full = False
    assert values(handler.log()) == [0, 1]
    assert [entry["loss"] for entry in entries(folder_of(handler))] == [[0, 1]]


def test_what_a_full_disk_took_at_the_end_is_reported(tmp_path, full_disk, caplog):
    handler = begin(tmp_path)
    handler.set_metric("loss", 0)
    handler.flush()
    full_disk.full = True
    handler.set_metric("loss", 1)
    folder = folder_of(handler)
    del handler
    gc.collect()
    assert "Values that were set since the last successful write are lost" in caplog.text
    full_disk.full = False
    assert [values(run) for run in runs(folder)] == [[0]]


def test_a_start_on_a_full_disk_leaves_no_log_behind(tmp_path, full_disk):
    begin(tmp_path).log()
    full_disk.full = True
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_dict_params({"lr": 0.1, "seed": 0})
    handler.disable_param("seed")
    with pytest.raises(StorageError, match="the disk is full"):
        handler.start()
    full_disk.full = False
    handler.start()
    assert [status for status, _ in shown(folder_of(handler))] == [Status.COMPLETED, Status.RUNNING]


# An impatient user


class Impatient:
    """A number that takes so long that the user presses Ctrl-C."""

    def __init__(self) -> None:
        self.asked = False

    def __float__(self) -> float:
        self.asked = True
        raise KeyboardInterrupt


@pytest.mark.parametrize("test", [False, True])
def test_an_interrupt_while_a_value_is_recorded_leaves_complete_rows(tmp_path, test):
    handler = begin(tmp_path)
    handler.set_dict_metrics({"a": 0, "b": 0}, test=test)
    handler.set_metric("a", 1, test=test)
    for metrics in ({"a": 9, "b": Impatient()}, {"a": Impatient(), "b": 9}, {"b": 9, "a": Impatient()}):
        with pytest.raises(KeyboardInterrupt):
            handler.set_dict_metrics(metrics, test=test)
        with pytest.raises(KeyboardInterrupt):
            handler.set_dict_metrics(metrics, test=test, step=5)
        assert any(value.asked for value in metrics.values() if isinstance(value, Impatient))
    handler.set_dict_metrics({"a": 2, "b": 3}, test=test)
    handler.set_metric("b", 4, test=test)
    result = handler.log()
    if test:
        assert {series.name: value for series, value in result.test.items()} == {"a": 2, "b": 4}
    else:
        assert (values(result, "a"), values(result, "b")) == ([0, 1, 2], [0, 3, 4])
        assert [h.steps.tolist() for h in result.histories.values()] == [[0, 1, 2]] * 2
    assert result.points == 6


def test_a_best_metric_beside_others_that_was_never_set_is_refused_with_the_closest(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.start()
    handler.set_metric("val_loss", 0.5)
    with pytest.raises(MetricError, match="'val_los', which was never set; did you mean 'val_loss'"):
        handler.set_best("early_stopping", metric="val_los")
    handler.set_best("early_stopping", metric="val_loss", higher_better=False)
    assert handler.log().rule.metric == "val_loss"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_a_handler_reads_and_records_nothing(tmp_path, copied):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("lr", 0.1)
    handler.start()
    other = copied(handler)
    assert other.lr == 0.1
    other.set_metric("loss", 9.0)
    other.log()
    handler.set_metric("loss", 0.5)
    assert values(handler.log()) == [0.5]
    assert len(list(tmp_path.rglob("*.log"))) == 1
