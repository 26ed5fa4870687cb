"""What a captured script prints is in the folders of its runs while it is running, and can be followed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from legm.capture.live_consoles import LiveConsoles
from legm.capture.script_console import ScriptConsole
from legm.console.console_file import ConsoleFile, is_console_being_written
from legm.importers.external_run import ExternalRun
from legm.records import Status
from legm.runlog.log_folder import find_logs
from tests.support.calling import shown
from tests.support.captured import QUIET, command, prepare_kept_store
from tests.support.compat_stores import environment
from tests.support.waiting import WAIT_FOR, until

MLFLOW_SCRIPT = """
import os, signal, subprocess, sys, time, mlflow
mlflow.set_experiment("live")
print("before")
with mlflow.start_run():
    mlflow.log_metric("loss", 1.0)
    print("begun")
    wait_for("bar")
    for percent in range(0, 101, 25):
        sys.stderr.write(f"\\r{percent} %")
    sys.stderr.write("\\n")
    mlflow.log_param("layers", 3)  # another configuration
    mlflow.log_metric("loss", 0.5)
    subprocess.run(["sh", "-c", "echo from a child"])
    wait_for("second")
print("between")
with mlflow.start_run():
    mlflow.log_metric("loss", 1.0)
    print("second")
    wait_for("kill")
    sys.stdout.write("without a newline")
    os.kill(os.getpid(), signal.SIGKILL)
"""

WANDB_SCRIPT = """
import os, sys, time, wandb
for number in range(2):
    run = wandb.init(project="live", config={"number": number})
    run.log({"loss": 1.0})
    print("begun", number)
    wait_for(f"end {number}")
    print("last of", number)
    run.finish()
wait_for("end")
sys.stdout.write("without a newline")
"""


@contextlib.contextmanager
def captured(folder: Path, code: str, script: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A script that ``legm capture`` runs; it waits for files with names that a test creates."""
    (folder / "script.py").write_text(WAIT_FOR + code, encoding="utf-8")
    with (folder / "printed").open("wb") as printed:
        process = subprocess.Popen(
            [*command(), "--", *script],
            cwd=folder,
            env=environment(**QUIET),
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


class Follower:
    """``legm logs -f`` of a run, in a process of its own."""

    def __init__(self, prepared, folder: Path, run_id: str) -> None:
        self.run_id = run_id
        self._path = folder / f"followed-{run_id}"
        with self._path.open("wb") as out:
            arguments = ["-m", "legm", "logs", folder / "root" / run_id, "-f"]
            self._process = prepared.begin(arguments, cwd=folder, stdout=out, stderr=out)

    def lines(self) -> list[str]:
        return self._path.read_text(encoding="utf-8").splitlines()

    def all_lines(self) -> list[str]:
        """What it has shown in the end."""
        assert self._process.wait() == 0, self.lines()
        return self.lines()


def new_run(folder: Path, known: set[str]) -> str:
    """The id of the run that is shown next."""
    ids = until(lambda: {path.stem for path in find_logs(folder / "root")} - known)
    assert len(ids) == 1
    return ids.pop()


def test_the_consoles_of_mlflows_runs_are_followed_until_the_script_is_killed(tmp_path, prepared_core):
    prepare_kept_store(tmp_path)
    with captured(tmp_path, MLFLOW_SCRIPT, [sys.executable, "script.py"]) as process:
        first = Follower(prepared_core, tmp_path, new_run(tmp_path, set()))
        until(lambda: first.lines() == ["before", "begun"])
        (tmp_path / "bar").touch()
        until(lambda: first.lines()[2:] == ["100 %", "from a child"])
        (tmp_path / "second").touch()
        second = Follower(prepared_core, tmp_path, new_run(tmp_path, {first.run_id}))
        assert first.all_lines() == ["before", "begun", "100 %", "from a child", "between"]
        until(lambda: second.lines() == ["second"])
        (tmp_path / "kill").touch()
        assert second.all_lines() == ["second", "without a newline"]
        assert process.wait() == 128 + 9
    for one in (first, second):
        assert shown("logs", one.run_id, tmp_path / "root").splitlines() == one.lines()


@pytest.mark.usefixtures("wandb_home")
def test_the_consoles_of_wandbs_runs_are_followed_until_the_script_ends(tmp_path, prepared, prepared_core):
    with captured(tmp_path, WANDB_SCRIPT, prepared.command("script.py")) as process:
        first = Follower(prepared_core, tmp_path, new_run(tmp_path, set()))
        until(lambda: first.lines() == ["begun 0"])
        (tmp_path / "end 0").touch()
        second = Follower(prepared_core, tmp_path, new_run(tmp_path, {first.run_id}))
        assert first.all_lines() == ["begun 0", "last of 0"]
        until(lambda: second.lines() == ["begun 1"])
        (tmp_path / "end 1").touch()
        until(lambda: second.lines() == ["begun 1", "last of 1"])
        (tmp_path / "end").touch()
        assert second.all_lines() == ["begun 1", "last of 1", "without a newline"]
        assert process.wait() == 0
    for one in (first, second):
        assert shown("logs", one.run_id, tmp_path / "root").splitlines() == one.lines()


# The files


class Script:
    """A script that prints at the times that a test says, and what is kept of it."""

    def __init__(self, folder: Path, limit: int = 10_000) -> None:
        self._path = folder / "script.txt"
        self._file = ConsoleFile(self._path, limit)
        self._console = ScriptConsole(self._path, 0.0)
        self.consoles = LiveConsoles(self._path, 0.0)

    def prints(self, text: str, when: float) -> None:
        self._file.feed(1, text.encode(), when)
        self._file.write()

    def pass_on(self) -> None:
        self.consoles.read()
        self.consoles.write()

    def part(self, *runs: ExternalRun) -> dict[str, bytes]:
        """What each run has in the end."""
        found = {}
        for key, file in self._console.files(runs).items():
            with file.open() as opened:
                found[key] = opened.read()
        return found


@pytest.fixture
def script(tmp_path) -> Script:
    return Script(tmp_path)


def run(key: str, started: float, ended: float | None) -> ExternalRun:
    return ExternalRun(key, "e", "", {}, {}, Status.COMPLETED, started, ended, None, lambda: iter(()))


def test_a_file_always_is_the_part_that_the_run_would_have_in_the_end(tmp_path, script):
    a, b = tmp_path / "a", tmp_path / "b"
    script.consoles.set_run(("k", "a"), 1.0, None)
    script.consoles.show(("k", "a"), a)
    for at in range(5, 600):
        script.prints(f"\r{at} %" if at % 3 else f"\nline {at}\n{'x' * (50 + at % 50)}", at)
        if at == 250:
            script.consoles.set_run(("k", "a"), 1.0, 249.0)
        if at == 400:
            script.consoles.set_run(("k", "b"), 399.5, None)
        if at == 420:
            script.consoles.show(("k", "b"), b)
        script.pass_on()
        known = [run("a", 1.0, 249.0 if at >= 250 else None)]
        if at < 400:
            assert a.read_bytes() == script.part(*known)["a"]
        elif at >= 420:
            assert b.read_bytes() == script.part(*known, run("b", 399.5, None))["b"]
    assert b"bytes left out" in a.read_bytes()
    assert a.stat().st_size <= 10_000
    assert not is_console_being_written(a)  # the next run has begun
    assert is_console_being_written(b)
    script.consoles.close()
    assert not is_console_being_written(b)


def test_a_run_that_is_known_late_takes_the_lines_that_are_its(tmp_path, script):
    a = tmp_path / "a"
    script.consoles.set_run(("k", "a"), 5.0, 6.0)
    script.consoles.show(("k", "a"), a)
    for at in range(200):
        script.prints(f"{at}\n", at)
    script.pass_on()
    assert len(a.read_bytes().splitlines()) == 200
    script.consoles.set_run(("k", "earlier"), 2.0, 4.0)
    script.consoles.set_run(("k", "later"), 150.0, None)
    script.pass_on()
    texts = [line.split()[1] for line in a.read_bytes().splitlines()]
    assert texts == [b"%d" % at for at in range(6, 151)]


def test_a_file_that_is_there_is_left_as_it_is(tmp_path, script):
    (tmp_path / "a").write_text("of an earlier process")
    script.consoles.set_run(("k", "a"), 5.0, None)
    script.consoles.show(("k", "a"), tmp_path / "a")
    script.prints("new\n", 6.0)
    script.pass_on()
    assert (tmp_path / "a").read_text() == "of an earlier process"


def test_a_file_that_cannot_be_written_is_reported_once(tmp_path, script, caplog):
    (tmp_path / "file").touch()
    for key, path in (("a", tmp_path / "file" / "a"), ("b", tmp_path / "b")):
        script.consoles.set_run(("k", key), 5.0, None)
        script.consoles.show(("k", key), path)
    for at in (6.0, 7.0):
        script.prints("new\n", at)
        script.pass_on()
    assert caplog.text.count("the console of the run a is kept when the script has ended") == 1
    assert (tmp_path / "b").read_bytes().count(b"new") == 2
    script.consoles.close()


def test_a_deleted_run_releases_its_file(tmp_path, script):
    script.consoles.set_run(("k", "a"), 5.0, None)
    script.consoles.show(("k", "a"), tmp_path / "a")
    script.prints("new\n", 6.0)
    script.pass_on()
    script.consoles.forget(("k", "a"))
    assert not is_console_being_written(tmp_path / "a")
    script.prints("more\n", 7.0)
    script.pass_on()
    assert b"more" not in (tmp_path / "a").read_bytes()
