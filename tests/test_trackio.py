"""examples/legm-trackio, installed as a stranger would: built, into an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_testing import PROPERTIES

ROOT = Path(__file__).parents[1]


def run(command: list[str], **options) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """A Python that has legm, legm-trackio and what the example needs, and nothing else."""
    folder = tmp_path_factory.mktemp("trackio")
    run([sys.executable, "-m", "venv", str(folder / "venv")])
    made = str(folder / "venv" / "bin" / "python")
    pip = [made, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run([*pip, f"{ROOT}[example]", str(ROOT / "examples" / "legm-trackio"), "pytest"], cwd=folder)
    return made


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "MPLBACKEND": "Agg"}
    return {**os.environ, **offline, "TRACKIO_DIR": str(tmp_path / "trackio")}


def test_it_is_found_by_its_name(python, environment, tmp_path):
    command = [str(Path(python).with_name("legm")), "backends", "--json"]
    assert '"trackio"' in run(command, cwd=tmp_path, env=environment)


def test_it_passes_the_kit(python, environment, tmp_path):
    kit = str(ROOT / "examples" / "legm-trackio" / "test_legm_trackio.py")
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    said = run([python, "-m", "pytest", kit, *options], cwd=tmp_path, env=environment)
    assert f"{len(PROPERTIES)} passed" in said


def test_the_examples_script_prints_the_same_leaderboard(python, environment, tmp_path):
    said = {}
    for backend in ("local", "trackio"):
        script = [python, str(ROOT / "examples" / "digits.py"), "--backend", backend, "--seeds", "2"]
        told = run(
            [*script, "--epochs", "4", "--root", str(tmp_path / backend)], cwd=tmp_path, env=environment
        )
        said[backend] = [line for line in told.splitlines() if "±" in line]
    assert said["local"]
    assert said["trackio"] == said["local"]
