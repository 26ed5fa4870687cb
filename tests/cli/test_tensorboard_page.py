"""TensorBoard itself, opened in a real browser on the example's output."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from legm import ExperimentHandler
from tests.support.waiting import until

RUNS = 6  # three configurations of two seeds


@pytest.fixture(scope="module")
def tensorboard(digits_root: Path) -> Iterator[str]:
    """The page of the example's output, until the tests are done."""
    with serving(digits_root, RUNS) as place:
        yield place


@contextlib.contextmanager
def serving(folder: Path, runs: int) -> Iterator[str]:
    """A TensorBoard on a free port of this machine, which has found as many runs."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1"]
    command += ["--port", "0", "--load_fast", "false", "--reload_interval", "1"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
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
        until(lambda: len(fetch(place + "/data/runs")) == runs, pause=0.2)
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


SERVED = "const done = arguments[1]; fetch(arguments[0]).then(one => one.json()).then(done, () => done([]));"


DRAWN = """
const curves = [];
const visit = root => root.querySelectorAll("*").forEach(one => {
  if (one.localName === "path" && one.classList.contains("line")) curves.push(one.getAttribute("d") || "");
  if (one.shadowRoot) visit(one.shadowRoot);
});
visit(document);
return curves;
"""


def drawn_curves(browser: Any) -> list[list[float]]:
    """By curve of the tab SCALARS, where its points are from left to right; single points left out."""
    lines = [re.findall(r"[ML]([-\d.]+),", path) for path in browser.execute_script(DRAWN)]
    return [[float(x) for x in line] for line in lines if len(line) > 1]


SHOWN_MEDIA = """
const found = {};
const visit = root => root.querySelectorAll("*").forEach(one => {
  if (one.localName === "img" && one.naturalWidth === 8) found.picture = true;
  if (one.localName === "strong" && one.textContent === "Markdown") found.text = true;
  if (one.localName === "audio" && one.duration > 0.05) found.sound = true;
  const drawing = root.host?.localName ?? one.closest("tb-histogram")?.localName ?? "";
  if (one.localName === "path" && drawing.includes("histogram") && one.getAttribute("d")?.length > 100)
    found.histogram = true;
  if (one.shadowRoot) visit(one.shadowRoot);
});
visit(document);
return found;
"""


def shows_media(browser: Any, place: str) -> None:
    """Check that each tab for media shows one."""
    for tab, shown in {
        "images": "picture",
        "text": "text",
        "audio": "sound",
        "histograms": "histogram",
    }.items():
        browser.get("about:blank")
        browser.get(f"{place}/#{tab}")
        try:
            until(lambda shown=shown: browser.execute_script(SHOWN_MEDIA).get(shown), pause=0.2)
        finally:
            keep_picture(browser, f"tensorboard-{tab}")


def test_the_page_shows_a_resumed_and_rewound_run_without_zigzag(browser, tmp_path):
    def train(first: int, last: int, shift: float) -> ExperimentHandler:
        handler = ExperimentHandler(tmp_path, "e")
        handler.start(resume=True, rewind_to=first - 1)
        for step in range(first, last):
            handler.set_metric("loss", 1 / (step + 1) + shift, step=step)
        handler.flush()
        return handler

    def curve() -> list[list[float]]:
        """What the page draws: steps and values, in the order in which it connects them."""
        run = "".join(fetch(place + "/data/runs"))
        address = f"/data/plugin/scalars/scalars?run={quote(run)}&tag=dev%2Floss"
        return [point[1:] for point in browser.execute_async_script(SERVED, address)]

    def expected(*stretches: tuple[int, int, float]) -> list[list[float]]:
        shifts = {step: shift for first, last, shift in stretches for step in range(first, last)}
        return [[step, pytest.approx(1 / (step + 1) + shift)] for step, shift in sorted(shifts.items())]

    train(0, 30, 0.5).end("interrupted")
    with serving(tmp_path, 1) as place:
        browser.get(place + "/#timeseries")
        until(lambda: curve() == expected((0, 30, 0.5)), pause=0.2)
        second = train(15, 25, 0.25)  # while the page has read what is void now
        until(lambda: curve() == expected((0, 15, 0.5), (15, 25, 0.25)), pause=0.2)
        second.end("interrupted")
        third = train(20, 50, 0.0)
        third.log_image("samples", np.full((8, 8, 3), (200, 60, 20), np.uint8), caption="a red square")
        third.log_text("notes", "a note in **Markdown**")
        third.log_audio("tone", np.sin(np.arange(800) / 5), 8000)
        third.log_histogram("weights", np.arange(100.0))
        third.log()
        until(lambda: curve() == expected((0, 15, 0.5), (15, 20, 0.25), (20, 50, 0.0)), pause=0.2)
        browser.get("about:blank")  # so that the address is opened anew
        browser.get(place + "/#scalars")
        curves = until(
            lambda: [one for one in drawn_curves(browser) if len(one) > 40], pause=0.2
        )  # plain and smoothed, without the outliers of the first steps
        keep_picture(browser, "resumed")
        shows_media(browser, place)
        browser.get("about:blank")
    assert all(curve == sorted(set(curve)) for curve in curves)
