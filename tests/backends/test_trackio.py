"""examples/legm-trackio, installed as a stranger would: built, into an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kit import PROPERTIES
from tests.support.paths import ROOT


def run(command: list[str], **options) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """A Python that has legm, legm-trackio and pytest, and nothing else: by uv where there is one."""
    folder = tmp_path_factory.mktemp("trackio")
    uv = shutil.which("uv")
    run([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), str(folder / "venv")])
    made = str(folder / "venv" / "bin" / "python")
    pip = [uv, "pip", "install", "--python", made] if uv else [made, "-m", "pip", "install"]
    run([*pip, "-q", str(ROOT), str(ROOT / "examples" / "legm-trackio"), "pytest"], cwd=folder)
    return made


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "MPLBACKEND": "Agg"}
    return {**os.environ, **offline, "TRACKIO_DIR": str(tmp_path / "store")}


def test_it_is_found_by_its_name(python, environment, tmp_path):
    command = [str(Path(python).with_name("legm")), "backends", "--json"]
    assert '"trackio"' in run(command, cwd=tmp_path, env=environment)


def test_it_passes_the_kit(python, environment, tmp_path):
    kit = str(ROOT / "examples" / "legm-trackio" / "test_legm_trackio.py")
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    said = run([python, "-m", "pytest", kit, *options], cwd=tmp_path, env=environment)
    assert f"{len(PROPERTIES)} passed" in said


def test_the_examples_script_ranks_as_with_the_local_backend(python, environment, tmp_path):
    script = [python, str(ROOT / "examples" / "legm-trackio" / "train.py"), "--backend"]
    said = {}
    for backend in ("local", "trackio"):
        arguments = [*script, backend, "--root", str(tmp_path / backend)]
        said[backend] = run(arguments, cwd=tmp_path, env=environment)
    assert said["local"].count("(3 runs)") == 3
    assert said["trackio"] == said["local"]
    assert list(Path(environment["TRACKIO_DIR"]).glob("line-*.db"))
