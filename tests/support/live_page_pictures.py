"""Makes the pictures of the live page that ``docs/ui.md`` has.

``python -m tests.support.live_page_pictures docs/images`` needs Chromium, chromedriver and git, and takes two
minutes. One run, and configurations side by side, are of real trainings of a repository with uncommitted
changes, of which one is still running; the other pictures are of runs that are logged here.
"""

from __future__ import annotations

import base64
import itertools
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.browsing import open_browser, until_true
from legm import ExperimentHandler
from tests.support.live_page import served_page
from tests.support.paths import ROOT
from tests.support.repositories import Repository

__all__ = ["make_live_page_pictures"]

_WIDTH = 1400
_SCREENS = {"": (_WIDTH, 1560), "-820": (820, 1180), "-390": (390, 844)}
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
_CONFIGURATION = "document.querySelector('#table .detail a[href*=\"view=configuration\"]')"
_SYSTEM = "return document.querySelectorAll('#run-curves .system .plot .main-svg').length"


def make_live_page_pictures(target: Path, folder: Path) -> None:
    """Train, look at the page, and keep what it shows.

    Args:
        target: the folder for the pictures.
        folder: a new one for the trainings; its path is to be seen in the pictures.
    """
    _make_pictures_of_experiments(target, folder)
    _make_pictures_of_code(target, folder)


def _make_pictures_of_experiments(target: Path, folder: Path) -> None:
    """The experiments, one of them on screens of three sizes, a configuration, and long names."""
    results = folder / "results"
    _log_long_names(results)
    for optimizer, rate, layers in itertools.product(("adam", "sgd"), (0.1, 0.03, 0.01, 0.003), (4, 2)):
        for seed in range(4):
            _log_lenet(
                results, optimizer, rate, layers, seed, fails=(optimizer, rate, seed) == ("sgd", 0.1, 3)
            )
    running = _begin_lenet(results, "adam", 0.02, 4, 0)
    for step in range(72):
        running.set_dict_metrics(_lenet_metrics("adam", 0.02, 4, step), step=step)
        time.sleep(0.3)  # as long as a step of it takes
    with served_page(results, folder) as page, open_browser() as browser:
        _show(browser, page.address, ".card", size=(_WIDTH, 700))
        _keep_screen(browser, target / "ui-experiments.png")
        _show(browser, f"{page.address}#experiment=LeNet%40MNIST", "#running a", "#table .name")
        browser.execute_script("document.querySelectorAll('#table [data-letter=B]')[1].click()")
        board = browser.execute_script("return location.href")  # with the differences from A
        browser.execute_script("document.querySelector('#table .open').click()")
        until_true(lambda: browser.execute_script(f"return {_CONFIGURATION}"))
        first = browser.execute_script(f"return {_CONFIGURATION}.href")
        long_names = f"{page.address}#experiment=transformer.encoder.long_names"
        plots = ("#curves-plot .main-svg", "#parallel-plot .main-svg")
        for theme in ("light", "dark"):
            colours = [{"name": "prefers-color-scheme", "value": theme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": colours})
            for name, size in _SCREENS.items():
                shown = plots if size[0] == _WIDTH else ()
                _show(browser, board, "#running a", "#table .difference .faint", *shown, size=size)
                _keep_screen(browser, target / f"ui{name}-{theme}.png")
        _show(browser, first, "#configuration-parts .runs-part", plots[0])
        _keep_screen(browser, target / "ui-configuration.png")
        _show(browser, long_names, "#table .name", *plots, size=_SCREENS[""])
        _keep_screen(browser, target / "ui-long-names.png")
    running.end("interrupted")


def _log_lenet(root: Path, optimizer: str, rate: float, layers: int, seed: int, *, fails: bool) -> None:
    handler = _begin_lenet(root, optimizer, rate, layers, seed)
    if (rate, layers) == (0.01, 4):
        handler.tag("favourite")
    for step in range(60):
        metrics = _lenet_metrics(optimizer, rate, layers, step)
        handler.set_dict_metrics(metrics, step=step)
    if fails:
        handler.end("failed", "ValueError: the loss is NaN in training_step (train.py:88)")
        return
    handler.set_best("early_stopping", metric="loss", higher_better=False)
    handler.set_metric("accuracy", metrics["accuracy"], test=True)
    handler.log()


def _begin_lenet(root: Path, optimizer: str, rate: float, layers: int, seed: int) -> ExperimentHandler:
    random.seed(f"{optimizer} {rate} {layers} {seed}")
    handler = ExperimentHandler(root, "LeNet@MNIST")
    handler.set_dict_params({"optimizer.name": optimizer, "optimizer.learning_rate": rate})
    handler.set_dict_params({"optimizer.momentum": 0.9, "model.layers": layers, "data.batch_size": 64})
    handler.set_parent("optimizer.momentum", "optimizer.name", "sgd")
    handler.set_dict_params({"seed": seed, "max_steps": 400})
    handler.disable_params(["seed", "max_steps"])
    handler.name_params(["model.layers", "optimizer.learning_rate", "optimizer.name"])
    handler.start()
    return handler


def _lenet_metrics(optimizer: str, rate: float, layers: int, step: int) -> dict[str, float]:
    slow = optimizer == "sgd"
    loss = 0.23 + abs(math.log10(rate) + 1.7) / 8 + 0.08 * slow + (4 - layers) / 45
    loss += 2 * math.exp(-step / (14 if slow else 8))
    loss += random.gauss(0, 0.015)
    return {"loss": loss, "accuracy": 1 - loss / 4 + random.gauss(0, 0.003), "epoch": step // 6}


def _log_long_names(root: Path) -> None:
    schedules = ("cosine_annealing_with_warm_restarts", "linear_warmup_with_then_polynomial_decay")
    for layers, rate, schedule, seed in itertools.product(
        (2, 4, 6, 8, 12), (0.0001, 0.001, 0.01, 0.1), schedules, range(2)
    ):
        handler = ExperimentHandler(root, "transformer.encoder.long_names")
        handler.set_dict_params(
            {
                "model.encoder.transformer.number_of_layers": layers,
                "training.optimizer.learning_rate.initial_value": rate,
                "training.optimizer.learning_rate.schedule.name": schedule,
                "training.data.batch_size": 64,
                "seed": seed,
            }
        )
        handler.disable_param("seed")
        handler.start()
        for step in range(8):
            loss = 0.01 + 1 / (step + 1) + layers / 1000 + 2 * rate + seed / 70
            loss = math.nan if (layers, rate) == (12, 0.1) else loss
            handler.set_metric("validation.cross_entropy.label_smoothed", loss, step=step)
        if (layers, rate) == (8, 0.1):
            handler.end(
                "failed", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB"
            )
        else:
            handler.log()


def _make_pictures_of_code(target: Path, folder: Path) -> None:
    """Configurations of different code side by side, and a run that is running."""
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


def _show(browser: Any, address: str, *expected: str, size: tuple[int, int] = (_WIDTH, 1300)) -> None:
    """Open a view, and wait until all of what is expected is there."""
    browser.get("about:blank")
    _resize(browser, *size)
    browser.get(address)
    for selector in expected:
        until_true(
            lambda one=selector: browser.execute_script("return document.querySelector(arguments[0])", one)
        )


def _resize(browser: Any, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _keep(browser: Any, path: Path) -> None:
    """Keep a picture of the whole view."""
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})  # it may grow meanwhile
    time.sleep(1.0)  # what comes last has its place
    _resize(browser, _WIDTH, int(browser.execute_script("return document.documentElement.scrollHeight")))
    _keep_screen(browser, path)


def _keep_screen(browser: Any, path: Path) -> None:
    """Keep a picture of what the screen shows."""
    time.sleep(1.0)  # plots follow the size
    found = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path.write_bytes(base64.b64decode(found["data"]))


if __name__ == "__main__":
    made = Path(tempfile.gettempdir(), "mnist")
    made.mkdir()  # an error where somebody has one
    os.environ["LEGM_PROVENANCE"] = "0"  # the trainings of the repository switch it on
    try:
        make_live_page_pictures(Path(sys.argv[1]).absolute(), made)
    finally:
        shutil.rmtree(made)
