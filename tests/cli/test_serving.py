"""A server that a command runs ends with the command, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.paths import ROOT
from tests.support.processes import is_running
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals")

# A server that, like MLflow's, leaves the work to another process, which ignores what is not meant for it.
SERVER = """
import os, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])  # until it is ended
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {worker.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(300)  # until it is ended
"""
COMMAND = """
import sys
from legm.cli.serving import serve_until_ended
serve_until_ended("X", [sys.executable, "-c", sys.argv[1], sys.argv[2]], 1, only_print=False)
"""


def test_no_signal_leaves_a_server_behind(tmp_path):
    numbers = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
    told = [tmp_path / f"{number}" for number in numbers]
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, SERVER, str(path)], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        for path in told
    ]
    until(lambda: all(path.exists() for path in told))
    pids = [int(word) for path in told for word in path.read_text().split()]
    assert all(map(is_running, pids))
    began = time.monotonic()
    for command, number in zip(commands, numbers, strict=True):
        command.send_signal(number)
    assert [command.wait(30) for command in commands] == [0, 0, 0]
    until(lambda: not any(map(is_running, pids)))
    assert time.monotonic() - began < 9  # of their own accord


def test_the_status_of_a_server_that_ends_by_itself_is_the_commands():
    command = [sys.executable, "-c", COMMAND.replace("sys.argv[1], sys.argv[2]", "'raise SystemExit(3)'")]
    assert subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 3
