"""What goes wrong around a training, with each library: it trains as without legm, and nothing is lost."""

from __future__ import annotations

import gc
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import legm
from legm.records import Status
from tests.support.boosting_data import halves
from tests.support.reading import runs_of

os.environ.setdefault("KERAS_BACKEND", "torch")  # before any of the libraries imports Keras
pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries
OnStep = Callable[[int], object]
STEPS = 4


def xgboost(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    import xgboost as xgb

    class Steps(xgb.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            on_step(epoch)
            return False

    from legm.integrations.xgboost import LegmCallback

    data = xgb.DMatrix(*halves(40)[0])
    xgb.train(
        {}, data, STEPS, evals=[(data, "d")], callbacks=[made(LegmCallback), Steps()], verbose_eval=False
    )


def lightgbm(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    import lightgbm as lgb

    from legm.integrations.lightgbm import LegmCallback

    def steps(env: Any) -> None:
        on_step(env.iteration)

    steps.order = 99  # type: ignore[attr-defined]
    data = lgb.Dataset(*halves(40)[0])
    lgb.train({"verbosity": -1}, data, STEPS, valid_sets=[data], callbacks=[made(LegmCallback), steps])


def catboost(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    from catboost import CatBoostRegressor

    from legm.integrations.catboost import LegmCallback

    class Steps:
        def after_iteration(self, info: Any) -> bool:
            on_step(info.iteration - 1)
            return True

    model = CatBoostRegressor(iterations=STEPS, verbose=False, allow_writing_files=False, thread_count=1)
    model.fit(*halves(40)[0], callbacks=[made(LegmCallback), Steps()])


def keras(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    import keras

    from legm.integrations.keras import LegmCallback

    class Steps(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            on_step(epoch)

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(*halves(40)[0], epochs=STEPS, verbose=0, callbacks=[made(LegmCallback), Steps()])


def transformers(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    import torch
    import transformers

    from legm.integrations.transformers import LegmCallback

    class Steps(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            on_step(state.global_step - 1)

    config = transformers.GPT2Config(vocab_size=8, n_positions=4, n_embd=4, n_layer=1, n_head=1)
    args = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        logging_steps=1,
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
    )
    rows = [{"input_ids": torch.arange(4), "labels": torch.arange(4)}] * 16
    model = transformers.GPT2LMHeadModel(config)
    transformers.Trainer(model, args, train_dataset=rows, callbacks=[made(LegmCallback), Steps()]).train()


def lightning(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    import lightning.pytorch as pl
    import torch

    from legm.integrations.lightning import LegmLogger

    class Model(pl.LightningModule):
        def __init__(self, rate: float = 0.1) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.layer(batch).square().mean()
            self.log("loss", loss)
            return loss

        def on_train_batch_end(self, *_: Any) -> None:
            on_step(self.global_step - 1)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), self.hparams.rate)

    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
    trainer = pl.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        logger=made(LegmLogger),
        enable_checkpointing=False,
        **quiet,
    )
    trainer.fit(Model(), torch.utils.data.DataLoader(torch.ones(8, 3), batch_size=2))


def skorch(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    import skorch as library
    import torch

    from legm.integrations.skorch import LegmCallback

    class Steps(library.callbacks.Callback):
        def on_epoch_end(self, net: Any, **_: Any) -> None:
            on_step(len(net.history) - 1)

    x, y = halves(40)[0]
    net = library.NeuralNetRegressor(
        torch.nn.Linear,
        module__in_features=x.shape[1],
        module__out_features=1,
        max_epochs=STEPS,
        verbose=0,
        callbacks=[made(LegmCallback), Steps()],
    )
    net.fit(x.astype("float32"), y.astype("float32").reshape(-1, 1))


def stable_baselines3(made: Callable[[Any], Any], folder: Path, on_step: OnStep) -> None:
    from stable_baselines3 import A2C
    from stable_baselines3.common.callbacks import BaseCallback

    from legm.integrations.stable_baselines3 import LegmCallback

    class Steps(BaseCallback):
        def _on_step(self) -> bool:
            on_step(self.n_calls - 1)
            return True

    model = A2C("MlpPolicy", "CartPole-v1", n_steps=1, device="cpu")
    model.learn(STEPS, [made(LegmCallback), Steps()], log_interval=1)


LIBRARIES = {
    one.__name__: one
    for one in (xgboost, lightgbm, catboost, keras, transformers, lightning, skorch, stable_baselines3)
}


@pytest.fixture(params=[*LIBRARIES])
def train(request: pytest.FixtureRequest) -> Callable[..., None]:
    pytest.importorskip(request.param)
    return LIBRARIES[request.param]


def recorder(root: Path, kept: list[Any]) -> Callable[[Any], Any]:
    """Makes the library's callback or logger with the first call, and gives it again with the others."""

    def made(kind: Any) -> Any:
        if not kept:
            kept.append(kind(root, "e"))
        return kept[0]

    return made


def test_an_exception_in_the_first_step_is_a_failed_run_and_the_next_training_another_one(tmp_path, train):
    def broken(step: int) -> None:
        raise ValueError("no data")

    kept: list[Any] = []
    made = recorder(tmp_path / "root", kept)
    with pytest.raises(Exception, match="no data") as raised:  # CatBoost has a class of its own
        train(made, tmp_path / "out", broken)
    if hasattr(kept[0], "__exit__"):
        kept[0].__exit__(raised.type, raised.value, None)
    train(made, tmp_path / "out", lambda step: None)
    del raised
    first, second = runs_of(tmp_path / "root")
    assert (first.status, second.status) == (Status.FAILED, Status.COMPLETED)


def test_a_root_that_is_deleted_ends_no_training_and_is_said(tmp_path, train, caplog):
    steps: list[int] = []

    def delete(step: int) -> None:
        steps.append(step)
        if step == 1:
            shutil.rmtree(tmp_path / "root")

    with caplog.at_level(logging.WARNING, "legm"):
        train(recorder(tmp_path / "root", []), tmp_path / "out", delete)
    assert steps == [*range(STEPS)]
    assert [one for one in caplog.records if one.name.startswith("legm")]


def test_a_training_within_another_has_a_run_of_its_own(tmp_path, train):
    steps: dict[str, list[int]] = {"outer": [], "inner": []}

    def outer(step: int) -> None:
        steps["outer"].append(step)
        if step == 1:
            train(recorder(tmp_path / "root", []), tmp_path / "inner", steps["inner"].append)

    train(recorder(tmp_path / "root", []), tmp_path / "outer", outer)
    assert steps == {"outer": [*range(STEPS)], "inner": [*range(STEPS)]}
    found = runs_of(tmp_path / "root")
    assert [one.status for one in found] == [Status.COMPLETED] * 2
    assert len({tuple(map(str, one.histories)) for one in found}) == 1


def test_a_root_that_cannot_be_written_is_an_error_before_the_training(tmp_path, train):
    (tmp_path / "root").write_text("a file")
    steps: list[int] = []
    with pytest.raises(Exception, match="root"):
        train(recorder(tmp_path / "root", []), tmp_path / "out", steps.append)
    assert len(steps) <= 1


def test_what_was_recorded_can_be_amended_and_trained_again(tmp_path, train):
    train(recorder(tmp_path / "root", []), tmp_path / "out", lambda step: None)
    (first,) = runs_of(tmp_path / "root")
    assert first.run.configuration.active
    name = first.run.configuration.active[0]
    gc.collect()  # a model that is alive may continue its run, which is left alone
    legm.amend(tmp_path / "root" / "e", rename={name: "before"})
    train(recorder(tmp_path / "root", []), tmp_path / "out", lambda step: None)
    old, new = runs_of(tmp_path / "root")
    assert ("before" in old.run.configuration.active, name in new.run.configuration.active) == (True, True)
    assert [old.status, new.status] == [Status.COMPLETED] * 2
