"""Where runs come from, as they are read back: kept with each, compared with none."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import legm
from legm import ExperimentHandler
from legm.core.origins import CHANGES_FILE
from legm.core.run_environment import run_stretches
from legm.delivery.client import connect_client
from legm.provenance import git
from legm.records import Artifact, Points, Query, RunResult, Status
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log
from tests.support.memory_backend import Memory
from tests.support.repositories import Repository
from tests.support.waiting import until

SCRIPT = """
import sys
import yaml
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e")
handler.set_param("x", 1)
handler.start(resume="--resume" in sys.argv)
if "--kill" in sys.argv:
    import os, signal, time
    handler.set_metric("loss", 1.0)
    while not list(handler.configuration_folder.rglob("uncommitted-changes*")):
        time.sleep(0.01)
    handler.flush()
    time.sleep(float(sys.argv[-1]))
    os.kill(os.getpid(), signal.SIGKILL)
if "--late" in sys.argv:
    import threading, time
    while any(one.name == "legm-provenance" for one in threading.enumerate()):
        time.sleep(0.01)  # until all that can be known before the end is recorded
    assert "iniconfig" not in sys.modules
    import iniconfig
handler.set_metric("loss", 0.5)
handler.log()
"""


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch):
    monkeypatch.delenv("LEGM_PROVENANCE")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "code", **{"train.py": SCRIPT})


def train(repository: Repository, root: Path, *arguments: str, **environment: str) -> int:
    variables = {**os.environ, "PYTHONPATH": str(Path(legm.__file__).parents[1]), **environment}
    done = subprocess.run(
        [sys.executable, "train.py", str(root), *arguments],
        cwd=repository.folder,
        env=variables,
        check=False,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def runs_in(root: Path) -> list[RunResult]:
    found = connect_client(root, "local", None).runs_as_stored(Query("e", histories=None))
    return sorted(found, key=lambda one: one.run.run_id)


def test_a_run_whose_handler_was_dropped_is_not_asked_about(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(git, "read_git_head", lambda *_: asked.append("head"))
    monkeypatch.setattr(git, "read_git_state", lambda *_: asked.append("state"))
    handler = ExperimentHandler(tmp_path, "e").start()
    thread = next(one for one in threading.enumerate() if one.name == "legm-provenance")
    del handler
    gc.collect()
    thread.join()
    assert not asked


def test_a_run_has_its_command_code_machine_and_versions(repository, tmp_path):
    repository.git("remote", "add", "origin", "https://me:pass-word-1@example.org/code.git")
    train(repository, tmp_path / "runs", "--lr", "0.1", SLURM_JOB_ID="17")
    (result,) = runs_in(tmp_path / "runs")
    found = dict(result.run.environment)
    assert found["command"][1:] == ["train.py", str(tmp_path / "runs"), "--lr", "0.1"]
    assert found["script"] == str(repository.script.resolve())
    assert found["folder"] == str(repository.folder.resolve())
    assert found["scheduler"] == {"slurm": {"job_id": "17"}}
    assert found["git"] == {
        "folder": str(repository.folder.resolve()),
        "commit": repository.head,
        "branch": "main",
        "remote": "https://example.org/code.git",
        "dirty": False,
    }
    assert found["distributions"]["PyYAML"]
    assert "pytest" not in found["distributions"]
    assert {"os", "cpu", "memory", "host", "python", "legm", "pid"} <= found.keys()


def test_versions_are_of_what_is_imported_when_the_run_ends(repository, tmp_path):
    train(repository, tmp_path / "runs", "--late")
    (result,) = runs_in(tmp_path / "runs")
    assert result.run.environment["distributions"]["iniconfig"]


def test_uncommitted_changes_are_kept_as_a_file_of_the_run(repository, tmp_path):
    repository.write({"train.py": SCRIPT + "print('changed')\n"})
    train(repository, tmp_path / "runs")
    (result,) = runs_in(tmp_path / "runs")
    kept = result.run.environment["git"]["patch"]
    (patch,) = (tmp_path / "runs").rglob(CHANGES_FILE)
    assert (kept["file"], kept["bytes"]) == (CHANGES_FILE, patch.stat().st_size)
    repository.git("stash", "-q")
    repository.git("apply", str(patch))
    assert repository.script.read_text().endswith("print('changed')\n")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_run_has_what_was_known_until_then_and_each_stretch_its_own(repository, tmp_path):
    repository.write({"train.py": SCRIPT + "first = 1\n"})
    assert train(repository, tmp_path / "runs", "--kill", "1") < 0
    repository.write({"train.py": SCRIPT + "second = 2\n"})
    train(repository, tmp_path / "runs", "--resume")
    (result,) = runs_in(tmp_path / "runs")
    first, second = run_stretches(result.run)
    assert first["git"]["changes"] != second["git"]["changes"]
    assert first["command"][-1] == "1"
    assert second["command"][-1] == "--resume"
    texts = {path.name: path.read_text() for path in (tmp_path / "runs").rglob("uncommitted-changes*")}
    assert "+first = 1" in texts[first["git"]["patch"]["file"]]
    assert "+second = 2" in texts[second["git"]["patch"]["file"]]


def test_credentials_on_the_command_line_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys,
        "orig_argv",
        ["python", "t.py", "--api-key", "visible-1", "--pin=42", "--own", "visible-2", "--db=x"],
    )
    handler = ExperimentHandler(tmp_path, "e", credentials=["own", "pin"])
    handler.set_dict_params({"own": "visible-2", "pin": "42", "x": 1})
    handler.start()
    result = handler.log()
    assert result.run.environment["command"] == [
        *("python", "t.py", "--api-key", "<redacted>", "--pin=<redacted>", "--own", "<redacted>", "--db=x")
    ]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"visible" not in path.read_bytes()


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_switched_off_nothing_is_kept(tmp_path, monkeypatch, how):
    if how == "variable":
        monkeypatch.setenv("LEGM_PROVENANCE", "0")
    handler = ExperimentHandler(tmp_path, "e", provenance=how == "variable")
    handler.set_param("x", 1)
    with handler.start():
        handler.set_metric("loss", 1.0)
    (result,) = runs_in(tmp_path)
    assert result.run.environment == {}


def test_it_is_no_part_of_the_identity(repository, tmp_path):
    train(repository, tmp_path / "runs")
    repository.write({"train.py": SCRIPT + "print('changed')\n"})
    train(repository, tmp_path / "runs")
    train(repository, tmp_path / "runs", LEGM_PROVENANCE="0")
    assert len({one.run.configuration.fingerprint for one in runs_in(tmp_path / "runs")}) == 1
    assert len(list((tmp_path / "runs" / "e").glob("*/params.yml"))) == 1


def test_all_runs_of_a_process_have_it(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("x", 1)
    handler.start()
    for _ in range(3):
        handler.set_metric("loss", 1.0)
        handler.log()
        handler.reset()
    environments = [one.run.environment for one in runs_in(tmp_path) if one.points]
    assert len(environments) == 3
    assert all(one["distributions"]["pytest"] == pytest.__version__ and one["os"] for one in environments)


def test_a_run_without_values_is_still_empty_when_its_code_is_known(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("x", 1)
    handler.start()
    wait_for_collectors()
    handler.flush()
    assert handler.start() is handler
    handler.log()


def wait_for_collectors() -> None:
    for thread in threading.enumerate():
        if thread.name == "legm-provenance":
            thread.join(20)
            assert not thread.is_alive()


def test_a_dropped_handler_is_released_while_git_is_asked(tmp_path, monkeypatch, caplog):
    release = threading.Event()
    monkeypatch.setattr(git, "read_git_state", lambda *_args: release.wait(30) and None)
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("x", 1)
    handler.start()
    del handler
    gc.collect()
    assert "its handler was dropped before log()" in caplog.text
    release.set()
    wait_for_collectors()
    assert [one.status for one in runs_in(tmp_path)] == [Status.INTERRUPTED]


def test_start_waits_for_nothing(tmp_path, monkeypatch):
    """Whatever git takes, start() and the training do not wait; the end does for a moment."""
    release = threading.Event()
    monkeypatch.setattr(git, "read_git_state", lambda *_args: release.wait(30) and None)
    monkeypatch.setattr("legm.provenance.collect._PATIENCE", 0.1)
    handler = ExperimentHandler(tmp_path / "runs", "e")
    handler.set_param("x", 1)
    began = time.monotonic()
    handler.start()
    handler.set_metric("loss", 1.0)
    handler.log()
    assert time.monotonic() - began < 5
    release.set()
    wait_for_collectors()
    (result,) = runs_in(tmp_path / "runs")
    assert result.status is Status.COMPLETED  # what comes too late changes nothing
    assert "os" not in result.run.environment


def test_a_thousand_changed_files_delay_neither_start_nor_a_step(repository, tmp_path, monkeypatch):
    """git is read only after start() has returned and the values are on the disk; all of it is kept then."""
    names = [f"many/{number}.py" for number in range(1_000)]
    repository.write(dict.fromkeys(names, "x = 1\n"))
    repository.commit()
    repository.write(dict.fromkeys(names, "x = 2\n"))
    are_logged, is_asked = threading.Event(), threading.Event()

    def read(*given: Any) -> Any:
        is_asked.set()
        assert are_logged.wait(60)  # start() and the training wait for nothing of this, or it ends here
        return read_git_state(*given)

    read_git_state = git.read_git_state
    monkeypatch.setattr(git, "read_git_state", read)
    monkeypatch.setattr("legm.provenance.collect._PATIENCE", 60.0)
    monkeypatch.setattr("legm.provenance.collect._collected_script", lambda: None)
    monkeypatch.chdir(repository.folder)
    handler = ExperimentHandler(tmp_path / "runs", "e").start()
    assert is_asked.wait(60)
    for step in range(100):
        handler.set_metric("loss", 1 / (1 + step))
    handler.flush()
    (log,) = find_logs(tmp_path / "runs")
    assert sum(len(one.steps) for one in read_log(log).records if isinstance(one, Points)) == 100
    assert not any(isinstance(one, Artifact) for one in read_log(log).records)
    are_logged.set()
    kept = handler.log().run.environment["git"]["patch"]
    (patch,) = (tmp_path / "runs").rglob(kept["file"])
    assert patch.read_bytes().count(b"diff --git ") == 1_000


@pytest.mark.skipif(os.name == "nt", reason="a program that is a script of the shell")
def test_steps_are_logged_and_durable_while_git_hangs(repository, tmp_path, monkeypatch):
    """A git that never answers is a real program here; another process reads what was logged meanwhile."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("legm.provenance.collect._PATIENCE", 0.1)
    monkeypatch.setattr(git, "TIME_LIMIT", 1.0)
    monkeypatch.chdir(repository.folder)
    monkeypatch.setattr("legm.provenance.collect._collected_script", lambda: None)
    handler = ExperimentHandler(tmp_path / "runs", "e").start()
    until((tmp_path / "asked").exists)
    for step in range(1_000):
        handler.set_metric("loss", 1 / (1 + step))
    handler.flush()
    (log,) = find_logs(tmp_path / "runs")
    assert sum(len(one.steps) for one in read_log(log).records if isinstance(one, Points)) == 1_000
    assert any(one.name == "legm-provenance" for one in threading.enumerate()), "git is not asked any more"
    handler.log()
    wait_for_collectors()


def test_the_run_log_and_the_yaml_say_the_same(repository, tmp_path):
    train(repository, tmp_path / "runs")
    (result,) = runs_in(tmp_path / "runs")
    assert json.loads(json.dumps(result.run.environment)) == result.run.environment


def test_a_backend_without_the_capability_has_it_all_when_the_run_ends(tmp_path):
    memory = Memory(tmp_path)
    handler = ExperimentHandler(tmp_path, "e", backend=memory)
    handler.set_param("x", 1)
    handler.start()
    wait_for_collectors()
    handler.set_metric("loss", 1.0)
    result = handler.log()
    (kept,) = memory.results.values()
    assert kept.run.environment == result.run.environment
    assert kept.run.environment["os"]
    written = [one for batches in memory.batches.values() for batch in batches.values() for one in batch]
    assert {type(one).__name__ for one in written} == {"Points"}
