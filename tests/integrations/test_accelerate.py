"""Trainings with Hugging Face accelerate, compared with its own tracker of MLflow, at full precision."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from mlflow import MlflowClient

import legm
from legm import ExperimentHandler
from legm.integrations.accelerate import LegmTracker
from legm.records import Status
from tests.support.logged_media import logged_pictures, logged_table
from tests.support.mlflow_store import mlflow_sqlite_uri, prepare_store
from tests.support.trainer_runs import only_run, points, test_values

CONFIG = {"lr": 0.1, "batch_size": 4, "model": {"width": 3}, "seed": 7, "output_dir": "out/7"}


@pytest.fixture(autouse=True)
def fresh_accelerator(monkeypatch):
    """Accelerate keeps its state for the process."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    yield
    AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - as its own tests do
    GradientState._reset_state()  # noqa: SLF001


def train(accelerator: Accelerator, config: dict | None = CONFIG) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.utils.data.DataLoader(torch.randn(16, 3), batch_size=4)
    model, optimizer, data = accelerator.prepare(model, optimizer, data)
    accelerator.init_trackers("project", config=config)
    for epoch in range(3):
        for batch in data:
            loss = model(batch).square().mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        accelerator.log({"loss": loss.item(), "lr": 0.1 / (epoch + 1)}, step=epoch)
    accelerator.log({"test_loss": loss.item()}, step=3)


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_a_training_leaves_what_accelerates_own_tracker_has(tmp_path, monkeypatch, backend):
    address = mlflow_sqlite_uri(prepare_store(tmp_path / "theirs.db"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    tracker = LegmTracker(tmp_path / "root", "e", backend=backend)
    accelerator = Accelerator(log_with=[tracker, "mlflow"], project_dir=str(tmp_path))
    train(accelerator, {name: value for name, value in CONFIG.items() if name != "model"} | {"width": 3})
    assert accelerator.get_tracker("legm", unwrap=True) is tracker.tracker
    accelerator.end_training()
    found = only_run(tmp_path / "root", backend=backend)
    client = MlflowClient(address)
    (theirs,) = client.search_runs([client.get_experiment_by_name("project").experiment_id])
    assert {*theirs.data.metrics} == {"loss", "lr", "test_loss"}
    for name in ("loss", "lr"):
        own = [(one.step, one.value) for one in client.get_metric_history(theirs.info.run_id, name)]
        assert points(found, name) == sorted(own)
        assert len(own) == 3
    assert test_values(found) == {"loss": theirs.data.metrics["test_loss"]}
    assert found.status is Status.COMPLETED
    assert found.run.configuration.active == ("batch_size", "lr", "width")


def test_nested_hyperparameters_and_own_ones_are_compared(tmp_path):
    accelerator = Accelerator(log_with=LegmTracker(tmp_path, "e", params={"lr": 0.2}))
    train(accelerator)
    accelerator.end_training()
    configuration = only_run(tmp_path).run.configuration
    assert configuration.active == ("batch_size", "lr", "model.width")
    assert configuration.parameters["lr"] == 0.2


def test_a_training_without_a_config_begins_its_run_with_the_first_value(tmp_path):
    accelerator = Accelerator(log_with=LegmTracker(tmp_path, "e"))
    train(accelerator, None)
    accelerator.end_training()
    assert [step for step, _ in points(only_run(tmp_path), "loss")] == [0, 1, 2]


def test_a_handler_of_the_users_may_be_given(tmp_path):
    handler = ExperimentHandler(tmp_path, "e", "mine")
    handler.set_param("dropout", 0.5)
    accelerator = Accelerator(log_with=LegmTracker(handler))
    train(accelerator)
    accelerator.end_training()
    found = only_run(tmp_path)
    assert found.run.description == "mine"
    assert found.run.configuration.active == ("batch_size", "dropout", "lr", "model.width")


def test_pictures_tables_and_texts_are_media(tmp_path):
    accelerator = Accelerator(log_with=LegmTracker(tmp_path, "e"))
    accelerator.init_trackers("project", config=CONFIG)
    (tracker,) = accelerator.trackers
    pixels = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    tracker.log_images({"samples": pixels}, step=1)
    tracker.log_table("answers", columns=["a", "b"], data=[[1, "x"], [2, "y"]], step=2)
    accelerator.log({"note": "half way", "loss": 1.0}, step=2)
    accelerator.end_training()
    media = legm.open(tmp_path).media()
    found = {*zip(media["name"], media["kind"], media["step"], strict=True)}
    assert found == {("samples", "image", 1), ("answers", "table", 2), ("note", "text", 2)}
    assert len(media["name"]) == 4  # two pictures
    pictures = logged_pictures(tmp_path, "samples")
    assert np.array_equal([picture for _, _, picture in pictures], pixels)
    assert logged_table(tmp_path, "answers") == {"a": [1, 2], "b": ["x", "y"]}


SCRIPT = """
import sys
from accelerate import Accelerator
from legm.integrations.accelerate import LegmTracker
accelerator = Accelerator(log_with=LegmTracker(sys.argv[1], "e"), cpu=True)
accelerator.init_trackers("project", config={"lr": 0.1})
for step in range(3):
    accelerator.log({"loss": 1.0 + accelerator.process_index}, step=step)
if sys.argv[2] == "crash":
    raise ValueError("no more data")
accelerator.end_training()
"""


def script(folder: Path, how: str, *launcher: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(SCRIPT)
    command = [sys.executable, *launcher, str(folder / "train.py"), str(folder / "root"), how]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_crash_before_end_training_is_a_failed_run(tmp_path):
    assert script(tmp_path, "crash").returncode == 1
    found = only_run(tmp_path / "root")
    assert (found.status, found.error) == (Status.FAILED, "ValueError: no more data")
    assert points(found, "loss") == [(0, 1.0), (1, 1.0), (2, 1.0)]


def test_of_two_processes_the_main_one_records(tmp_path):
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone")
    done = script(tmp_path, "end", *launcher)
    assert done.returncode == 0, done.stderr
    assert points(only_run(tmp_path / "root"), "loss") == [(0, 1.0), (1, 1.0), (2, 1.0)]
