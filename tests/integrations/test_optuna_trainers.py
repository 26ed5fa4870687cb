"""Optuna's own pruning callbacks in trainers that log to legm."""

from __future__ import annotations

import lightning.pytorch
import numpy as np
import optuna
import pytest
import transformers
import xgboost
from optuna_integration import PyTorchLightningPruningCallback, XGBoostPruningCallback

from legm.integrations.lightning import LegmLogger
from legm.integrations.optuna import legm_trial
from legm.integrations.transformers import LegmCallback as TransformersCallback
from legm.integrations.xgboost import LegmCallback
from legm.records import Status
from tests.support.lightning_trainings import QUIET, data, module
from tests.support.reading import runs_of
from tests.support.trainer_runs import points

pytestmark = pytest.mark.filterwarnings("ignore")


class AtSecondValue(optuna.pruners.BasePruner):
    """Prunes the second trial at its second value."""

    def prune(self, study, trial):
        return trial.number == 1 and len(trial.intermediate_values) == 2


def lightning_loss(trial, logger):
    pl = lightning.pytorch
    pruning = PyTorchLightningPruningCallback(trial, "val_loss")
    trainer = pl.Trainer(max_epochs=3, logger=logger, callbacks=[pruning], num_sanity_val_steps=0, **QUIET)
    trainer.fit(module(pl, lr=trial.suggest_float("lr", 0.1, 0.2)), data(), data())
    return trainer.callback_metrics["val_loss"].item()


def xgboost_loss(trial, recorder):
    rows = xgboost.DMatrix(np.arange(8.0).reshape(8, 1), np.arange(8) % 2)
    pruning = XGBoostPruningCallback(trial, "valid-rmse")
    found = {}
    xgboost.train(
        {"eta": trial.suggest_float("eta", 0.1, 0.2)},
        rows,
        num_boost_round=3,
        evals=[(rows, "valid")],
        callbacks=[recorder, pruning],
        evals_result=found,
        verbose_eval=False,
    )
    return found["valid"]["rmse"][-1]


def in_the_trials_run(kind, loss):
    def objective(trial, root):
        low, high = (0.1, 0.2)
        trial.suggest_float("lr" if loss is lightning_loss else "eta", low, high)
        with legm_trial(trial, root, "e") as handler:
            return loss(trial, kind(handler))

    return objective


def lightning_alone(trial, root):
    return lightning_loss(trial, LegmLogger(root, "e"))


def xgboost_alone(trial, root):
    with LegmCallback(root, "e") as recorder:
        return xgboost_loss(trial, recorder)


def test_a_trial_that_the_search_of_transformers_prunes_is_a_pruned_run(tmp_path):
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.BertConfig(**small, intermediate_size=8, vocab_size=16)
    rows = [{"input_ids": [1, 2, 3], "labels": index % 2} for index in range(8)]
    usual = {"num_train_epochs": 3, "eval_strategy": "epoch", "save_strategy": "no", "use_cpu": True}
    trainer = transformers.Trainer(
        model_init=lambda: transformers.BertForSequenceClassification(config),
        args=transformers.TrainingArguments(str(tmp_path / "out"), report_to="none", **usual),
        train_dataset=rows,
        eval_dataset=rows,
        callbacks=[TransformersCallback(tmp_path / "root", "e")],
    )
    trainer.hyperparameter_search(
        lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-3)},
        n_trials=3,
        backend="optuna",
        pruner=AtSecondValue(),
    )
    found = sorted(runs_of(tmp_path / "root"), key=lambda one: one.run.started)
    assert [one.status for one in found] == [Status.COMPLETED, Status.PRUNED, Status.COMPLETED]
    assert found[1].error == "pruned by Optuna"
    assert [len(points(one, "eval_loss")) for one in found] == [3, 2, 3]
    assert len({one.run.configuration.parameters["learning_rate"] for one in found}) == 3


@pytest.mark.parametrize(
    ("objective", "metric"),
    [
        (in_the_trials_run(LegmLogger, lightning_loss), "val_loss"),
        (lightning_alone, "val_loss"),
        (in_the_trials_run(LegmCallback, xgboost_loss), "valid-rmse"),
        (xgboost_alone, "valid-rmse"),
    ],
    ids=["lightning-trial", "lightning", "xgboost-trial", "xgboost"],
)
def test_a_training_that_optunas_callback_prunes_is_a_pruned_run(tmp_path, objective, metric):
    study = optuna.create_study(pruner=AtSecondValue())
    study.optimize(lambda trial: objective(trial, tmp_path), n_trials=2)
    first, second = sorted(runs_of(tmp_path), key=lambda one: one.run.started)
    assert [first.status, second.status] == [Status.COMPLETED, Status.PRUNED]
    assert "pruned" in second.error
    for found, trial in zip((first, second), study.trials, strict=True):
        reported = [*trial.intermediate_values.values()]
        assert [value for _, value in points(found, metric)] == pytest.approx(reported, rel=1e-6)
