"""What becomes known of the machine, the scheduler and the imported distributions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from legm.provenance.distributions import InstalledDistributions
from legm.provenance.machine import parse_machine_gpus, read_machine
from legm.provenance.notebook import read_notebook
from legm.provenance.scheduler import read_scheduler
from tests.support.reading import runs_of


def test_the_machine_has_a_system_processors_and_memory():
    found = read_machine()
    assert found["os"] == platform.platform()
    assert found["cpu"]
    assert found["cpu_count"] == os.cpu_count()
    if hasattr(os, "sysconf"):
        assert 2**26 < found["memory"] < 2**50


def test_gpus_are_read_as_the_drivers_program_prints_them():
    text = "NVIDIA A100-SXM4-80GB, 81920, 535.104.05\nNVIDIA A100-SXM4-80GB, [N/A], 535.104.05\n"
    assert parse_machine_gpus(text) == {
        "gpus": [{"name": "NVIDIA A100-SXM4-80GB", "memory": 85899345920}, {"name": "NVIDIA A100-SXM4-80GB"}],
        "gpu_driver": "535.104.05",
    }
    assert parse_machine_gpus("NVIDIA-SMI has failed because it couldn't communicate with the driver\n") == {}


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_the_drivers_program_is_asked(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\ntest \"$1\" = --query-gpu=name,memory.total,driver_version && echo 'G, 2, 5.1'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = read_machine()
    assert (found["gpus"], found["gpu_driver"]) == ([{"name": "G", "memory": 2097152}], "5.1")


def test_each_scheduler_is_known_by_its_variables():
    assert read_scheduler({"HOME": "/"}) == {}
    slurm = {"SLURM_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3", "SLURM_RESTART_COUNT": "1", "SLURM_X": "y"}
    assert read_scheduler(slurm) == {
        "slurm": {"job_id": "17", "array_task_id": "3", "restart_count": "1"},
    }
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}
    assert read_scheduler(torchrun) == {
        "torchrun": {"run_id": "none", "rank": "0", "world_size": "4", "local_rank": "0"}
    }
    assert read_scheduler({"RANK": "0"}) == {}
    assert read_scheduler({"RAY_JOB_ID": "01000000"}) == {"ray": {"job_id": "01000000"}}


def test_versions_are_those_of_what_was_imported():
    found = InstalledDistributions(sys.path).imported(["yaml.nodes", "pytest", "os.path", "pluggy._hooks"])
    assert found == {name: importlib.metadata.version(name) for name in ("pluggy", "pytest", "PyYAML")}


def test_what_is_not_imported_has_no_version():
    assert InstalledDistributions(sys.path).imported(["os", "json", "not_there"]) == {}


def test_every_importable_distribution_is_found():
    """As the standard library finds it, by reading everything."""
    installed = InstalledDistributions(sys.path)
    wrong = {
        module: names
        for module, names in importlib.metadata.packages_distributions().items()
        if module.isidentifier() and len(set(names)) == 1 and module not in sys.stdlib_module_names
        if not {name.lower() for name in names}
        & {name.lower() for name in installed.imported([module + ".x"])}
        if Path(str(importlib.metadata.distribution(names[0]).locate_file(module))).exists()
    }
    assert not wrong


def install(folder: Path, name: str, version: str, *files: str) -> None:
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))


def test_distributions_that_share_a_package_are_distinguished(tmp_path):
    install(tmp_path, "google-auth", "1", "google/auth/__init__.py")
    install(tmp_path, "proto-buf", "2", "google/protobuf/__init__.py")
    installed = InstalledDistributions([str(tmp_path)])
    assert installed.imported(["google", "google.protobuf.message"]) == {"proto-buf": "2"}


def test_the_first_one_on_the_path_is_what_was_imported(tmp_path):
    install(tmp_path / "a", "model", "2", "model/__init__.py")
    install(tmp_path / "b", "model", "1", "model/__init__.py")
    installed = InstalledDistributions([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "missing")])
    assert installed.imported(["model"]) == {"model": "2"}


def test_modules_are_found_in_a_list_of_files_in_any_order(tmp_path):
    files = [
        "b/x.py",
        '"a/with, comma.py"',
        "b/y.py",
        "single.py",
        "../../bin/tool",
        "native.cpython-311.so",
        "a/z.py",
    ]
    install(tmp_path, "mixed", "1", *files, "mixed-1.dist-info/METADATA", "__pycache__/single.pyc")
    installed = InstalledDistributions([str(tmp_path)])
    found = {
        name: bool(installed.imported([name])) for name in ("a", "b", "single", "native", "bin", "z", "x")
    }
    assert found == {
        "a": True,
        "b": True,
        "single": True,
        "native": True,
        "bin": False,
        "z": False,
        "x": False,
    }


def test_one_that_is_installed_for_editing_is_found_by_its_name(tmp_path):
    install(tmp_path, "My-Model", "3", "__editable___my_model_finder.py")
    (tmp_path / "My_Model-3.dist-info").rename(tmp_path / "my_model-3.dist-info")
    installed = InstalledDistributions([str(tmp_path)])
    assert installed.imported(["My_Model.layers"]) == installed.imported(["my_model"]) == {"My-Model": "3"}


def test_the_version_is_that_of_the_beginning_although_another_one_was_installed_since(tmp_path):
    install(tmp_path, "model", "1.5", "model/__init__.py")
    installed = InstalledDistributions([str(tmp_path)])
    shutil.rmtree(tmp_path / "model-1.5.dist-info")
    install(tmp_path, "model", "2.0", "model/__init__.py")
    assert installed.imported(["model"]) == {"model": "1.5"}


def test_outside_of_a_notebook_there_is_no_cell():
    assert read_notebook() == {}


def test_in_a_notebook_a_run_has_the_cell_that_began_it(tmp_path):
    pytest.importorskip("IPython")
    script = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell('x = 1', store_history=True)\n"
        "shell.run_cell('''from legm import ExperimentHandler\n"
        "handler = ExperimentHandler('runs', 'e').start()''', store_history=True)\n"
        "shell.run_cell('handler.set_metric(\"loss\", x)', store_history=True)\n"
        "shell.run_cell('handler.log()', store_history=True)\n"
    )
    environment = {**os.environ, "LEGM_PROVENANCE": "1", "JPY_SESSION_NAME": str(tmp_path / "net.ipynb")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)
    (run,) = runs_of(tmp_path / "runs")
    assert run.run.environment["notebook"] == {
        "path": str(tmp_path / "net.ipynb"),
        "cell": "from legm import ExperimentHandler\nhandler = ExperimentHandler('runs', 'e').start()",
        "execution_count": 2,
    }
