"""TensorBoard itself, opened in a real browser on the example's output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import until

RUNS = 6  # three configurations of two seeds


@pytest.fixture(scope="module")
def tensorboard(digits_root: Path) -> Iterator[str]:
    """A TensorBoard on a free port of this machine, until the tests are done."""
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(digits_root),
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    server = subprocess.Popen([*command, "--load_fast", "false"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        said = []
        for line in server.stderr:
            said.append(line)
            if "http://127.0.0.1:" in line:
                break
        else:
            pytest.fail("tensorboard did not start: " + "".join(said))
        place = "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split("/")[0].split()[0]
        until(lambda: len(fetch(place + "/data/runs")) == RUNS, pause=0.2)
        yield place
    finally:
        server.terminate()
        server.communicate(timeout=20)


def fetch(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError):
        return []


DEEP_TEXT = """
const texts = [];
const walk = node => {
    if (node.nodeType === Node.TEXT_NODE) texts.push(node.textContent);
    if (node.shadowRoot) walk(node.shadowRoot);
    node.childNodes.forEach(walk);
};
walk(document.body);
return texts.join(" ");
"""


def text_of(browser: Any) -> str:
    """Every text of the page, also below shadow roots."""
    from selenium.common.exceptions import WebDriverException

    try:
        return str(browser.execute_script(DEEP_TEXT))
    except WebDriverException:
        return ""


def keep_picture(browser: Any, name: str) -> None:
    """For a user to look at, where one asks for it."""
    folder = os.environ.get("LEGM_PICTURES")
    if folder:
        browser.save_screenshot(f"{folder}/{name}.png")


def test_the_page_shows_the_runs_and_their_scalars(browser, tensorboard, digits_root):
    browser.get(tensorboard + "/#timeseries")
    files = digits_root.glob("*/*/tensorboard/*/events*")
    runs = {file.parent.relative_to(digits_root).as_posix() for file in files if file.stat().st_size}
    assert len(runs) == RUNS
    try:
        wanted = ("loss", "accuracy", min(runs))
        until(lambda: all(text in text_of(browser) for text in wanted), pause=0.2)
    finally:
        keep_picture(browser, "timeseries")


def test_the_hparams_tab_compares_active_parameters_with_best_and_test_metrics(browser, tensorboard):
    browser.get(tensorboard + "/#hparams")
    wanted = (
        "learning_rate",
        "solver",
        "adam",
        "sgd",
        "best/accuracy",
        "best/loss",
        "test/accuracy",
        "0.0020000",
    )
    try:
        until(lambda: all(text in text_of(browser) for text in wanted), pause=0.2)
    finally:
        keep_picture(browser, "hparams")
    assert "seed" not in text_of(browser)
