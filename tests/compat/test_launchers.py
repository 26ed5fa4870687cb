"""Scripts that accelerate and torchrun launch get the libraries or the stand-ins by ``legm run``.

accelerate and PyTorch are imported in several processes: so these tests run where the module is named, as in
``nox -s trainers``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from legm.records import Series, Status
from tests.support.captured import QUIET, prepare_kept_store
from tests.support.compat_stores import run
from tests.support.reading import runs_of

ACCELERATE = """
from accelerate import Accelerator

accelerator = Accelerator(log_with=["wandb", "mlflow"], cpu=True)
accelerator.init_trackers("launched", config={"lr": 0.1})
for step in range(3):
    accelerator.log({"loss": 1 / (step + 1)}, step=step)
accelerator.end_training()
"""
RANKS = """
import os
import mlflow, wandb

if os.environ["RANK"] == "0":
    run = wandb.init(project="launched", config={"lr": 0.1})
    mlflow.set_experiment("launched")
    mlflow.log_param("lr", 0.1)
    for step in range(3):
        run.log({"loss": 1 / (step + 1)}, step=step)
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    run.finish()
"""
LAUNCHED = {
    "accelerate": (["launch", "--cpu"], ACCELERATE),
    "torchrun": (["--standalone", "--nproc-per-node", "2"], RANKS),
}


def launch(folder: Path, python: Path, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """``legm run`` of a script that a program of this Python launches."""
    arguments, code = LAUNCHED[program]
    (folder / "train.py").write_text(code, encoding="utf-8")
    command = ["-m", "legm", "run", "--root", "root", *options, "--", str(python.with_name(program))]
    home = {"HF_HOME": str(folder), "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    return run([*command, *arguments, "train.py"], folder, python, **QUIET, **home)


def require_both_runs(folder: Path, marks: set[str]) -> None:
    """See that W&B's run and MLflow's have what was logged, and come the way that leaves these marks."""
    found = runs_of(folder / "root", "launched")
    assert len(found) == 2
    for one in found:
        assert one.status is Status.COMPLETED
        assert one.histories[Series("loss")].values.tolist() == [1.0, 0.5, 1 / 3]
        assert one.histories[Series("loss")].steps.tolist() == [0, 1, 2]
        assert [float(one.run.configuration.parameters["lr"])] == [0.1]
        assert marks & set(one.run.environment) == marks


@pytest.mark.parametrize("program", LAUNCHED)
def test_where_the_libraries_are_absent_a_launched_script_gets_the_stand_ins(tmp_path, bare_python, program):
    done = launch(tmp_path, bare_python, program)
    assert done.returncode == 0, done.stderr
    assert "stand-ins for wandb and mlflow, since wandb and mlflow are not installed\n" in done.stderr
    require_both_runs(tmp_path, {"drop_in"})


@pytest.mark.parametrize("options", [["--real"], []], ids=["asked for", "found"])
@pytest.mark.parametrize("program", LAUNCHED)
def test_where_they_are_installed_it_gets_them(tmp_path, program, options):
    prepare_kept_store(tmp_path)
    done = launch(tmp_path, Path(sys.executable), program, *options)
    assert done.returncode == 0, done.stderr
    assert "legm: run with the installed wandb and mlflow\n" in done.stderr
    require_both_runs(tmp_path, {"imported"})
