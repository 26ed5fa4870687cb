"""``legm tensorboard``: the page is there, has the runs, and ends with Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from legm import ExperimentHandler
from legm.core.naming import safe_name
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import as_json, failed, shown
from tests.support.paths import ROOT
from tests.support.waiting import until

PATIENCE = 120.0
FOLDER = safe_name(EXPERIMENT)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def asked(server, port, path):
    """What the page answers, if it is up."""
    assert server.poll() is None, server.communicate()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return None


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("whole_group", [True, False], ids=["Ctrl-C", "SIGINT"])
def test_the_page_has_the_runs_until_it_is_interrupted(tmp_path, whole_group):
    fill(tmp_path)
    for number in range(40):
        (tmp_path / FOLDER / "0.1,adam_0" / "tensorboard" / f"more-{number}").mkdir()
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "legm", "tensorboard", tmp_path, "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        runs = until(lambda: asked(server, port, "/data/runs"), PATIENCE, pause=0.2)
        assert len(runs) == len(set(runs)) == 14  # each once
        assert all("tensorboard" in name for name in runs)
        (os.killpg if whole_group else os.kill)(server.pid, signal.SIGINT)
        output, errors = server.communicate(timeout=PATIENCE)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
    assert server.returncode == 0
    assert f"http://127.0.0.1:{port} (Ctrl-C stops it)" in output
    assert "54 runs: TensorBoard draws none of them under SCALARS until you tick some." in output
    assert "Traceback" not in errors
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)


TICKED = """
let count = 0;
const visit = root => root.querySelectorAll("*").forEach(one => {
  if (one.localName === "paper-checkbox" && one.checked && root.host?.localName === "tf-multi-checkbox")
    count++;
  if (one.shadowRoot) visit(one.shadowRoot);
});
visit(document);
return count;
"""


def test_of_more_runs_than_tensorboard_draws_the_printed_address_shows_the_newest(tmp_path, browser):
    handler = ExperimentHandler(tmp_path, "e ä")
    handler.set_dict_params({"lr": 0.1, "seed": 0})
    handler.disable_param("seed")
    handler.start()
    for seed in range(45):
        if seed:
            handler.reset(seed=seed)
        handler.set_metric("loss", 1 / (1 + seed), step=0)
        handler.log()
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "legm", "tensorboard", tmp_path, "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        address = next(line for line in server.stdout if "runSelectionState" in line).strip()
        assert len(until(lambda: asked(server, port, "/data/runs"), PATIENCE, pause=0.2)) == 45
        browser.get(address)
        assert until(lambda: browser.execute_script(TICKED) == 10, PATIENCE, pause=0.2)
    finally:
        server.send_signal(signal.SIGINT)  # which ends TensorBoard too
        server.communicate(timeout=PATIENCE)


def test_the_command_can_be_printed_instead(tmp_path):
    command = shlex.split(shown("tensorboard", tmp_path, "--print", "--port", 1234))
    assert command == [
        *(sys.executable, "-m", "tensorboard.main", "--logdir", str(tmp_path)),
        *("--host", "127.0.0.1", "--port", "1234"),
    ]


def test_of_port_0_the_address_has_the_port_that_is_taken(tmp_path):
    found = as_json("tensorboard", tmp_path, "--print", "--port", 0)
    port = found["command"][-1]
    assert found["address"] == f"http://127.0.0.1:{port}"
    assert int(port) > 0


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    assert "there is no folder in it" in failed("tensorboard", tmp_path / "missing")
