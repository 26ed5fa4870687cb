"""Where a script's runs come from and what it prints, with the stand-ins for wandb and mlflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from legm.console.console_options import console_path
from legm.records import RunResult, Status
from tests.support.compat_play import play
from tests.support.compat_stores import environment, run
from tests.support.reading import runs_of
from tests.support.repositories import Repository
from tests.support.waiting import until

ON = {"LEGM_PROVENANCE": "1", "LEGM_CONSOLE": "1"}

TRAIN = """
import os, subprocess, sys
print("before")
import wandb
run = wandb.init(project="p", config={"a": 1})
print("begun", flush=True)
subprocess.run([sys.executable, "-c", "print('of a child')"], check=True)
os.write(1, b"50 %\\r100 %\\n")
run.log({"loss": 1.0})
run.summary["acc"] = 0.5
"""


def printed(root: Path, result: RunResult) -> list[str]:
    """The console of a run, without times."""
    (folder,) = {path.parents[2] for path in root.rglob(f"artifacts/{result.run.run_id}/*.txt")}
    text = console_path(folder, result.run.run_id).read_text(encoding="utf-8")
    return [line.partition("Z ")[2] for line in text.splitlines()]


def only(folder: Path, experiment: str = "p") -> RunResult:
    (found,) = runs_of(folder / "root", experiment)
    return found


def test_a_run_has_the_fields_that_a_handlers_has(tmp_path):
    made = Repository(tmp_path / "code", **{"train.py": TRAIN})
    made.write({"train.py": TRAIN + "print('changed')\n"})
    command = ["-m", "legm.compat", "train.py", "--lr", "0.1", "--api-key=hidden-key-1"]
    done = run(command, made.folder, LEGM_ROOT=str(tmp_path / "root"), **ON)
    assert done.returncode == 0, done.stderr
    found = only(tmp_path)
    environment = found.run.environment
    assert environment["command"][1:] == [*command[:-1], "--api-key=<redacted>"]
    assert environment["script"] == str(made.script.resolve())
    assert environment["folder"] == str(made.folder.resolve())
    assert environment["git"]["commit"] == made.head
    assert environment["git"]["dirty"] is True
    assert environment["drop_in"]["from"] == "wandb"
    assert environment["os"]
    assert environment["distributions"]["numpy"]
    assert "wandb" not in environment["distributions"]  # it is the stand-in
    (patch,) = (tmp_path / "root").rglob(environment["git"]["patch"]["file"])
    assert "+print('changed')" in patch.read_text(encoding="utf-8")


def test_it_is_all_off_where_the_environment_says_so(tmp_path):
    done = play(tmp_path, TRAIN)  # the tests' own environment switches it off
    assert done.returncode == 0, done.stderr
    found = only(tmp_path)
    assert list(found.run.environment) == ["drop_in"]
    assert not [*(tmp_path / "root").rglob("legm-console.txt")]


def test_a_run_has_what_was_printed_since_the_script_began(tmp_path):
    done = play(tmp_path, TRAIN, LEGM_CONSOLE="1")
    assert done.stdout == "before\nbegun\nof a child\n50 %\r100 %\n".replace("\r", "\n")
    assert done.stderr == ""
    assert printed(tmp_path / "root", only(tmp_path)) == ["before", "begun", "of a child", "100 %"]


SEVERAL = """
import time, wandb
for lr in (1, 2):
    with wandb.init(project="p", config={"lr": lr}) as run:
        run.log({"loss": 1.0})
        print("numbers of", lr, flush=True)
        time.sleep(0.7)  # until the run has begun
        run.config.update({"late": lr})
        print("late of", lr)
    print("between")
"""


def test_each_run_has_its_own_part_also_where_it_moves_to_another_configuration(tmp_path):
    done = play(tmp_path, SEVERAL, LEGM_CONSOLE="1")
    assert done.returncode == 0, done.stderr
    root = tmp_path / "root"
    found = {run.run.configuration.parameters["late"]: printed(root, run) for run in runs_of(root, "p")}
    assert found == {1: ["numbers of 1", "late of 1"], 2: ["numbers of 2", "late of 2"]}
    assert len([*root.rglob("legm-console.txt")]) == 2


RESUMED = """
import sys, wandb
with wandb.init(project="p", id="one", resume="allow") as run:
    print("process", sys.argv[1])
    run.log({"loss": 1.0})
    if sys.argv[1] == "2":
        raise ValueError("no more")
"""


def test_a_run_that_another_process_resumes_lists_both_and_has_both_consoles(tmp_path):
    assert play(tmp_path, RESUMED, "1", **ON).returncode == 0
    assert play(tmp_path, RESUMED, "2", **ON).returncode == 1
    found = only(tmp_path)
    assert found.status is Status.FAILED
    stretches = found.run.environment["stretches"]
    assert [one["command"][-1] for one in stretches] == ["1", "2"]
    assert found.run.environment["command"][-1] == "2"
    lines = printed(tmp_path / "root", found)
    assert lines[:3] == ["process 1", "process 2", "Traceback (most recent call last):"]
    assert lines[-1] == "ValueError: no more"


KILLED = """
import time, wandb
print("before", flush=True)
run = wandb.init(project="p")
run.log({"loss": 1.0})
print("\\033[31mhalf a li", end="", flush=True)
time.sleep(600)  # until it is killed
"""


def test_a_killed_script_leaves_what_it_printed(tmp_path):
    (tmp_path / "script.py").write_text(KILLED, encoding="utf-8")
    command = [sys.executable, "-m", "legm.compat", "script.py"]
    variables = environment(LEGM_ROOT="root")
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.DEVNULL) as process:
        try:
            until(
                lambda: any(
                    b"half" in one.read_bytes() for one in (tmp_path / "root").rglob("legm-console.txt")
                )
            )
        finally:
            process.kill()
    found = only(tmp_path)
    assert found.status is Status.INTERRUPTED
    assert printed(tmp_path / "root", found) == ["before", "half a li"]


def test_a_script_without_a_run_leaves_nothing(tmp_path):
    done = play(tmp_path, "print('only this')", LEGM_CONSOLE="1", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "only this\n", "")
    assert [one.name for one in tmp_path.iterdir()] == ["script.py"]


def test_a_module_is_run_like_a_script(tmp_path, bare_python):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "train.py").write_text(
        "import sys\nimport wandb\nfrom package import __name__ as above\n"
        "wandb.init(project='p').log({'loss': 1.0})\n"
        "print(above, __name__, sys.argv[1:])\nraise SystemExit(4)\n"
    )
    done = run(["-m", "legm.compat", "-m", "package.train", "-x"], tmp_path, LEGM_ROOT="root")
    assert (done.returncode, done.stdout, done.stderr) == (4, "package __main__ ['-x']\n", "")
    assert only(tmp_path).error == "SystemExit: 4"
    missing = run(["-m", "legm.compat", "-m", "package.none"], tmp_path)
    plain = run(["-m", "package.none"], tmp_path, bare_python)
    assert (missing.returncode, missing.stderr) == (plain.returncode, plain.stderr)


@pytest.mark.parametrize("size", ["many", "12"])
def test_an_invalid_size_is_an_error_before_the_script_begins(tmp_path, size):
    done = play(tmp_path, "print('no')", LEGM_CONSOLE=size)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        f"LEGM_CONSOLE must be 0, 1, or the largest size in bytes, at least 10,000, not '{size}'"
        in done.stderr
    )
