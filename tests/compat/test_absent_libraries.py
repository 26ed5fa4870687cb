"""Where wandb and mlflow are not installed, a script still finds both as if they were."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.compat_stores import environment

ASKED = """
import importlib.metadata, importlib.util, json, os, subprocess, sys
import wandb, mlflow, wandb.sdk.wandb_run, mlflow.tracking
found = {}
for library, below in ((wandb, wandb.sdk.wandb_run), (mlflow, mlflow.tracking)):
    name = library.__name__
    found[name] = {
        "distributions": importlib.metadata.packages_distributions().get(name),
        "version": importlib.metadata.version(name) == library.__version__,
        "spec": importlib.util.find_spec(name) is not None,
        "files": [os.path.isfile(one.__file__) for one in (library, below)],
    }
if len(sys.argv) == 1:
    found["child"] = json.loads(subprocess.check_output([sys.executable, __file__, "child"]))
print(json.dumps(found))
"""


LEFT = """
import importlib.metadata, importlib.util, os, sys
from pathlib import Path
print(*(name for name in ("wandb", "mlflow") if importlib.util.find_spec(name)))
names = [one.metadata["Name"] for one in importlib.metadata.distributions()]
print(*(one for one in names if "wandb" in one or "mlflow" in one), "numpy" in names)
folders = [Path(one) for one in sys.path if os.path.isdir(one)] + [Path(sys.executable).parent]
print(*(one for folder in folders for one in folder.glob("*") if one.name.startswith(("wandb", "mlflow"))))
"""


def test_nothing_of_them_is_in_the_python_of_these_tests(bare_python):
    """No module, no metadata, no file and no program."""
    said = subprocess.run([bare_python, "-c", LEFT], env=environment(), capture_output=True, check=True)
    assert said.stdout.decode().splitlines() == ["", "True", ""]


@pytest.fixture(scope="module")
def found(tmp_path_factory, bare_python):
    folder = tmp_path_factory.mktemp("absent")
    (folder / "script.py").write_text(ASKED)
    done = subprocess.run(
        [bare_python, "-m", "legm.compat", "script.py"],
        cwd=folder,
        env=environment(LEGM_ROOT="root", LEGM_CONSOLE="0"),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("library", ["wandb", "mlflow"])
def test_both_libraries_look_installed_in_the_script_and_in_its_processes(found, library):
    expected = {"distributions": [library], "version": True, "spec": True, "files": [True, True]}
    assert found[library] == expected
    assert found["child"][library] == expected
