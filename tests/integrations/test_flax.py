"""The documented loop with Flax and JAX, compared with a file that the loop writes beside it."""

from __future__ import annotations

import csv
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from legm import ExperimentHandler
from legm.records import Status
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points, test_values

X = np.random.default_rng(0).random((60, 3), dtype="float32")
Y = (X[:, 0] > 0.5).astype("int64")


@nnx.jit
def train_step(model, optimizer, x, y):
    def loss(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

    value, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients)
    return value


def train(root: Path, file: Path, seed: int = 0, backend: object = "local", steps: int = 20) -> float:
    """The loop of docs/flax.md, which also writes each value as CSV."""
    with ExperimentHandler(root, "e", backend=backend) as handler, file.open("w") as text:
        handler.set_dict_params({"optimizer": "sgd", "lr": 0.5, "seed": seed})
        handler.infer_metadata()
        handler.start()
        model = nnx.Linear(3, 2, rngs=nnx.Rngs(seed))
        optimizer = nnx.Optimizer(model, optax.sgd(0.5), wrt=nnx.Param)
        average = nnx.metrics.Average()
        for step in range(steps):
            loss = train_step(model, optimizer, X, Y)
            average.update(values=loss)
            handler.set_dict_metrics({"loss": loss, "mean_loss": average.compute()}, step=step)
            csv.writer(text).writerow([step, repr(float(loss)), repr(float(average.compute()))])
        accuracy = (jax.numpy.argmax(model(X), -1) == Y).mean()
        handler.set_metric("accuracy", accuracy, test=True)
    return float(accuracy)


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_the_loop_leaves_every_value_of_the_file_beside_it(tmp_path, backend):
    accuracy = train(tmp_path / "root", tmp_path / "log.csv", backend=backend)
    found = only_run(tmp_path / "root", backend=backend)
    written = csv.reader((tmp_path / "log.csv").read_text().splitlines())
    rows = [(int(step), float(loss), float(mean)) for step, loss, mean in written]
    assert len(rows) == 20
    assert points(found, "loss") == [(step, loss) for step, loss, _ in rows]
    assert points(found, "mean_loss") == [(step, mean) for step, _, mean in rows]
    assert test_values(found) == {"accuracy": accuracy}
    assert found.status is Status.COMPLETED


def test_seeds_are_runs_of_one_configuration(tmp_path):
    for seed in range(2):
        train(tmp_path / "root", tmp_path / "log.csv", seed, steps=2)
    first, second = runs_of(tmp_path / "root")
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint
    assert first.run.configuration.active == ("lr", "optimizer")
    assert [one.run.parameters["seed"] for one in (first, second)] == [0, 1]


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "int32"])
def test_arrays_of_other_types_are_the_numbers_that_they_hold(tmp_path, kind):
    with ExperimentHandler(tmp_path, "e").start() as handler:
        for step in range(3):
            handler.set_metric("loss", jax.numpy.asarray(step * 1.5, dtype=kind), step=step)
    expected = [(step, float(jax.numpy.asarray(step * 1.5, dtype=kind))) for step in range(3)]
    assert points(only_run(tmp_path), "loss") == expected
