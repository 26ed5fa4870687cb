"""Trainings with Lightning, in both of its packages, compared with its own CSVLogger."""

from __future__ import annotations

import csv
import dataclasses
import pickle
import signal
from pathlib import Path
from types import ModuleType

import lightning.fabric
import lightning.pytorch
import numpy as np
import pytest
import pytorch_lightning

import legm
from legm import ExperimentHandler
from legm.integrations.lightning import LegmLogger
from legm.records import RunResult, Status
from tests.support.lightning_trainings import QUIET, TWO, data, module, train
from tests.support.logged_media import logged_pictures
from tests.support.mlflow_store import prepare_store
from tests.support.reading import runs_of
from tests.support.readme import readme_program
from tests.support.trainer_runs import only_run, points, test_values

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

PACKAGES = [lightning.pytorch, pytorch_lightning]


def trainer(pl: ModuleType, logger: object, epochs: int = 3, **options: object) -> object:
    given = {"max_epochs": epochs, "logger": logger, **QUIET, **options}
    return pl.Trainer(**given)


def rows_of(logger: object) -> list[dict[str, str]]:
    with (Path(logger.log_dir) / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def require_same_values(found: RunResult, rows: list[dict[str, str]]) -> None:
    """Every value at every step of the library's own file, and no other."""
    names = {name for name in rows[0] if name != "step" and not name.startswith("test")} - {"accuracy"}
    for name in names:
        theirs = {
            int(row["step"]): float(row[name]) for row in rows if row.get(name) and not row.get("test_loss")
        }
        assert dict(points(found, name)) == theirs, name
    assert {series.name for series in found.histories} == names
    (last,) = [row for row in rows if row.get("test_loss")] or [{}]
    own = test_values(found)
    assert own == ({"loss": float(last["test_loss"]), "accuracy": 0.5} if last else {})


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("pl", PACKAGES, ids=["lightning", "pytorch_lightning"])
def test_a_training_and_a_test_leave_what_lightnings_own_logger_has(tmp_path, pl, accumulated):
    own = pl.loggers.CSVLogger(tmp_path)
    logger = LegmLogger(tmp_path / "root", "e")
    fitted = trainer(pl, [logger, own], accumulate_grad_batches=accumulated)
    model = module(pl, layers={"width": 3, "depth": 2})
    fitted.fit(model, data(), data())
    fitted.test(model, data(), verbose=False)
    found = only_run(tmp_path / "root")
    require_same_values(found, rows_of(own))
    assert found.status is Status.COMPLETED
    assert found.run.configuration.active == ("layers.depth", "layers.width", "lr")
    assert found.last_step == 12 // accumulated - 1


def test_a_training_on_mlflow_leaves_the_same(tmp_path):
    own = lightning.pytorch.loggers.CSVLogger(tmp_path)
    logger = LegmLogger(tmp_path / "root", "e", backend="mlflow")
    model = module(lightning.pytorch)
    fitted = trainer(lightning.pytorch, [logger, own])
    fitted.fit(model, data(), data())
    fitted.test(model, data(), verbose=False)
    require_same_values(only_run(tmp_path / "root", backend="mlflow"), rows_of(own))
    assert Path(fitted.checkpoint_callback.best_model_path).is_relative_to(tmp_path / "root")


def test_hyperparameters_of_module_and_datamodule_are_compared_and_seeds_and_folders_are_not(tmp_path):
    @dataclasses.dataclass
    class Layers:
        width: int = 3

    class Data(lightning.pytorch.LightningDataModule):
        def __init__(self, batch_size, workers=0):
            super().__init__()
            self.save_hyperparameters()

        def train_dataloader(self):
            return data()

    for seed in range(2):
        model = module(lightning.pytorch, seed=seed, output_dir=f"out/{seed}", layers=Layers())
        trainer(lightning.pytorch, LegmLogger(tmp_path, "e"), 1).fit(model, datamodule=Data(batch_size=4))
    first, second = runs_of(tmp_path)
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint
    assert first.run.configuration.active == ("batch_size", "layers.width", "lr")


def test_checkpoints_are_in_the_runs_folder_unless_the_user_gives_one(tmp_path):
    pl = lightning.pytorch
    logger = LegmLogger(tmp_path / "root", "e")
    callbacks = [
        pl.callbacks.ModelCheckpoint(monitor="val_loss"),
        pl.callbacks.ModelCheckpoint(dirpath=tmp_path / "own", save_last=True),
    ]
    trainer(pl, logger, callbacks=callbacks).fit(module(pl), data(), data())
    folder = logger.experiment.configuration_folder
    assert Path(callbacks[0].best_model_path).parent == folder / logger.version / "checkpoints"
    assert (logger.name, logger.version) == (folder.name, only_run(tmp_path / "root").run.run_id)
    assert (tmp_path / "own" / "last.ckpt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"root", "own"}


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_step_is_that_of_the_best_checkpoint(tmp_path, mode):
    pl = lightning.pytorch
    best = pl.callbacks.ModelCheckpoint(monitor="val_loss", mode=mode)
    stopping = pl.callbacks.EarlyStopping("val_loss", mode=mode, patience=9)
    logger = LegmLogger(tmp_path, "e")
    trainer(pl, logger, callbacks=[stopping, best]).fit(module(pl), data(), data())
    found = only_run(tmp_path)
    values = dict(points(found, "val_loss"))
    assert (
        values[found.best_step]
        == float(best.best_model_score)
        == (min if mode == "min" else max)(values.values())
    )
    assert f"epoch={found.best_step // 4}-" in best.best_model_path


def test_the_best_step_of_early_stopping_alone_heeds_its_least_change(tmp_path):
    pl = lightning.pytorch
    stopping = pl.callbacks.EarlyStopping("val_loss", min_delta=0.2, patience=2)
    trainer(pl, LegmLogger(tmp_path, "e"), 9, callbacks=[stopping], enable_checkpointing=False).fit(
        module(pl),
        data(),
        data(),
    )
    found = only_run(tmp_path)
    values = dict(points(found, "val_loss"))
    assert values[found.best_step] == float(stopping.best_score) > min(values.values())


def test_pictures_are_logged_by_the_logger_and_by_the_handler(tmp_path):
    pl = lightning.pytorch
    logger = LegmLogger(tmp_path, "e")
    model = module(pl)
    pixels = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    model.on_train_epoch_end = lambda: logger.log_image(
        "seen", [*(pixels + model.trainer.global_step)], caption=["a", "b"]
    )
    model.on_train_end = lambda: logger.experiment.log_text("note", "over")
    trainer(pl, logger, 2).fit(model, data())
    media = legm.open(tmp_path).media()
    seen = [*zip(media["name"], media["step"], strict=True)]
    assert seen == [("seen", 4), ("seen", 4), ("seen", 8), ("seen", 8), ("note", 0)]
    pictures = logged_pictures(tmp_path, "seen")
    assert [caption for _, caption, _ in pictures] == ["a", "b"] * 2
    for number, (step, _, picture) in enumerate(pictures):
        assert np.array_equal(picture, pixels[number % 2] + step)


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("no data"), Status.FAILED), (KeyboardInterrupt(), Status.INTERRUPTED)]
)
def test_what_ends_a_training_is_the_status_of_its_run(tmp_path, error, status):
    pl = lightning.pytorch
    model = module(pl)

    def fail() -> None:
        raise error

    model.on_validation_end = fail
    fitted = trainer(pl, LegmLogger(tmp_path, "e"), num_sanity_val_steps=0)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises((ValueError, SystemExit)):
            fitted.fit(model, data(), data())
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning ignores it after the first
    found = only_run(tmp_path)
    assert (found.status, found.error) == (status, f"{type(error).__name__}: {error}".removesuffix(": "))
    assert len(points(found, "loss_step")) == 4


def test_several_fits_and_tests_with_one_logger_are_one_run(tmp_path, caplog):
    pl = lightning.pytorch
    logger = LegmLogger(tmp_path, "e")
    model = module(pl)
    fitted = trainer(pl, logger, 1)
    fitted.fit(model, data(), data())
    fitted.fit_loop.max_epochs = 2
    fitted.fit(model, data(), data())
    fitted.validate(model, data(), verbose=False)
    fitted.test(model, data(), verbose=False)
    fitted.predict(model, data())
    assert [step for step, _ in points(only_run(tmp_path), "loss_step")] == [*range(8)]
    assert not [one for one in caplog.records if one.name.startswith("legm")]
    trainer(pl, logger, 1).fit(module(pl, lr=0.3), data())
    assert "'lr' = 0.3 is not recorded: the run began with other parameters" in caplog.text


def test_a_logger_can_be_copied_to_another_process(tmp_path):
    pl = lightning.pytorch
    copied = pickle.loads(pickle.dumps(LegmLogger(tmp_path, "e")))
    assert isinstance(copied, (pl.loggers.Logger, LegmLogger))
    trainer(pl, copied, 1).fit(module(pl), data())
    again = pickle.loads(pickle.dumps(copied))
    assert again.experiment.lr == only_run(tmp_path).run.configuration.parameters["lr"]


def test_a_checkpoint_of_another_logger_is_resumed_as_one_in_any_folder(tmp_path):
    pl = lightning.pytorch
    own = pl.loggers.CSVLogger(tmp_path)
    first = trainer(pl, own, 1)
    first.fit(module(pl), data())
    trainer(pl, LegmLogger(tmp_path / "root", "e"), 2).fit(
        module(pl), data(), ckpt_path=first.checkpoint_callback.best_model_path
    )
    assert [step for step, _ in points(only_run(tmp_path / "root"), "loss_step")] == [4, 5, 6, 7]


def test_the_lines_of_the_readme_record_a_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Model(type(module(lightning.pytorch))):
        def train_dataloader(self):
            return data()

        def configure_callbacks(self):
            self.trainer.fit_loop.max_epochs = 1
            return []

    names = {"model": Model()}
    exec(readme_program("lightning"), names)
    found = only_run(tmp_path / "results", "mnist")
    assert len(points(found, "loss_epoch")) == 1
    assert found.status is Status.COMPLETED


def test_fabric_logs_too(tmp_path):
    logger = LegmLogger(tmp_path, "e")
    fabric = lightning.fabric.Fabric(accelerator="cpu", devices=1, loggers=logger)
    logger.log_hyperparams({"lr": 0.1})
    fabric.log_dict({"loss": 1.0, "test_loss": 2.0}, step=3)
    logger.finalize("success")
    found = only_run(tmp_path)
    assert (points(found, "loss"), test_values(found)) == ([(3, 1.0)], {"loss": 2.0})
    assert found.run.configuration.parameters == {"lr": 0.1}
    assert found.status is Status.COMPLETED


def test_a_prediction_alone_is_no_run(tmp_path):
    pl = lightning.pytorch
    trainer(pl, LegmLogger(tmp_path, "e")).predict(module(pl), data())
    assert runs_of(tmp_path) == []


def test_a_given_handler_has_the_trainers_hyperparameters(tmp_path):
    pl = lightning.pytorch
    handler = ExperimentHandler(tmp_path, "e", "mine")
    handler.set_param("dataset", "made")
    trainer(pl, LegmLogger(handler), 1).fit(module(pl), data())
    found = only_run(tmp_path)
    assert (found.run.description, found.run.configuration.active) == ("mine", ("dataset", "lr"))


def test_the_command_line_of_lightning_has_its_hyperparameters_once_and_keeps_its_file(tmp_path):
    """A first run by arguments, and a second by the file that the first one saved."""
    cli = pytest.importorskip("lightning.pytorch.cli")
    pytest.importorskip("jsonargparse")
    pl = lightning.pytorch
    logger = {"class_path": "legm.integrations.lightning.LegmLogger"}
    logger["init_args"] = {"root": str(tmp_path / "root"), "experiment": "e"}
    options = {"max_epochs": 1, **QUIET, "logger": logger}
    kind = type(module(pl))

    class Data(pl.LightningDataModule):
        def __init__(self, rows: int = 16):
            super().__init__()
            self.save_hyperparameters()

        def train_dataloader(self):
            return data(self.hparams.rows)

    saved: list[Path] = []
    for args in (["--model.lr=0.3", "--data.rows=8"], ["--config"]):
        given = ["fit", *args, *map(str, saved)]
        cli.LightningCLI(kind, Data, trainer_defaults=options, seed_everything_default=1, args=given)
        saved = sorted(tmp_path.rglob("config.yaml"))
    first, second = runs_of(tmp_path / "root")
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint
    assert {"lr", "rows"} <= {*first.run.configuration.active}
    assert len(saved) == 2


# Processes


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn", "ddp_notebook"])
def test_of_two_processes_the_main_one_records_and_all_have_its_checkpoints(tmp_path, strategy):
    done = train(tmp_path, "pytorch_lightning", TWO.replace("ddp", strategy))
    assert done.returncode == 0, done.stderr
    found = only_run(tmp_path / "root")
    fitted, tested = (
        list(csv.DictReader(path.read_text().splitlines()))
        for path in (tmp_path / "fit.csv", tmp_path / "lightning_logs" / "0" / "metrics.csv")
    )
    require_same_values(found, [*fitted, *(row for row in tested if row.get("test_loss"))])
    (configuration,) = [path for path in (tmp_path / "root" / "e").iterdir() if path.name != ".legm"]
    saved = {path.name for path in (configuration / found.run.run_id / "checkpoints").iterdir()}
    assert "last.ckpt" in saved
    assert {path.name for path in tmp_path.iterdir()} == {"root", "train.py", "lightning_logs", "fit.csv"}


@pytest.mark.parametrize(
    ("wanted", "options", "backend"),
    [("path", "{}", "local"), ("last", "{}", "local"), ("last", TWO, "local"), ("last", "{}", "mlflow")],
)
def test_a_training_that_was_killed_and_resumed_leaves_what_one_without_leaves(
    tmp_path, wanted, options, backend
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    assert train(whole, "lightning.pytorch", options).returncode == 0
    given = {"STORED_IN": backend}
    if backend == "mlflow":
        prepare_store(parts / "root" / "mlflow.db")
    killing = train(parts, "lightning.pytorch", options, KILLED_AT="11", **given)
    assert killing.returncode == -signal.SIGKILL, killing.stderr
    (checkpoint,) = (parts / "root").rglob("checkpoints/last.ckpt")
    if wanted == "last":  # a run of another seed is newer
        given_other = {**given, "KILLED_AT": "11", "CSV": "other", "HPARAMS": "{'seed': 1}"}
        other = train(parts, "lightning.pytorch", **given_other)
        assert other.returncode == -signal.SIGKILL
    path = wanted if wanted == "last" else str(checkpoint)
    done = train(parts, "lightning.pytorch", options, CKPT=path, CSV="1", **given)
    assert done.returncode == 0, done.stderr
    assert "The dirpath has changed" not in done.stderr
    found, expected = runs_of(parts / "root", backend=backend)[0], only_run(whole / "root")
    assert found.run.run_id == checkpoint.parent.parent.name
    assert found.status is Status.COMPLETED
    assert found.best_step == expected.best_step
    assert test_values(found) == test_values(expected)
    for series in expected.histories:
        assert points(found, series.name) == points(expected, series.name), series
    assert found.histories.keys() == expected.histories.keys()
