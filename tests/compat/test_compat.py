"""Scripts with stand-ins for wandb and mlflow: how they are run, and what becomes of their calls."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.errors import NotSupported
from legm.importers import import_runs
from legm.records import RunResult, Status
from tests.support.calling import call
from tests.support.client_configs import CONFIGS_OF_CLIENTS
from tests.support.compat_play import play, played, snapshots
from tests.support.compat_stores import environment, in_legm, run
from tests.support.mlflow_store import count_native_runs, prepare_store
from tests.support.reading import runs_of
from tests.support.waiting import WAIT_FOR, until


def results(folder: Path, experiment: str) -> list[RunResult]:
    return runs_of(folder / "root", experiment)


# The script


WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("wandb", "mlflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from legm.compat import mlflow, wandb

with wandb.init(project="p", config={"a": 1}) as run:
    run.log({"loss": 1.0})
with mlflow.start_run():
    mlflow.log_metric("loss", 2.0)
assert not {name for name in sys.modules if name.partition(".")[0] in ("wandb", "mlflow")}
"""


def test_the_stand_ins_need_neither_library(tmp_path):
    (tmp_path / "script.py").write_text(WITHOUT, encoding="utf-8")
    done = run(["script.py"], tmp_path, LEGM_ROOT="root")
    assert done.returncode == 0, done.stderr
    assert in_legm(tmp_path / "root", "p")[0].points == {"loss": [(0, 1.0)]}
    assert in_legm(tmp_path / "root", "Default")[0].points == {"loss": [(0, 2.0)]}


WHO_AM_I = """
import sys, os, __main__
print([sys.argv, __name__, __main__.__dict__ is globals(), os.path.basename(__file__), __spec__ is None])
print(os.path.samefile(sys.path[0], os.path.dirname(os.path.abspath(__file__))))
print({name for name in ("SESSION", "main", "redirect_imports") if name in globals()})
"""


def test_a_script_runs_as_if_python_had_started_it(tmp_path):
    done = play(tmp_path, WHO_AM_I, "--epochs", "3", "-x")
    plain = run(["script.py", "--epochs", "3", "-x"], tmp_path)
    assert done.stdout == plain.stdout
    assert not plain.stderr
    assert "'--epochs'" in done.stdout


@pytest.mark.parametrize(
    ("end", "status", "kind", "error"),
    [
        ("pass", 0, Status.COMPLETED, None),
        ("sys.exit()", 0, Status.COMPLETED, None),
        ("sys.exit(3)", 3, Status.FAILED, "SystemExit: 3"),
        ("sys.exit('no data')", 1, Status.FAILED, "SystemExit: no data"),
        ("raise SystemExit(4)", 4, Status.FAILED, "SystemExit: 4"),
        ("raise SystemExit", 0, Status.COMPLETED, None),
        ("raise KeyError('x')", 1, Status.FAILED, "KeyError: 'x'"),
    ],
)
def test_the_exit_status_is_the_scripts_and_says_how_its_run_ended(tmp_path, end, status, kind, error):
    code = f"import sys, wandb\nwandb.init(project='p')\nwandb.log({{'a': 1}})\n{end}\n"
    done = play(tmp_path, code)
    assert done.returncode == status
    (found,) = results(tmp_path, "p")
    assert found.status is kind
    if error is not None:
        assert error in str(found.error)


def test_a_scripts_error_is_shown_with_its_own_lines_only(tmp_path):
    done = play(tmp_path, "def f():\n    raise ValueError('mine')\nf()\n")
    plain = run(["script.py"], tmp_path)
    assert done.returncode == plain.returncode == 1
    assert done.stderr == plain.stderr


def test_a_missing_script_is_reported(tmp_path):
    done = run(["-m", "legm.compat", "none.py"], tmp_path)
    assert done.returncode == 2
    assert "there is no file 'none.py'" in done.stderr


def test_python_processes_of_a_script_are_answered_too(tmp_path):
    (tmp_path / "inner.py").write_text(
        "import wandb\nwith wandb.init(project='inner') as run:\n    run.log({'a': 1})\n", encoding="utf-8"
    )
    code = "import subprocess, sys\nsubprocess.run([sys.executable, 'inner.py'], check=True)\n"
    played(tmp_path, code)
    assert in_legm(tmp_path / "root", "inner")[0].points == {"a": [(0, 1.0)]}


KILLED = (
    WAIT_FOR
    + """
import time, wandb
wandb.init(project="p", config={"lr": 0.1})
for i in range(10):
    wandb.log({"loss": 1 / (i + 1)})
wait_for("root/p/*/runs/open/*.log")  # the run began
wandb.config.update({"late": 1})
wandb.log({"loss": 0.0})
time.sleep(600)  # until it is killed
"""
)


def test_a_killed_script_leaves_an_interrupted_run_with_all_its_numbers(tmp_path):
    (tmp_path / "script.py").write_text(KILLED, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "legm.compat", "script.py"],
        cwd=tmp_path,
        env=environment(LEGM_ROOT="root"),
    )
    until(lambda: [one.points for one in results(tmp_path, "p")] == [11])
    process.send_signal(signal.SIGKILL)
    process.wait()
    (found,) = results(tmp_path, "p")
    assert found.status is Status.INTERRUPTED
    assert found.points == 11
    assert found.run.configuration.parameters == {"lr": 0.1}


KILLED_AFTER_TEST = """
import mlflow, sys
mlflow.set_experiment("e")
mlflow.start_run()
for step in range(2):
    mlflow.log_metric("loss", step, step=step)
    mlflow.log_metric("test_curve", step, step=step)
mlflow.log_metric("test_acc", 0.5)
sys.stdin.read()  # until it is killed
"""


def test_the_test_metrics_of_a_killed_script_are_recovered(tmp_path):
    (tmp_path / "script.py").write_text(KILLED_AFTER_TEST, encoding="utf-8")
    command = [sys.executable, "-m", "legm.compat", "script.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(LEGM_ROOT="root"), stdin=subprocess.PIPE
    )
    until(lambda: [one.points for one in results(tmp_path, "e")] == [5])
    process.kill()
    process.communicate()
    (before,) = snapshots(tmp_path, "e")
    assert "has its test metrics: acc" in call("recover", tmp_path / "root").stdout
    (found,) = results(tmp_path, "e")
    assert found.status is Status.INTERRUPTED
    assert {series.name: value for series, value in found.test.items()} == {"acc": 0.5}
    (after,) = snapshots(tmp_path, "e")
    assert (after.key, after.latest.keys()) == (before.key, before.latest.keys())  # the script's own names
    assert "test metrics" not in call("recover", tmp_path / "root").stdout


KILLED_BEFORE_DELIVERY = """
import sys, wandb
wandb.init(project="p", config={"lr": 0.1})
for i in range(10):
    wandb.log({"loss": 1 / (i + 1)})
sys.stdin.read()
"""


def test_the_runs_of_a_script_that_is_killed_get_to_wandb_by_sync(tmp_path):
    (tmp_path / "script.py").write_text(KILLED_BEFORE_DELIVERY, encoding="utf-8")
    variables = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    variables = environment(LEGM_ROOT="root", LEGM_BACKEND="local,wandb", **variables)
    with subprocess.Popen(
        [sys.executable, "-m", "legm.compat", "script.py"],
        cwd=tmp_path,
        env=variables,
        stdin=subprocess.PIPE,
    ) as process:
        until(lambda: [one.points for one in results(tmp_path, "p")] == [10])
        process.kill()

    def legm(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["-m", "legm", *arguments, "root"], tmp_path, **variables)

    assert "wandb lacks the runs of a drop-in script that was killed" in legm("recover").stdout
    assert not (tmp_path / "root" / "wandb").exists()
    done = legm("sync")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("wandb: 1 run of a drop-in script delivered")
    report = import_runs(tmp_path / "root" / "wandb", tmp_path / "copy")
    assert (report.created, report.is_complete) == (1, True)
    (found,) = runs_of(tmp_path / "copy", "p")
    assert (found.status, found.points) == (Status.INTERRUPTED, 10)
    assert legm("sync").stdout == "nothing is pending\n"
    assert "wandb" not in legm("recover").stdout


def test_a_script_that_is_killed_before_its_first_number_is_there(tmp_path):
    code = "import time, wandb\nwandb.init(project='p', config={'a': 1})\ntime.sleep(600)  # until it is killed\n"
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "legm.compat", "script.py"],
        cwd=tmp_path,
        env=environment(LEGM_ROOT="root"),
        stdout=subprocess.DEVNULL,
    )
    until(lambda: list(tmp_path.glob("root/p/*/runs/open/*.log")))
    process.kill()
    process.wait()
    (found,) = results(tmp_path, "p")
    assert found.status is Status.INTERRUPTED
    assert found.run.configuration.parameters == {"a": 1}


def test_a_run_that_is_never_finished_is_completed_when_the_process_ends(tmp_path):
    code = "from legm.compat import wandb\nwandb.init(project='p')\nwandb.log({'a': 1})\n"
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    done = run(["script.py"], tmp_path, LEGM_ROOT="root")
    assert done.returncode == 0
    assert not done.stderr
    (found,) = results(tmp_path, "p")
    assert found.status is Status.COMPLETED
    assert found.points == 1


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("import sys\nsys.exit('no data')", "SystemExit: no data"),
    ],
)
def test_an_uncaught_error_fails_the_run_also_without_a_block_around_it(tmp_path, end, error):
    code = f"from legm.compat import wandb\nwandb.init(project='p')\nwandb.log({{'a': 1}})\n{end}\n"
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    done = run(["script.py"], tmp_path, LEGM_ROOT="root")
    assert done.returncode == 1
    (found,) = results(tmp_path, "p")
    assert (found.status, found.error) == (Status.FAILED, error)


FILES = """
import wandb
with wandb.init(project="p", id="first") as run:
    open("f.txt", "w").write("kept")
    run.save("f.txt")
    run.summary["gone"], run.summary["words"], run.summary["again"] = 1, "some", 2
    for name in ("gone", "words", "again"):
        del run.summary[name]
    run.summary["again"] = 3
    artifact = wandb.Artifact("data", type="dataset")
    artifact.add_file("f.txt")
    print(list(artifact.manifest.entries))
    run.link_artifact(run.log_artifact(artifact), "registry/known", aliases=["good"])
with wandb.init(project="p", id="second") as run:
    print(open(run.use_artifact("registry/known:good").file()).read())
    print(run.restore("f.txt", run_path="me/p/first", root="restored").read(), open("restored/f.txt").read())
    try:
        wandb.restore("missing.txt")
    except ValueError as error:
        print(error)
"""


def test_files_and_artifacts_are_read_back_and_deleted_values_are_left_out(tmp_path):
    assert played(tmp_path, FILES).splitlines() == [
        "['f.txt']",
        "kept",
        "kept kept",
        "the run second has no file 'missing.txt'",
    ]
    first, _ = results(tmp_path, "p")
    assert {series.name: value for series, value in first.test.items()} == {"again": 3.0}
    assert "words" not in (snapshots(tmp_path, "p")[0].notes.get("summary") or {})


# Identity

LATE = (
    WAIT_FOR
    + """
import wandb
wandb.init(project="p", config={"lr": 0.1})
for i in range(3):
    wandb.log({"loss": 1 / (i + 1)}, step=10 * i)
open("f.txt", "w").write("kept")
wandb.save("f.txt")
wait_for("root/p/*/runs/open/*.log")  # the run began
wandb.config.update({"late": 5})
wandb.log({"loss": 9.0}, step=40)
wandb.finish()
"""
)


def test_a_parameter_that_comes_after_the_numbers_counts(tmp_path):
    played(tmp_path, LATE)
    (found,) = results(tmp_path, "p")
    assert found.status is Status.COMPLETED
    assert found.run.configuration.active == ("late", "lr")
    (history,) = found.histories.values()
    assert history.steps.tolist() == [0, 10, 20, 40]
    assert history.values.tolist() == [1.0, 0.5, 1 / 3, 9.0]
    (one,) = snapshots(tmp_path, "p")
    assert one.files["f.txt"].read_text() == "kept"
    assert len(list(tmp_path.glob("root/p/*/tensorboard/*/events*"))) == 1


def test_runs_that_differ_in_the_seed_only_are_one_configuration(tmp_path):
    code = (
        "import sys, wandb\nfor seed in range(3):\n"
        "    with wandb.init(project='p', config={'lr': 0.1, 'train': {'seed': seed}, 'out': f'/tmp/{seed}'}) as run:\n"
        "        run.log({'loss': seed})\n"
    )
    played(tmp_path, code, LEGM_IGNORE="o*", LEGM_NAME_PARAMS="lr")
    handler = ExperimentHandler(tmp_path / "root", "p")
    handler.set_param("lr", 0.1)
    assert handler.aggregate_results()["best_loss"]["mean"] == 1.0
    assert [one.name for one in (tmp_path / "root" / "p").glob("*_*")] == ["0.1_0"]


def test_what_clients_write_into_the_config_does_not_part_two_seeds(tmp_path):
    done = play(tmp_path, CONFIGS_OF_CLIENTS)
    assert "not recorded" not in done.stderr
    one, other = results(tmp_path, "p")
    assert one.run.configuration.fingerprint == other.run.configuration.fingerprint
    configuration = one.run.configuration
    assert {name: configuration.parameters[name] for name in configuration.active} == {
        "lr": 0.1,
        "env": "<__main__.Buffer object>",
        "buffers": "[<__main__.Buffer object>, '<__main__.Buffer object>']",
        "id2label.0": "a",
        "id2label.1": "b",
    }
    assert {"start_time", "_last_obs", "output_dir", "device"} <= set(one.run.parameters)


def test_a_parameter_is_compared_whatever_it_looks_like(tmp_path):
    played(tmp_path, CONFIGS_OF_CLIENTS, LEGM_COMPARE="device,start*")
    one, other = results(tmp_path, "p")
    assert {"device", "start_time"} <= set(one.run.configuration.active)
    assert one.run.configuration.fingerprint != other.run.configuration.fingerprint


def test_types_and_arrays_are_what_they_are_natively(tmp_path):
    code = (
        "import numpy as np, torch, mlflow, wandb\n"
        "class Net: pass\n"
        "values = dict(dtype=torch.bfloat16, device=torch.device('cpu'), kind=np.dtype('float32'), type=np.float32,\n"
        "    function=torch.nn.functional.relu, layer=torch.nn.ReLU, text=str(Net()))\n"
        "mlflow.set_experiment('p')\n"
        "for times in range(2):\n"
        "    with wandb.init(project='p', config=values) as run:\n"
        "        run.config.update(values)\n"
        "        run.log({'x': np.array([[0.5]]), 'y': torch.tensor([2.0]), 'z': np.ma.masked})\n"
        "    values['text'] = str(Net())\n"
        "    with mlflow.start_run():\n"
        "        mlflow.log_params(values)\n"
        "        mlflow.log_metrics({'x': np.array([[0.5]]), 'y': torch.tensor([2.0]), 'z': np.ma.masked}, step=0)\n"
    )
    played(tmp_path, code, LEGM_COMPARE="device")
    np, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    native = ExperimentHandler("unused", "p")
    native.set_dict_params(
        {
            "dtype": torch.bfloat16,
            "device": torch.device("cpu"),
            "kind": np.dtype("float32"),
            "type": np.float32,
            "function": torch.nn.functional.relu,
            "layer": torch.nn.ReLU,
            "text": "<__main__.Net object>",
        }
    )
    found = results(tmp_path, "p")
    assert [one.run.configuration.fingerprint for one in found] == [native.fingerprint] * 4
    assert found[0].run.configuration.parameters["dtype"] == "torch.bfloat16"
    for one in found:
        assert {series.name: repr(value) for series, value in one.best.items()} == {
            "x": "0.5",
            "y": "2.0",
            "z": "nan",
        }


def test_a_parameter_called_like_a_method_keeps_its_name_for_the_script(tmp_path):
    code = "import wandb\nwandb.init(project='p', config={'log': 1, 'log_': 2})\nwandb.log({'x': 1})\n"
    played(tmp_path, code)
    (one,) = snapshots(tmp_path, "p")
    assert dict(one.parameters) == {"log": 1, "log_": 2}


def test_another_backend_gets_the_runs(tmp_path, wandb_home, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    code = (
        f"{WAIT_FOR}from legm.compat import mlflow\nmlflow.set_experiment('p')\nwith mlflow.start_run():\n"
        "    mlflow.log_metric('x', 1)\n    wait_for('root/wandb/offline-run-*/*.wandb')\n    mlflow.log_param('late', 2)\n"
    )
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    done = run(["script.py"], tmp_path, LEGM_ROOT="root", LEGM_BACKEND="wandb", WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    found = list(stored_snapshots(Settings(tmp_path / "root", ("wandb",)), ["p"]))
    by_status = {one.status: dict(one.parameters) for one in found}
    assert by_status == {Status.COMPLETED: {"late": 2}, Status.INTERRUPTED: {}}


def test_wandb_and_mlflow_get_the_runs_of_a_script_whose_imports_are_the_stand_ins(tmp_path):
    """Each of them, although the script's own ``import wandb`` is the stand-in in the same process."""
    code = (
        "import wandb, mlflow\nwith wandb.init(project='p', config={'lr': 0.5}) as run:\n"
        "    run.log({'loss': 0.25})\nmlflow.set_experiment('q')\nmlflow.start_run()\nmlflow.log_metric('x', 1)\n"
    )
    variables = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    prepare_store(tmp_path / "root" / "mlflow.db")
    done = play(tmp_path, code, python=sys.executable, LEGM_BACKEND="local,wandb,mlflow", **variables)
    assert done.returncode == 0, done.stderr
    assert "not every run" not in done.stderr
    for source in ("wandb", "mlflow.db"):
        report = import_runs(tmp_path / "root" / source, tmp_path / source.partition(".")[0])
        assert (report.created, report.is_complete) == (2, True)
    (one,) = snapshots(tmp_path, "p")
    assert dict(one.parameters) == {"lr": 0.5}


NATIVE = """
import mlflow, wandb
from legm import ExperimentHandler
from legm.errors import BackendError

for name in ("mlflow", "wandb"):
    try:
        ExperimentHandler("own", "e", backend=name)
    except BackendError as error:
        print(error)
handler = ExperimentHandler("own", "e", backend=["local", "mlflow", "wandb"])
handler.set_param("lr", 0.5)
handler.start()
handler.set_metric("loss", 0.25)
handler.log()
print(handler.aggregate_results())
"""


def test_a_handlers_runs_get_to_wandb_and_mlflow_by_sync_where_imports_are_the_stand_ins(tmp_path):
    variables = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    done = play(tmp_path, NATIVE, **variables)
    assert done.returncode == 0, done.stderr
    for name in ("mlflow", "wandb"):
        assert f"record with backend=['local', '{name}']" in done.stdout
        assert f"without the mirror '{name}'" in done.stderr
    assert "not recorded" not in done.stderr
    assert [one.status for one in runs_of(tmp_path / "own", "e")] == [Status.COMPLETED]
    prepare_store(tmp_path / "own" / "mlflow.db")
    synced = run(["-m", "legm", "sync", "own"], tmp_path, **variables)
    assert synced.returncode == 0, synced.stderr
    assert len(list((tmp_path / "own" / "wandb").glob("offline-run-*"))) == 1
    assert count_native_runs(tmp_path / "own" / "mlflow.db") == 1


# Calls that are not there


def test_an_unsupported_call_is_reported_once_and_listed_at_the_end(tmp_path):
    code = (
        "import wandb\nfrom wandb.keras import WandbCallback\nwandb.init(project='p')\n"
        "for i in range(3):\n    wandb.controller({}).anything['x'](1)\n    wandb.log({'a': i})\n"
        "WandbCallback(monitor='x')\n"
    )
    done = play(tmp_path, code)
    assert done.returncode == 0
    said = done.stderr.splitlines()
    assert sum(line.startswith("wandb.controller is not recorded") for line in said) == 1
    assert said[-1] == "not recorded: wandb.controller, wandb.keras.WandbCallback"


def test_an_unsupported_call_is_an_error_where_that_is_wanted(tmp_path):
    done = play(tmp_path, "import wandb\nwandb.controller({})\n", LEGM_COMPAT_STRICT="1")
    assert done.returncode == 1
    assert "wandb.controller is not recorded" in done.stderr.splitlines()[-1]


def test_strict_notices_raise():
    with pytest.raises(NotSupported, match="x is not recorded: why"):
        UnsupportedCalls(strict=True).report_unsupported("x", "why")


# wandb


def test_an_older_step_is_kept(tmp_path):
    code = "import wandb\nrun = wandb.init(project='p')\nfor i in (5, 2, 7):\n    run.log({'a': i}, step=i)\n"
    played(tmp_path, code)
    assert in_legm(tmp_path / "root", "p")[0].points == {"a": [(2, 2.0), (5, 5.0), (7, 7.0)]}


def test_summary_values_are_test_values_and_a_defined_best_chooses_the_step(tmp_path):
    code = (
        "import wandb\nrun = wandb.init(project='p')\nrun.define_metric('acc', summary='max')\n"
        "for i, a in enumerate([1, 3, 2]):\n    run.log({'acc': a, 'loss': -a})\n"
        "assert run.summary['acc']['max'] == 3\nrun.summary['final'] = 0.5\nrun.summary['words'] = 'some'\n"
    )
    played(tmp_path, code)
    (found,) = results(tmp_path, "p")
    assert found.best_step == 1
    assert {str(series): value for series, value in found.test.items()} == {"test/final": 0.5}
    assert snapshots(tmp_path, "p")[0].notes["summary"] == {"words": "some"}


FIRST = """
import wandb
run = wandb.init(project="p", id="abc", name="one", tags=["t"], group="g", config={"a": 1, "b": {"c": 2}})
run.log({"x": 1.0})
artifact = wandb.Artifact("data", type="dataset")
with artifact.new_file("d.txt") as file:
    file.write("content")
run.log_artifact(artifact, aliases=["good"])
run.log({"x": 2.0})
wandb.finish(exit_code=FIRST_STATUS)
"""
SECOND = """
import wandb
found = wandb.Api().runs("me/p", filters={"config.a": 1, "tags": "t"})
print([(one.id, one.name, one.state, one.config, one.summary["x"], one.group) for one in found])
print([row["x"] for row in wandb.Api().run("me/p/abc").scan_history()])
run = wandb.init(project="p", id="abc", resume="must")
print(run.resumed, run.step, run.config["a"], open(run.use_artifact("data:latest").file()).read())
run.log({"x": 3.0})
wandb.finish()
"""


@pytest.mark.parametrize(("status", "state"), [("0", "finished"), ("1", "failed")])
def test_a_run_of_an_earlier_process_is_read_and_resumed(tmp_path, status, state):
    played(tmp_path, FIRST.replace("FIRST_STATUS", status))
    printed = played(tmp_path, SECOND).splitlines()
    assert printed == [
        f"[('abc', 'one', '{state}', {{'a': 1, 'b.c': 2}}, 2.0, 'g')]",
        "[1.0, 2.0]",
        "True 2 1 content",
    ]
    (one,) = results(tmp_path, "p")
    assert one.status is Status.COMPLETED
    assert in_legm(tmp_path / "root", "p")[0].points == {"x": [(0, 1.0), (1, 2.0), (2, 3.0)]}
    assert set(snapshots(tmp_path, "p")[0].files) == {"data:v0/d.txt"}


def test_drop_in_runs_are_not_marked_as_imported_runs(tmp_path):
    played(tmp_path, FIRST.replace("FIRST_STATUS", "0"))
    (one,) = results(tmp_path, "p")
    assert one.run.environment["drop_in"]["key"] == "abc"
    assert "imported" not in one.run.environment


def test_runs_that_earlier_versions_marked_as_imported_are_read_and_resumed(tmp_path):
    as_before = "from legm.core import origins\norigins.DROP_IN = 'imported'\nfrom legm.compat import wandb\n"
    script = tmp_path / "before.py"
    script.write_text(
        as_before + FIRST.replace("import wandb\n", "").replace("FIRST_STATUS", "0"), encoding="utf-8"
    )
    done = run(["before.py"], tmp_path, LEGM_ROOT="root")
    assert done.returncode == 0, done.stderr
    (old,) = results(tmp_path, "p")
    assert (old.run.environment["imported"]["key"], "drop_in" in old.run.environment) == ("abc", False)
    assert played(tmp_path, SECOND).splitlines()[1:] == ["[1.0, 2.0]", "True 2 1 content"]
    (new,) = results(tmp_path, "p")
    assert (new.run.environment["drop_in"]["key"], "imported" in new.run.environment) == ("abc", False)


def test_wandbs_errors_come_where_wandb_has_them(tmp_path):
    code = (
        "import wandb\nerrors = []\n"
        "for call in (lambda: wandb.log({'a': 1}), lambda: wandb.config.a, lambda: wandb.Api().run('x/y/z'),\n"
        "             lambda: wandb.init(id='q', resume='must')):\n"
        "    try:\n        call()\n    except wandb.Error as error:\n        errors.append(type(error).__name__)\n"
        "print(errors, wandb.run)\n"
    )
    assert played(tmp_path, code) == "['Error', 'Error', 'CommError', 'UsageError'] None\n"


# mlflow


def test_mlflow_resumes_a_run_of_an_earlier_process_with_its_current_parameters(tmp_path):
    code = "import mlflow\nwith mlflow.start_run() as run:\n    mlflow.log_metric('x', 1)\nprint(run.info.run_id)\n"
    run_id = played(tmp_path, code).strip()
    again = (
        "import mlflow\n"
        f"with mlflow.start_run(run_id={run_id!r}):\n    mlflow.log_metric('x', 2)\n    mlflow.log_param('p', 1)\n"
        f"client = mlflow.MlflowClient()\nclient.set_tag({run_id!r}, 'k', 'v')\nprint(client.get_run({run_id!r}).data)\n"
    )
    played(tmp_path, again)
    (found,) = results(tmp_path, "Default")
    assert found.status is Status.COMPLETED
    assert found.run.configuration.parameters == {"p": 1}
    assert in_legm(tmp_path / "root", "Default")[0].points == {"x": [(0, 1.0), (1, 2.0)]}
    assert snapshots(tmp_path, "Default")[0].notes["tags"]["k"] == "v"


STEPS = """
import mlflow
experiment = mlflow.set_experiment("e")
with mlflow.start_run():
    for value in range(3):
        mlflow.log_metric("none", value)
        mlflow.log_metric("equal", value, step=5)
        mlflow.log_metric("stepped", value, step=10 * value)
    mlflow.log_metric("one", 5, step=7)
    for value, step in [(1, None), (2, None), (3, 3), (4, None)]:
        mlflow.log_metric("mixed", value, step=step)
    for value, step in [(1, 3), (2, None)]:
        mlflow.log_metric("after", value, step=step)
client = mlflow.MlflowClient()
client.log_metric(client.create_run(experiment.experiment_id).info.run_id, "m", 1)
"""


CONFIG_FILES = """
import wandb
for settings in (None, wandb.Settings(config_paths=["b.yaml", "a.yaml"])):
    with wandb.init(project="p", config={"own": 1, "given": 2}, settings=settings) as run:
        print(*sorted(run.config.items()))
"""


def test_files_of_a_config_have_the_values_that_a_script_does_not_give(tmp_path):
    """wandb 0.31 refuses its own variable; earlier versions read the files that it names."""
    (tmp_path / "config-defaults.yaml").write_text("rate:\n  value: 0.9\nkept:\n  value: 1\n")
    (tmp_path / "a.yaml").write_text("rate:\n  value: 0.5\ngiven:\n  value: 3\nwandb_version: 1\n")
    (tmp_path / "b.yaml").write_text("rate:\n  value: 0.6\n")
    said = played(tmp_path, CONFIG_FILES, WANDB_CONFIG_PATHS="a.yaml,b.yaml,missing.yaml").splitlines()
    assert said == [f"('given', 2) ('kept', 1) ('own', 1) ('rate', {rate})" for rate in (0.6, 0.5)]


def test_mlflows_metrics_have_the_steps_that_a_capture_gives_them_and_open_runs_are_interrupted(tmp_path):
    played(tmp_path, STEPS)
    ended, left = results(tmp_path, "e")
    positions = [(step, float(step)) for step in range(3)]
    assert in_legm(tmp_path / "root", "e")[0].points == {
        "none": positions,
        "equal": positions,
        "stepped": [(10 * step, value) for step, value in positions],
        "one": [(7, 5.0)],
        "mixed": [(0, 4.0), (3, 3.0)],
        "after": [(0, 2.0), (3, 1.0)],
    }
    assert (ended.status, left.status) == (Status.COMPLETED, Status.INTERRUPTED)


def test_mlflows_runs_are_a_list_without_pandas(tmp_path):
    code = (
        "import sys\nsys.modules['pandas'] = None\nimport mlflow\n"
        "with mlflow.start_run():\n    mlflow.log_metric('x', 1)\n    mlflow.log_param('m', 'tree')\n"
        "found = mlflow.search_runs(filter_string=\"metrics.x >= 1 and params.m LIKE 'tr%' and attributes.status = 'FINISHED'\")\n"
        "print([one.data.metrics for one in found], mlflow.search_runs(filter_string='metrics.x > 1'))\n"
    )
    assert played(tmp_path, code) == "[{'x': 1.0}] []\n"


def test_a_run_fails_with_the_block_that_it_is_in(tmp_path):
    code = (
        "import mlflow\ntry:\n    with mlflow.start_run():\n        mlflow.log_metric('x', 1)\n        1 / 0\n"
        "except ZeroDivisionError:\n    pass\nprint(mlflow.last_active_run().info.status)\n"
    )
    assert played(tmp_path, code) == "FAILED\n"
    (found,) = results(tmp_path, "Default")
    assert found.error == "ZeroDivisionError: division by zero"


def test_a_deleted_run_is_kept_and_never_averaged(tmp_path):
    code = (
        "import mlflow\nwith mlflow.start_run() as run:\n    mlflow.log_metric('x', 1)\n"
        "client = mlflow.MlflowClient()\nclient.delete_run(run.info.run_id)\n"
        "print(client.get_run(run.info.run_id).info.lifecycle_stage, client.search_runs(['0']))\n"
    )
    assert played(tmp_path, code) == "deleted []\n"
    (found,) = results(tmp_path, "Default")
    assert found.status is Status.INTERRUPTED


MODELS = """
import lightgbm, mlflow, mlflow.lightgbm, numpy, sys
from sklearn.linear_model import LinearRegression
x = numpy.arange(40.0).reshape(20, 2)
booster = lightgbm.train({"verbose": -1, "min_data_in_leaf": 1, "num_threads": 1}, lightgbm.Dataset(x, x[:, 0]), 2)
sys.modules["skops"] = sys.modules["skops.io"] = None
with mlflow.start_run() as run:
    info = mlflow.lightgbm.log_model(booster, "booster")
    mlflow.sklearn.log_model(LinearRegression(), "linear")
again = mlflow.lightgbm.load_model(info.model_uri)
assert (again.predict(x) == booster.predict(x)).all()
for name in ("booster", "linear"):
    print([one.path for one in mlflow.MlflowClient().list_artifacts(run.info.run_id, name)])
"""


def test_a_model_is_kept_in_its_librarys_own_format_or_signed(tmp_path):
    done = play(tmp_path, MODELS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['booster/model.json', 'booster/model.txt']",
        "['linear/model.json', 'linear/python_model.signed']",  # which skops would have written
    ]
    assert "not recorded" not in done.stderr


def test_a_whole_number_that_loses_digits_is_reported_once(tmp_path):
    code = (
        "import mlflow, wandb\nbig = 2**53 + 1\nrun = wandb.init(project='p')\n"
        "for i in range(2):\n    run.log({'logged': big, 'exact': 2**60})\n    run.summary['set'] = big\n"
        "run.finish()\n"
        "with mlflow.start_run():\n    mlflow.log_metric('one', big)\n    mlflow.log_metrics({'several': big})\n"
    )
    done = play(tmp_path, code)
    assert done.returncode == 0, done.stderr
    said = [line.partition(", since")[0] for line in done.stderr.splitlines() if "is recorded as" in line]
    names = ("logged", "set", "one", "several")
    assert said == [f"metric {name!r}: {2**53 + 1} is recorded as {2**53}" for name in names]


THREADS = """
import threading, mlflow
mlflow.set_experiment("threads")

def work(number):
    with mlflow.start_run(run_name=f"r{number}"):
        for step in range(5):
            mlflow.log_metric("m", 10 * number + step, step=step)
            both.wait(60)

both = threading.Barrier(2)
threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
with mlflow.start_run(run_name="main") as run:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mlflow.active_run().info.run_id == run.info.run_id
    mlflow.log_metric("main", 1)
print(sorted((one.info.run_name, *one.data.metrics.items()) for one in mlflow.search_runs(output_format="list")))
"""


def test_each_thread_has_its_own_active_run(tmp_path):
    expected = [("main", ("main", 1.0)), ("r0", ("m", 4.0)), ("r1", ("m", 14.0))]
    assert played(tmp_path, THREADS) == f"{expected}\n"
    found = in_legm(tmp_path / "root", "threads")
    points = [[(step, 10.0 * n + step) for step in range(5)] for n in range(2)]
    assert sorted(one.points["m"] for one in found if "m" in one.points) == points


def test_what_is_logged_in_a_thread_of_legms_own_is_of_the_main_threads_run(tmp_path):
    """Python runs finalizers in whatever thread searches for garbage."""
    code = """
import threading, mlflow
mlflow.set_experiment("e")
with mlflow.start_run():
    thread = threading.Thread(target=mlflow.log_metric, args=("m", 1), name="legm-recorder")
    thread.start()
    thread.join()
"""
    played(tmp_path, code)
    (found,) = in_legm(tmp_path / "root", "e")
    assert found.points == {"m": [(0, 1.0)]}


def test_the_processes_of_a_script_log_into_its_mlflow_experiment(tmp_path):
    inner = "import mlflow\\nwith mlflow.start_run():\\n    mlflow.log_metric('a', 1)\\n"
    code = f"import subprocess, sys, mlflow\nmlflow.set_experiment('e')\nsubprocess.run([sys.executable, '-c', \"{inner}\"], check=True)\n"
    played(tmp_path, code)
    assert in_legm(tmp_path / "root", "e")[0].points == {"a": [(0, 1.0)]}


SKLEARN = """
import wandb
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.tree import DecisionTreeClassifier

run = wandb.init(project="p", config={"criterion": "mine", "random_state": 7})
x = np.random.default_rng(0).random((60, 3))
y = (x[:, 0] > 0.5).astype(int)
model = LogisticRegression(random_state=3).fit(x, y)
found = model.predict(x), model.predict_proba(x)
wandb.sklearn.plot_classifier(model, x, x, y, y, *found, ["a", "b"], model_name="LR", feature_names=["x", "y", "z"])
print(run.step)
regression = LinearRegression().fit(x, x.sum(axis=1) + y)
wandb.sklearn.plot_regressor(regression, x, x, x.sum(axis=1) + y, y)
run.log({"intercept": regression.intercept_})
print(run.step, np.isclose(regression.intercept_, LinearRegression().fit(x, x.sum(axis=1) + y).intercept_))
wandb.sklearn.plot_regressor(LinearRegression(), x, x, y, y)
for multinomial in (MultinomialNB(), DecisionTreeClassifier()):
    multinomial.fit(x, y)
    wandb.sklearn.plot_classifier(multinomial, x, x, y, y, *found, ["a", "b"], log_learning_curve=True)
    print(run.step)
wandb.sklearn.plot_roc(y, None)
print(run.step)
for names in ([], ["one"], ["one", "two", "three", "four"]):
    wandb.sklearn.plot_classifier(model, x, x, y, y, *found, names, feature_names=names)
print(run.config.as_dict())
"""


def test_plots_of_scikit_learn_change_no_parameter_and_are_rows_as_in_wandb(tmp_path):
    *steps, config = played(tmp_path, SKLEARN).splitlines()
    assert config == "{'criterion': 'mine', 'random_state': 7}"
    assert steps == ["7", "12 False", "19", "27", "28"]  # a regressor is fitted to a part of the data last
    (run,) = snapshots(tmp_path, "p")
    tables = {name: json.loads(path.read_text()) for name, path in run.files.items() if name[:6] == "media/"}
    assert tables["media/feature_importances_0.json"]["columns"] == ["feature_names", "importances"]
    signed = [value for _, value in tables["media/feature_importances_0.json"]["data"]]
    assert signed == sorted(signed, reverse=True)
    assert signed[-1] < 0
    assert tables["media/calibration_curve_4.json"]["data"][:2] == [
        ["Perfectly calibrated", 0, 0, 0, 0],
        ["Perfectly calibrated", 1, 1, 0, 0],
    ]
    confusion = tables["media/confusion_matrix_1.json"]
    assert confusion["columns"] == ["Predicted", "Actual", "Count"]
    assert [row[:2] for row in confusion["data"]] == [["a", "a"], ["b", "a"], ["a", "b"], ["b", "b"]]
    assert {name for name in tables if "_10." in name or "_9." in name} == {
        "media/outlier_candidates_9.json",
        "media/residuals_10.json",
    }


SWEEPS = """
import wandb

class Answering(dict):
    __getattr__ = dict.get

def train():
    with wandb.init(config=Answering(lr=9, batch=4)) as run:
        assert run.sweep_id
        run.config.update({"n": 7, "own": 1})
        if run.config.lr == 0.3:
            raise ValueError("too high")
        run.log({"loss": run.config.lr * run.config["n"]})

grid = {"method": "grid", "parameters": {"lr": {"values": [0.1, 0.2, 0.3]}, "n": {"values": [1, 2]}, "k": {"value": 5}}}
wandb.agent(wandb.sweep(grid, project="grid"), function=train)
drawn = {"n": {"min": 1, "max": 3}, "lr": {"distribution": "log_uniform_values", "min": 0.01, "max": 0.1}}
wandb.agent(wandb.sweep({"method": "random", "parameters": drawn}, project="random"), train, count=3)
wandb.agent(wandb.sweep({"method": "bayes", "parameters": drawn}, project="bayes"), train, count=1)
try:
    wandb.agent(wandb.sweep({"method": "random", "parameters": drawn}), train)
except wandb.UsageError as error:
    print(error)
"""


def test_an_agent_calls_a_function_for_each_set_of_parameters(tmp_path):
    done = play(tmp_path, SWEEPS)
    assert "has no end" in done.stdout
    assert "the method 'bayes' of a sweep is not recorded: its parameters are drawn at random" in done.stderr
    found = snapshots(tmp_path, "grid")
    given = [(one.parameters["lr"], one.parameters["n"]) for one in found]
    assert given == [(lr, n) for lr in (0.1, 0.2, 0.3) for n in (1, 2)]
    assert all(one.parameters["k"] == 5 and one.parameters["batch"] == 4 for one in found)
    assert all(one.parameters["own"] == 1 for one in found)
    assert [one.status for one in found] == [Status.COMPLETED] * 4 + [Status.FAILED] * 2
    assert [one.latest["loss"].value for one in found[:4]] == [0.1, 0.2, 0.2, 0.4]
    drawn = snapshots(tmp_path, "random")
    assert len(drawn) == 3
    assert all(0.01 <= one.parameters["lr"] <= 0.1 and one.parameters["n"] in {1, 2, 3} for one in drawn)
