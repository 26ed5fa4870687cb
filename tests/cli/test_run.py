"""``legm run``: which libraries a script gets, its options, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from legm.records import RunResult, Status
from tests.support.calling import misused
from tests.support.captured import QUIET, prepare_kept_store
from tests.support.compat_stores import environment
from tests.support.reading import runs_of

PARTS = {
    "wandb": "import wandb\nrun = wandb.init(project='p', config={'lr': 0.1, 'out': sys.argv[1:]})\n"
    "run.log({'loss': 0.5})\n",
    "mlflow": "import mlflow\nmlflow.set_experiment('p')\nmlflow.log_param('lr', 0.1)\n"
    "mlflow.log_metric('loss', 0.5)\n",
    "legm": "from legm import ExperimentHandler\nhandler = ExperimentHandler('root', 'p')\n"
    "handler.set_param('lr', 0.1)\nhandler.start()\nhandler.set_metric('loss', 0.5)\n",
}


def legm_run(
    folder: Path, *command: object, python: Path | str = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    """``legm run`` with these arguments."""
    return subprocess.run(
        [str(python), "-m", "legm", "run", *map(str, command)],
        cwd=folder,
        env=environment(LEGM_ROOT="root", **QUIET, **variables),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def script(folder: Path, *parts: str, end: str = "") -> Path:
    path = folder / "train.py"
    lines = [PARTS[one] for one in parts]
    path.write_text("import sys\nprint('begun')\n" + "".join(lines) + end, encoding="utf-8")
    return path


def only(folder: Path, experiment: str = "p") -> RunResult:
    (found,) = runs_of(folder / "root", experiment)
    return found


def consoles(folder: Path) -> list[str]:
    return [one.read_text(encoding="utf-8") for one in (folder / "root").rglob("legm-console.txt")]


def test_without_the_libraries_a_script_gets_the_stand_ins(tmp_path, bare_python):
    script(tmp_path, "wandb", "mlflow", end="sys.exit(3)\n")
    done = legm_run(tmp_path, "--", bare_python, "train.py", python=bare_python, LEGM_PROVENANCE="1")
    assert (done.returncode, done.stdout) == (3, "begun\n")
    assert done.stderr == (
        "legm: run with legm's stand-ins for wandb and mlflow, since wandb and mlflow are not installed\n"
    )
    for found in runs_of(tmp_path / "root", "p"):
        assert (found.status, found.error) == (Status.FAILED, "SystemExit: 3")
        assert found.run.environment["script"] == str(tmp_path / "train.py")
    assert "begun" in "".join(consoles(tmp_path))  # of which run is not said


def test_the_python_of_the_command_decides_and_not_that_of_legm(tmp_path, bare_python):
    script(tmp_path, "mlflow")
    done = legm_run(tmp_path, "--", bare_python, "-u", "train.py")
    assert (done.returncode, done.stdout) == (0, "begun\n")
    assert "stand-ins" in done.stderr
    assert only(tmp_path).run.environment["drop_in"]["from"] == "mlflow"


@pytest.mark.libraries
def test_an_installed_library_is_used_itself(tmp_path):
    prepare_kept_store(tmp_path)
    script(tmp_path, "mlflow", end="print(mlflow.__file__)\nsys.exit(5)\n")
    done = legm_run(tmp_path, "--", "train.py")  # the script alone: legm's Python runs it
    assert done.returncode == 5
    assert "site-packages" in done.stdout
    first, *report = done.stderr.splitlines()
    assert first == "legm: run with the installed wandb and mlflow"
    assert report[0] == "legm: captured 1 run of mlflow as 1 configuration in root"
    assert "imported" in only(tmp_path).run.environment
    assert "begun" in "".join(consoles(tmp_path))  # of which run is not said


def test_the_stand_ins_can_be_forced_and_take_the_options_of_capture(tmp_path):
    script(tmp_path, "wandb")
    options = ["--experiment", "mine", "--compare", "seed", "--ignore", "out", "--name-param", "lr"]
    done = legm_run(
        tmp_path, "--drop-in", "--json", *options, "--no-console", "--", sys.executable, "train.py", "x"
    )
    assert done.stderr == "legm: run with legm's stand-ins for wandb and mlflow\n"
    *printed, last = done.stdout.splitlines()
    assert (printed, json.loads(last)) == (["begun"], {"way": "drop-in", "status": 0})
    found = only(tmp_path, "mine").run
    assert found.configuration.active == ("lr",)
    assert found.configuration.name == "0.1"
    assert not consoles(tmp_path)


def test_a_script_of_a_handler_is_run_with_its_console(tmp_path, bare_python):
    script(tmp_path, "legm", end="print('after')\n")
    done = legm_run(tmp_path, "--", bare_python, "train.py", python=bare_python)
    assert (done.returncode, done.stdout) == (0, "begun\nafter\n")
    assert [one.partition("Z ")[2] for one in consoles(tmp_path)] == ["after\n"]
    assert (
        legm_run(tmp_path, "--no-console", "--", bare_python, "train.py", python=bare_python).returncode == 0
    )
    assert len(consoles(tmp_path)) == 1


def test_a_module_and_a_program_that_starts_python_get_the_stand_ins(tmp_path, bare_python):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "helper.py").write_text(PARTS["mlflow"])
    (tmp_path / "package" / "__main__.py").write_text("from . import helper\n")
    done = legm_run(tmp_path, "--", bare_python, "-m", "package", python=bare_python)
    assert done.returncode == 0, done.stderr
    launcher = tmp_path / "launch"
    launcher.write_text(
        f"#!{bare_python}\nimport subprocess, sys\n"
        "sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)\n"
    )
    launcher.chmod(0o755)
    script(tmp_path, "mlflow", end="sys.exit(7)\n")
    done = legm_run(tmp_path, "--", launcher, "train.py")
    assert (done.returncode, done.stdout) == (7, "begun\n")
    assert len(runs_of(tmp_path / "root", "p")) == 2


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_signal_ends_the_script_itself(tmp_path):
    (tmp_path / "train.py").write_text(
        "print('ready', flush=True)\nimport time\ntime.sleep(600)  # until it is killed\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "legm", "run", "--drop-in", "--", sys.executable, "train.py"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM


def test_what_cannot_be_run_is_an_error(tmp_path, bare_python):
    assert legm_run(tmp_path, "--drop-in", "--", "./none").returncode == 127
    (tmp_path / "data.txt").write_text("")
    assert legm_run(tmp_path, "--drop-in", "--", "./data.txt").returncode == 126
    done = legm_run(tmp_path, "--real", "--", bare_python, "train.py")
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: --real: {bare_python} has neither wandb nor mlflow\n",
    )
    assert "COMMAND" in misused("run")
    assert "comma" in misused("run", "--drop-in", "--ignore", "a,b", "--", "python", "train.py")
