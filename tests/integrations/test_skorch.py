"""Trainings with skorch, compared with the net's own history."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, EarlyStopping

from legm.integrations.skorch import LegmCallback
from legm.records import Status
from tests.support.boosting_data import halves
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points

(X, y), _ = halves()
X = X.astype(np.float32)


class Module(torch.nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, width), torch.nn.ReLU(), torch.nn.Linear(width, 2)
        )

    def forward(self, x):
        return torch.softmax(self.layers(x), dim=-1)


def net(*callbacks, **arguments) -> NeuralNetClassifier:
    torch.manual_seed(0)
    given = {"max_epochs": 5, "lr": 0.5, "verbose": 0, "callbacks": [*callbacks], **arguments}
    return NeuralNetClassifier(Module, **given)


def test_every_epoch_has_what_the_history_has(tmp_path):
    stopping = EarlyStopping(patience=2, threshold=0.0)
    model = net(stopping, LegmCallback(tmp_path, "e", backend=["local", "mlflow"]), lr=5.0, max_epochs=12)
    model.fit(X, y)
    for backend in ("local", "mlflow"):
        found = only_run(tmp_path, backend=backend)
        for name, own in (("train_loss",) * 2, ("valid_loss",) * 2, ("valid_acc",) * 2, ("dur", "time")):
            assert points(found, own) == [(row["epoch"], row[name]) for row in model.history]
        assert {series.name for series in found.histories} == {
            "train_loss",
            "valid_loss",
            "valid_acc",
            "time",
        }
        assert found.best_step == [row["epoch"] for row in model.history if row["valid_loss_best"]][-1]
        assert found.status is Status.COMPLETED


def test_the_parameters_are_those_that_differ_from_the_defaults(tmp_path):
    net(LegmCallback(tmp_path, "e"), module__width=8, optimizer__momentum=0.9).fit(X, y)
    configuration = only_run(tmp_path).run.configuration
    assert {name: configuration.parameters[name] for name in configuration.active} == {
        "estimator": "NeuralNetClassifier",
        "module": f"{Module.__module__}.Module",
        "module.width": 8,
        "optimizer.momentum": 0.9,
        "lr": 0.5,
        "max_epochs": 5,
    }
    assert configuration.parameters["batch_size"] == 128


def test_copies_and_continued_trainings(tmp_path):
    model = net(LegmCallback(tmp_path, "e"), max_epochs=2)
    model.fit(X, y)
    model.partial_fit(X, y)
    copied = clone(model)
    copied.fit(X, y)
    first, second = runs_of(tmp_path)
    assert [step for step, _ in points(first, "valid_loss")] == [1, 2, 3, 4]
    assert [step for step, _ in points(second, "valid_loss")] == [1, 2]
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint


def test_the_best_step_is_that_of_the_checkpoint(tmp_path):
    checkpoint = Checkpoint(monitor="valid_acc_best", dirname=str(tmp_path / "kept"))
    model = net(checkpoint, LegmCallback(tmp_path / "root", "e"))
    model.fit(X, y)
    best = [row["epoch"] for row in model.history if row["valid_acc_best"]][-1]
    assert only_run(tmp_path / "root").best_step == best


def test_an_exception_in_a_training_makes_the_run_failed(tmp_path):
    class Breaks(Callback):
        def on_epoch_end(self, net, **_):
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"), LegmCallback(tmp_path, "e") as callback:
        net(("breaks", Breaks()), callback).fit(X, y)
    assert only_run(tmp_path).error == "ValueError: stop"
