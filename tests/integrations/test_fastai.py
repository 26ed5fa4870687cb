"""Trainings with fastai, compared with its recorder and its CSV file."""

from __future__ import annotations

import csv
import warnings

import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # fastai uses what PyTorch is about to remove
    from fastai.basics import Callback, DataLoaders, Learner
    from fastai.callback.all import CSVLogger, EarlyStoppingCallback, SaveModelCallback
    from fastai.callback.schedule import fit_one_cycle, lr_find  # noqa: F401 - methods of learners
    from fastai.metrics import accuracy

from legm.integrations.fastai import LegmCallback
from legm.records import Status
from tests.support.boosting_data import halves
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points

pytestmark = pytest.mark.filterwarnings("ignore")


def learner(folder, **arguments) -> Learner:
    torch.manual_seed(0)
    sets = [
        list(zip(torch.tensor(x, dtype=torch.float32), torch.tensor(y), strict=True)) for x, y in halves(40)
    ]
    loaders = DataLoaders.from_dsets(*sets, bs=20, device="cpu", num_workers=0)
    made = Learner(
        loaders,
        torch.nn.Linear(3, 2),
        torch.nn.CrossEntropyLoss(),
        metrics=accuracy,
        path=folder,
        **arguments,
    )
    made.remove_cb(made.progress)
    return made


def test_every_epoch_has_what_fastai_prints(tmp_path):
    callback = LegmCallback(tmp_path / "root", "e", backend=["local", "mlflow"])
    made = learner(tmp_path)
    made.fit_one_cycle(4, 0.5, cbs=[callback, SaveModelCallback(), CSVLogger()])
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    losses = [float(row["valid_loss"]) for row in rows]
    for backend in ("local", "mlflow"):
        found = only_run(tmp_path / "root", backend=backend)
        for number, name in enumerate(("train_loss", "valid_loss", "accuracy")):
            assert points(found, name) == [(int(row["epoch"]), float(row[name])) for row in rows]
            assert [value for _, value in points(found, name)] == [
                row[number] for row in made.recorder.values
            ]
        assert found.best_step == losses.index(min(losses))
        assert found.status is Status.COMPLETED


def test_the_parameters_are_those_that_differ_from_the_defaults(tmp_path):
    callback = LegmCallback(tmp_path / "root", "e")
    learner(tmp_path).fit(1, cbs=callback)
    learner(tmp_path).fit(1, lr=0.001, cbs=callback)
    learner(tmp_path, wd=0.5).fit(1, lr=0.1, cbs=callback)
    learner(tmp_path).fit_one_cycle(1, 0.1, cbs=callback)
    first, same, other, cycle = (one.run.configuration for one in runs_of(tmp_path / "root"))
    assert first.fingerprint == same.fingerprint
    assert {*other.active} - {*first.active} == {"lr", "Adam.wd"}
    assert {*cycle.active} - {*first.active} == {"schedule.lr", "schedule.mom"}
    assert cycle.parameters["schedule.lr"][1] == pytest.approx(0.1, rel=1e-3)
    assert first.parameters["Adam.eps"] == 1e-5


def test_predictions_and_the_search_of_a_learning_rate_are_no_runs(tmp_path):
    callback = LegmCallback(tmp_path / "root", "e")
    made = learner(tmp_path, cbs=callback)
    made.lr_find(num_it=3, show_plot=False, suggest_funcs=())
    made.get_preds()
    assert runs_of(tmp_path / "root") == []


def test_early_stopping_ends_a_completed_run(tmp_path):
    stopping = EarlyStoppingCallback("accuracy", patience=1)
    learner(tmp_path).fit(6, lr=1e-9, cbs=[LegmCallback(tmp_path / "root", "e"), stopping])
    found = only_run(tmp_path / "root")
    assert (found.status, found.best_step) == (Status.COMPLETED, 0)
    assert len(points(found, "accuracy")) == 2


def test_an_exception_in_a_training_makes_the_run_failed(tmp_path):
    class Breaks(Callback):
        def after_batch(self):
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"), LegmCallback(tmp_path / "root", "e") as callback:
        learner(tmp_path).fit(1, cbs=[callback, Breaks()])
    assert only_run(tmp_path / "root").status is Status.FAILED
