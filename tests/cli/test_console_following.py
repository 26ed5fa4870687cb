"""``legm logs -f``: how lines that come and change are shown in a pipe and in a terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from legm import ExperimentHandler
from legm.cli import console_following
from legm.cli.console_following import (
    FollowedRun,
    _FollowingPlainOutput,
    _FollowingTerminalOutput,
    follow_console,
)
from legm.console.console_reader import ConsoleLine, ConsoleTail
from legm.runlog.log_folder import find_logs
from tests.support.calling import shown
from tests.support.paths import ROOT
from tests.support.waiting import WAIT_FOR, until


def text(line: ConsoleLine) -> str:
    return line.text


def line(what: str, time: float = 0.0, *, is_ended: bool = True) -> ConsoleLine:
    return ConsoleLine(what, time, is_ended)


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console_following.time, "monotonic", lambda: now[0])
    return now


def printed(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_line_is_printed_once_it_has_ended(capsys):
    output = _FollowingPlainOutput(text)
    output.show(0, [line("first"), line("10 %", is_ended=False)], is_end=False)
    assert printed(capsys) == ["first"]
    output.show(1, [line("100 %", 1.0, is_ended=False)], is_end=False)
    assert printed(capsys) == []
    output.show(1, [line("100 %", 1.0)], is_end=False)
    assert printed(capsys) == ["100 %"]
    output.show(0, [line("open", is_ended=False)], is_end=True)
    assert printed(capsys) == ["open"]


def test_a_bar_of_another_stream_does_not_repeat_the_lines_below_it(capsys, clock):
    output = _FollowingPlainOutput(text)
    output.show(0, [line("0 %"), line("first")], is_end=False)
    assert printed(capsys) == ["0 %", "first"]
    for percent in range(1, 90):
        clock[0] += 0.2
        new = [line(f"line {percent}", percent)]
        known = [line("first"), *(line(f"line {one}", one) for one in range(1, percent))]
        output.show(1 + len(known), [line(f"{percent} %", percent), *known, *new], is_end=False)
        assert printed(capsys) == [f"line {percent}"]
    clock[0] += 2.1
    output.show(0, [], is_end=False)
    assert printed(capsys) == ["89 %"]
    output.show(0, [], is_end=True)
    assert printed(capsys) == []


def test_what_changed_last_is_printed_at_the_end(capsys, clock):
    output = _FollowingPlainOutput(text)
    output.show(0, [line("0 %"), line("first")], is_end=False)
    output.show(2, [line("50 %", 1.0), line("first")], is_end=False)
    assert printed(capsys) == ["0 %", "first"]
    output.show(0, [], is_end=True)
    assert printed(capsys) == ["50 %"]


def test_a_terminal_redraws_only_what_is_on_its_screen(capsys, monkeypatch):
    monkeypatch.setattr(console_following.shutil, "get_terminal_size", lambda: os.terminal_size((20, 5)))
    output = _FollowingTerminalOutput(text)
    lines = [line(f"line {at}") for at in range(30)]
    output.show(0, lines, is_end=False)
    assert len(printed(capsys)) == 30
    output.show(30, [line("changed"), *lines[1:]], is_end=False)
    assert capsys.readouterr().out == "\x1b[4A\x1b[Jline 26\nline 27\nline 28\nline 29\n"


DROP_IN = """
import mlflow
mlflow.set_experiment("e")
with mlflow.start_run():
    mlflow.log_metric("loss", 1.0)
    print("begun", flush=True)
    wait_for("go")
    mlflow.log_param("late", 3)  # so the run moves at its end
    print("last", flush=True)
"""


def test_a_run_that_moves_at_its_end_is_followed_to_where_it_is_then(tmp_path):
    (tmp_path / "train.py").write_text(WAIT_FOR + DROP_IN, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "legm"]
    run = [*command, "run", "--drop-in", "--root", "root", "--", sys.executable, "train.py"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(run, cwd=tmp_path, env=environment, **quiet) as process:
        (log,) = until(lambda: find_logs(tmp_path / "root"))
        follow = [*command, "logs", str(tmp_path / "root" / log.stem), "-f"]
        with subprocess.Popen(follow, stdout=subprocess.PIPE, bufsize=0, env=environment) as following:
            begun = following.stdout.readline()
            (tmp_path / "go").touch()
            out = begun + following.communicate(timeout=60)[0]
            assert following.returncode == 0
        assert process.wait(60) == 0
    (log,) = find_logs(tmp_path / "root")
    assert out.decode() == shown("logs", log.stem, tmp_path / "root")
    assert out.decode().splitlines()[-2:] == ["begun", "last"]


def test_a_run_that_is_deleted_while_it_is_followed_ends_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(console_following, "_MOVING", 0.0)
    handler = ExperimentHandler(tmp_path, "e", console=True).start()
    os.system("echo kept")
    handler.log()
    (log,) = find_logs(tmp_path)
    run = FollowedRun(log)
    log.unlink()
    follow_console(run, ConsoleTail(run.console), text)
    assert printed(capsys) == ["kept"]
