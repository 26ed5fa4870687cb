"""Trainings with Keras on PyTorch and on JAX, compared with its own ``History``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest

from legm import ExperimentHandler, ParameterError
from legm.integrations.keras import LegmCallback
from legm.records import RunResult, Status
from tests.support.mlflow_store import prepare_store
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points, test_values

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

MADE: dict[str, Any] = {}
MODEL = """
import keras
import numpy as np

X = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
Y = X.sum(1)

def model(optimizer=None, layers=(2,), **compiled):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(width, "relu") for width in layers]
    made = keras.Sequential([keras.layers.Input((3,)), *hidden, keras.layers.Dense(1)])
    usual = {"optimizer": optimizer or keras.optimizers.SGD(0.01), "loss": "mse", "metrics": ["mae"]}
    made.compile(**{**usual, **compiled})
    return made

def fit(model, *callbacks, epochs=3, **options):
    usual = {"validation_data": (X, Y), "batch_size": 8, "verbose": 0, "shuffle": False}
    return model.fit(X, Y, epochs=epochs, callbacks=[*callbacks], **{**usual, **options})
"""
exec(MODEL, MADE)  # the scripts below have it too
X, Y, model, fit = MADE["X"], MADE["Y"], MADE["model"], MADE["fit"]


def require_same_values(found: RunResult, history: dict[str, list[float]], epochs: list[int]) -> None:
    """Every value at every epoch of the library's own history, and no other."""
    for name, values in history.items():
        assert points(found, name) == [*zip(epochs, map(float, values), strict=True)], name
    assert {series.name for series in found.histories} == {*history}


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_a_training_and_an_evaluation_leave_what_keras_has(tmp_path, backend):
    callback = LegmCallback(tmp_path, "e", backend=backend)
    made = model()
    done = fit(made, callback)
    measured = made.evaluate(X, Y, verbose=0, callbacks=[callback], return_dict=True)
    found = only_run(tmp_path, backend=backend)
    require_same_values(found, done.history, done.epoch)
    assert test_values(found) == measured
    assert found.status is Status.COMPLETED


@pytest.mark.parametrize(("log_freq", "kept"), [("batch", [*range(6)]), (2, [0, 2, 4])])
def test_the_metrics_of_batches_are_set_if_wanted(tmp_path, log_freq, kept):
    seen: list[float] = []
    own = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    done = fit(model(), LegmCallback(tmp_path, "e", log_freq=log_freq), own)
    found = only_run(tmp_path)
    assert points(found, "batch_loss") == [(step, seen[step]) for step in kept]
    assert points(found, "loss") == [*enumerate(done.history["loss"])]


@pytest.mark.parametrize("log_freq", ["epochs", 0, -1, None])
def test_another_frequency_is_refused(tmp_path, log_freq):
    with pytest.raises(ParameterError, match="log_freq must be 'epoch', 'batch' or a number of batches"):
        LegmCallback(tmp_path, "e", log_freq=log_freq)


# Parameters


def test_numbers_are_compared_as_they_were_typed_and_defaults_are_not(tmp_path):
    adam = keras.optimizers.Adam(0.01, beta_1=0.85, weight_decay=0.123456789012)
    fit(model(adam), LegmCallback(tmp_path, "e"), epochs=1)
    found = only_run(tmp_path).run.configuration
    assert {name: found.parameters[name] for name in found.active} == {
        "epochs": 1,
        "loss": "mse",
        "model.layers": ["Dense", "Dense"],
        "model.parameters": 11,
        "optimizer": "Adam",
        "optimizer.beta_1": 0.85,
        "optimizer.learning_rate": 0.01,
        "optimizer.weight_decay": 0.123456789012,
        "steps": 2,
    }
    assert found.parameters["optimizer.epsilon"] == 1e-7


def test_equal_trainings_are_one_configuration_and_others_are_not(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    made = [model, model, lambda: model(layers=(2, 2)), lambda: model(loss="mae")]
    made += [lambda: model(keras.optimizers.SGD(0.02)), lambda: model(keras.optimizers.SGD(schedule))]
    for one in made:
        fit(one(), LegmCallback(tmp_path, "e"), epochs=1)
    fingerprints = [found.run.configuration.fingerprint for found in runs_of(tmp_path)]
    assert fingerprints[0] == fingerprints[1]
    assert len({*fingerprints}) == 5


def test_a_model_that_is_built_by_its_first_training_is_the_same_in_the_second(tmp_path):
    made = keras.Sequential([keras.layers.Dense(2, "relu"), keras.layers.Dense(1)])
    made.compile(optimizer="sgd", loss="mse")
    callback = LegmCallback(tmp_path, "e")
    for _ in range(2):
        fit(made, callback, epochs=1)
    first, second = runs_of(tmp_path)
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint


# The best step, the end, several trainings


def test_the_best_step_is_that_of_early_stopping(tmp_path):
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=2)
    diverging = keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([6], [0.05, 3.0]))
    done = fit(model(diverging), LegmCallback(tmp_path, "e"), stopping, epochs=9)
    found = only_run(tmp_path)
    assert 0 < found.best_step == stopping.best_epoch < done.epoch[-1]
    assert dict(points(found, "val_loss"))[found.best_step] == min(done.history["val_loss"]) == stopping.best


def test_each_fit_is_a_run_and_one_at_a_later_epoch_continues_it(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    made = model()
    first = fit(made, callback, epochs=2)
    later = fit(made, callback, epochs=4, initial_epoch=2)
    found = only_run(tmp_path)
    assert [step for step, _ in points(found, "loss")] == [0, 1, 2, 3]
    assert points(found, "loss")[2:] == [*zip(later.epoch, later.history["loss"], strict=True)]
    assert len(first.epoch) == 2
    fit(made, callback, epochs=2)
    assert len(runs_of(tmp_path)) == 2


def test_an_evaluation_alone_is_a_run(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    measured = model().evaluate(X, Y, verbose=0, callbacks=[callback], return_dict=True)
    found = only_run(tmp_path)
    assert (found.status, test_values(found)) == (Status.COMPLETED, measured)


def test_a_training_in_a_with_block_that_raises_is_failed(tmp_path):
    def fail(epoch: int, logs: object) -> None:
        if epoch == 1:
            raise ValueError("no data")

    own = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(ValueError, match="no data"), LegmCallback(tmp_path, "e") as callback:
        fit(model(), callback, own)
    found = only_run(tmp_path)
    assert (found.status, found.error) == (Status.FAILED, "ValueError: no data")
    assert [step for step, _ in points(found, "loss")] == [0, 1]


def test_a_given_handler_has_the_models_parameters(tmp_path):
    handler = ExperimentHandler(tmp_path, "e", "mine")
    handler.set_param("dataset", "made")
    fit(model(), LegmCallback(handler), epochs=1)
    found = only_run(tmp_path)
    assert found.run.description == "mine"
    assert {"dataset", "optimizer"} <= {*found.run.configuration.active}


# Processes

SCRIPT = (
    MODEL
    + """
import json, os, signal, sys
from legm.integrations.keras import LegmCallback

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == int(os.environ.get("KILLED_AT", -1)):
            ours.handler.flush()
            print("KILLED", ours.handler.run_id, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

ours = LegmCallback("root", "e", backend=os.environ.get("STORED_IN", "local"))
made = model(keras.optimizers.Adam(0.01))
done = fit(made, ours, keras.callbacks.BackupAndRestore("backup"), Kill(), epochs=5)
test = made.evaluate(X, Y, verbose=0, callbacks=[ours], return_dict=True)
print("HISTORY", json.dumps([keras.backend.backend(), done.epoch, done.history, test]))
"""
)


def train(folder: Path, backend: str, **environ: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "train.py"],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": backend, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def history(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("HISTORY ")[2].splitlines()[0])


ACTIVE = {
    "epochs": 5,
    "loss": "mse",
    "model.layers": ["Dense", "Dense"],
    "model.parameters": 11,
    "optimizer": "Adam",
    "optimizer.learning_rate": 0.01,
    "steps": 2,
}


@pytest.mark.parametrize(("backend", "stored_in"), [("torch", "local"), ("jax", "local"), ("jax", "mlflow")])
def test_a_training_that_was_killed_and_resumed_leaves_what_one_without_leaves(tmp_path, backend, stored_in):
    if stored_in == "mlflow":
        prepare_store(tmp_path / "root" / "mlflow.db")
    given = {"STORED_IN": stored_in}
    killing = train(tmp_path, backend, KILLED_AT="7", **given)  # in the fourth epoch
    assert killing.returncode == -signal.SIGKILL, killing.stderr
    if stored_in == "local":  # elsewhere the run may have to be delivered still
        assert only_run(tmp_path / "root").last_step == 2
    used, epochs, rest, test = history(train(tmp_path, backend, **given))
    assert (used, epochs) == (backend, [3, 4])
    found = only_run(tmp_path / "root", backend=stored_in)
    assert f"KILLED {found.run.run_id}\n" in killing.stdout
    assert found.status is Status.COMPLETED
    configuration = found.run.configuration
    assert {name: configuration.parameters[name] for name in configuration.active} == ACTIVE
    assert test_values(found) == test
    for name, values in rest.items():
        assert points(found, name)[3:] == [*zip(epochs, values, strict=True)]
    whole = tmp_path / "whole"
    _, epochs, expected, _ = history(train(whole, backend))
    require_same_values(only_run(whole / "root"), expected, epochs)
    for name, values in expected.items():
        assert np.allclose([value for _, value in points(found, name)], values), name
