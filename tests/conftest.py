"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits.py"


def pytest_report_header() -> str:
    """The versions of what is not ours, as far as it is installed."""
    installed = {found.name: found.version for found in distributions()}
    names = ("numpy", "protobuf", "matplotlib", "tensorboard", "mlflow", "wandb", "torch")
    return ", ".join(f"{name} {installed[name]}" for name in names if name in installed)


@pytest.fixture(scope="session")
def digits_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of examples/digits.py with two seeds, made once for all workers: only to be read.

    What the example printed is in ``stdout.txt`` beside the root directory.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "digits"
    root = folder / "results"
    with FileLock(f"{folder}.lock"):
        if not (folder / "stdout.txt").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a run that broke off
            folder.mkdir()
            arguments = ["--root", "results", "--seeds", "2", "--epochs", "8"]
            command = [sys.executable, "-W", "error", str(EXAMPLE), *arguments]
            done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
            assert done.returncode == 0, done.stderr
            assert not done.stderr
            (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium without a network, its console kept; without one, tests are skipped but in CI."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if "CI" not in os.environ and not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--proxy-server=127.0.0.1:1",
        "--proxy-bypass-list=127.0.0.1",
        "--window-size=1500,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path=driver)
    opened = webdriver.Chrome(options=options, service=service)
    yield opened
    opened.quit()


@pytest.fixture
def wandb_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the user's own W&B, of which nothing is read or written."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    return home
