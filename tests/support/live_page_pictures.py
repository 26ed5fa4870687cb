"""Makes the pictures of the live page that ``docs/ui.md`` has of one run and of configurations side by side.

``python -m tests.support.live_page_pictures docs/images`` needs Chromium, chromedriver and git, and takes a
minute: real trainings of a repository with uncommitted changes, of which one is still running.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.browsing import open_browser, until_true
from tests.support.live_page import served_page
from tests.support.paths import ROOT
from tests.support.repositories import Repository

__all__ = ["make_live_page_pictures"]

_WIDTH = 1400
_TRAINING = """
import argparse, functools, math, random, time
from legm import ExperimentHandler
from legm.delivery import run_start
from net import WIDTH, dropout

run_start.SystemSampler = functools.partial(run_start.SystemSampler, interval=2.0)
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--layers", type=int)
parser.add_argument("--seeds", type=int, default=4)
parser.add_argument("--pause", type=float, default=0.0)
given = parser.parse_args()
for seed in range(given.seeds):
    random.seed(f"{given.lr} {given.layers} {seed}")
    is_slow = given.pause > 0
    handler = ExperimentHandler("results", "LeNet@MNIST", console=is_slow, system_metrics=is_slow)
    handler.set_dict_params({"optimizer.learning_rate": given.lr, "model.layers": given.layers})
    handler.set_dict_params({"data.batch_size": 64, "seed": seed, "max_steps": 400})
    handler.disable_params(["seed", "max_steps"])
    handler.name_params(["optimizer.learning_rate", "model.layers"])
    handler.start()
    print(f"LeNet with {given.layers} layers of {WIDTH}, dropout {dropout()}", flush=True)
    for step in range(400 if is_slow else 60):
        loss = 0.2 + abs(math.log10(given.lr) + 2) / 9 - given.layers / 50 + 2 * math.exp(-step / 9)
        loss += random.gauss(0, 0.02)
        values = {"loss": loss, "accuracy": 1 - loss / 4 + random.gauss(0, 0.004), "epoch": step // 6}
        handler.set_dict_metrics(values, step=step)
        if step % 6 == 5:
            print(f"epoch {step // 6:2}  loss {loss:.4f}  accuracy {values['accuracy']:.4f}", flush=True)
        time.sleep(given.pause)
    handler.set_best("early_stopping", metric="loss", higher_better=False)
    handler.set_metric("accuracy", 1 - loss / 4, test=True)
    handler.log()
"""
_NET = "WIDTH = {width}\n\n\ndef dropout() -> float:\n    return {dropout}\n"
_COMPARED = (
    (0.03, 4, {"width": 64, "dropout": 0.1}),
    (0.01, 4, {"width": 64, "dropout": 0.2}),
    (0.03, 2, {"width": 96, "dropout": 0.1}),
)
_FILTER = """
const sections = [...document.querySelectorAll('#run section')];
const field = sections.find((one) => one.innerText.startsWith(arguments[0])).querySelector('input');
field.value = arguments[1];
field.dispatchEvent(new Event('input'));
"""
_PATCH = "[...document.querySelectorAll('#run button')].find((one) => one.innerText.includes('uncommitted'))"
_SYSTEM = "return document.querySelectorAll('#run-curves .system .plot .main-svg').length"


def make_live_page_pictures(target: Path, folder: Path) -> None:
    """Train, look at the page, and keep what it shows.

    Args:
        target: the folder for the pictures.
        folder: a new one for the trainings; its path is to be seen in the pictures.
    """
    repository = Repository(
        folder / "lenet", **{"train.py": _TRAINING, "net.py": _NET.format(width=64, dropout=0.0)}
    )
    repository.write({".gitignore": "results/\n__pycache__/\n"})
    repository.commit()
    for rate, layers, code in _COMPARED:
        repository.write({"net.py": _NET.format(**code)})
        _train(repository, "--lr", str(rate), "--layers", str(layers)).wait(120)
    results = repository.folder / "results"
    with (
        served_page(results, folder, cwd=repository.folder) as page,
        open_browser() as browser,
    ):
        browser.get(f"{page.address}#experiment=LeNet%40MNIST")
        until_true(
            lambda: browser.execute_script("return document.querySelectorAll('#table .name').length > 2")
        )
        compared = browser.execute_script("return document.getElementById('compare-ticked').href")
        _show(browser, compared, "#compared-code .patch", "#curves-plot .main-svg")
        _keep(browser, target / "ui-compare.png")
        live = _train(repository, "--lr", "0.02", "--layers", "4", "--seeds", "1", "--pause", "0.3")
        try:
            _keep_running(browser, target / "ui-run.png")
        finally:
            live.kill()
            live.wait()


def _keep_running(browser: Any, path: Path) -> None:
    began = time.monotonic()
    browser.execute_script("location.hash = 'experiment=LeNet%40MNIST'")
    until_true(lambda: browser.execute_script("return document.querySelector('#running a')"))
    running = browser.execute_script("return document.querySelector('#running a').href")
    _show(browser, running, "#console", "#run-curves .dev .main-svg")
    until_true(lambda: time.monotonic() > began + 40, pause=0.5)  # of the machine's metrics too
    until_true(lambda: browser.execute_script(_SYSTEM))
    browser.execute_script(_FILTER, "Where it comes from", "git")
    browser.execute_script(f"{_PATCH}.click()")
    until_true(lambda: browser.execute_script("return document.querySelector('#run .patch')"))
    _keep(browser, path)


def _train(repository: Repository, *options: str) -> subprocess.Popen[bytes]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "LEGM_PROVENANCE": "1"}
    command = ["python", "train.py", *options]
    return subprocess.Popen(command, cwd=repository.folder, env=variables, stdout=subprocess.DEVNULL)


def _show(browser: Any, address: str, *expected: str) -> None:
    """Open a view, and wait until all of what is expected is there."""
    browser.get("about:blank")
    _resize(browser, 1300)
    browser.get(address)
    for selector in expected:
        until_true(
            lambda one=selector: browser.execute_script("return document.querySelector(arguments[0])", one)
        )


def _resize(browser: Any, height: int) -> None:
    metrics = {"width": _WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _keep(browser: Any, path: Path) -> None:
    """Keep a picture of the whole view."""
    _resize(browser, int(browser.execute_script("return document.documentElement.scrollHeight")))
    time.sleep(1.0)  # plots follow the size
    found = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path.write_bytes(base64.b64decode(found["data"]))


if __name__ == "__main__":
    made = Path(tempfile.gettempdir(), "mnist")
    made.mkdir()  # an error where somebody has one
    try:
        make_live_page_pictures(Path(sys.argv[1]).absolute(), made)
    finally:
        shutil.rmtree(made)
