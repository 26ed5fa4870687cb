"""A real torchrun of two processes: only rank 0 writes, natively, under capture and in the drop-in.

Where both ranks record in the drop-in, what they log under one id of W&B is one run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from legm.records import RunResult, Series, Status
from legm.runlog.file_names import OWN_FOLDER
from tests.support.captured import QUIET, prepare_kept_store
from tests.support.compat_stores import environment
from tests.support.reading import runs_of

pytestmark = pytest.mark.slow

SCRIPT = """
import os, mlflow, wandb
rank = os.environ["RANK"]
mlflow.set_experiment("with-mlflow")
mlflow.set_experiment("with-mlflow")  # MLflow does not choose it where the other rank creates it just then
with mlflow.start_run() as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_metric("loss", float(rank), step=0)
    mlflow.log_text("hello", "a.txt")
    assert mlflow.get_run(run.info.run_id).data.params == {"lr": "0.1"}
with wandb.init(project="with-wandb", config={"lr": 0.1}) as run:
    run.log({"loss": float(rank)})
    assert run.config["lr"] == 0.1
"""

NATIVE = """
from legm import ExperimentHandler
handler = ExperimentHandler("root", "native")
handler.set_param("lr", 0.1)
with handler.start():
    handler.set_metric("loss", float(rank))
    folder = handler.get_save_filename()
    open(f"{rank}.txt", "w").write(folder)
"""

TOGETHER = """
import time
os.environ["LEGM_MAIN_PROCESS"] = "1"
with wandb.init(project="together", id="one", config={"lr": 0.1, "of" + rank: rank}) as run:
    open("begun" + rank, "w").close()
    while not all(os.path.exists(f"begun{one}") for one in range(2)):
        time.sleep(0.01)
    for row in range(3):
        run.log({"loss" + rank: row})
"""

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def play(folder: Path, arguments: list[str], **variables: str) -> None:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment(**QUIET, LEGM_ROOT="root", OMP_NUM_THREADS="1", **variables),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def require_one_run(folder: Path, experiment: str) -> RunResult:
    (found,) = runs_of(folder / "root", experiment)
    assert found.status is Status.COMPLETED
    assert found.histories[Series("loss")].values.tolist() == [0.0]
    return found


def test_two_ranks_make_one_run_natively_and_under_capture(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT + NATIVE, encoding="utf-8")
    prepare_kept_store(tmp_path)
    command = [sys.executable, "-m", "legm", "run", "--real", "--root", "root", "--"]  # as legm capture does
    play(tmp_path, [*command, sys.executable, *TORCHRUN, "script.py"])
    for experiment in ("native", "with-mlflow", "with-wandb"):
        require_one_run(tmp_path, experiment)
    assert (tmp_path / "0.txt").read_text() == (tmp_path / "1.txt").read_text()
    assert not list((tmp_path / "root" / ".legm" / "capture").iterdir())


def test_two_ranks_make_one_run_in_the_drop_in(tmp_path, bare_python):
    (tmp_path / "script.py").write_text(SCRIPT + TOGETHER, encoding="utf-8")
    play(tmp_path, [str(bare_python), *TORCHRUN, "-m", "legm.compat", "script.py"])
    for experiment in ("with-mlflow", "with-wandb"):
        require_one_run(tmp_path, experiment)
    (found,) = runs_of(tmp_path / "root", "together")  # where both ranks record, under one id
    assert (found.status, found.run.environment["drop_in"]["key"]) == (Status.COMPLETED, "one")
    assert dict(found.run.configuration.parameters) == {"lr": 0.1, "of0": "0", "of1": "1"}
    for rank in range(2):
        history = found.histories[Series(f"loss{rank}")]
        assert (history.steps.tolist(), history.values.tolist()) == ([0, 1, 2], [0.0, 1.0, 2.0])
    folders = {path.name for path in (tmp_path / "root").iterdir()} - {OWN_FOLDER}  # where ranks join a run
    assert folders == {"with-mlflow", "with-wandb", "together"}
