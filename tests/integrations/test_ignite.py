"""Trainings with PyTorch-Ignite, compared with its own logger of TensorBoard and its engines' state."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ignite imports what PyTorch is about to remove
    from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
    from ignite.handlers import global_step_from_engine
    from ignite.handlers.tensorboard_logger import TensorboardLogger
    from ignite.metrics import Accuracy, Loss

from legm.integrations.ignite import LegmLogger, OptimizerParamsHandler, OutputHandler
from legm.records import Status
from tests.support.boosting_data import halves
from tests.support.trainer_runs import only_run, points, test_values


def engines():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    loss = torch.nn.CrossEntropyLoss()
    loaders = [
        torch.utils.data.DataLoader(
            list(zip(torch.tensor(x, dtype=torch.float32), torch.tensor(y), strict=True)), 20
        )
        for x, y in halves(60)
    ]
    trainer = create_supervised_trainer(model, optimizer, loss)
    evaluator = create_supervised_evaluator(model, {"accuracy": Accuracy(), "nll": Loss(loss)})
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda _: evaluator.run(loaders[1]))
    return trainer, evaluator, optimizer, loaders[0]


def attach(logger, trainer, evaluator, optimizer) -> None:
    logger.attach_output_handler(
        trainer,
        Events.ITERATION_COMPLETED(every=2),
        tag="training",
        output_transform=lambda loss: {"loss": loss},
    )
    logger.attach_output_handler(
        evaluator,
        Events.EPOCH_COMPLETED,
        tag="validation",
        metric_names="all",
        global_step_transform=global_step_from_engine(trainer),
    )
    logger.attach_opt_params_handler(trainer, Events.EPOCH_STARTED, optimizer=optimizer)


def test_a_training_leaves_what_ignites_own_logger_has(tmp_path):
    trainer, evaluator, optimizer, data = engines()
    theirs = TensorboardLogger(log_dir=str(tmp_path / "tensorboard"))
    attach(theirs, trainer, evaluator, optimizer)
    with LegmLogger(tmp_path / "root", "e", params={"lr": 0.5}, backend=["local", "mlflow"]) as logger:
        attach(logger, trainer, evaluator, optimizer)
        trainer.run(data, max_epochs=3)
    theirs.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = events.Tags()["scalars"]
    assert len(tags) == 4
    for backend in ("local", "mlflow"):
        found = only_run(tmp_path / "root", backend=backend)
        assert {series.name for series in found.histories} == {*tags}
        for tag in tags:
            own = [(step, np.float32(value)) for step, value in points(found, tag)]
            assert own == [(one.step, np.float32(one.value)) for one in events.Scalars(tag)]
        assert found.run.configuration.active == ("lr",)
        assert found.status is Status.COMPLETED


def test_handlers_may_be_attached_one_by_one_and_tests_are_test_metrics(tmp_path):
    trainer, evaluator, optimizer, data = engines()
    logger = LegmLogger(tmp_path, "e")
    logger.attach(trainer, OptimizerParamsHandler(optimizer), Events.EPOCH_STARTED)
    logger.attach(evaluator, OutputHandler("validation", ["accuracy"]), Events.EPOCH_COMPLETED)
    trainer.run(data, max_epochs=2)
    logger.set_best_step(1)
    logger.attach(evaluator, OutputHandler("test", ["accuracy"]), Events.EPOCH_COMPLETED)
    evaluator.run(data)
    logger.close()
    found = only_run(tmp_path)
    assert test_values(found) == {"accuracy": evaluator.state.metrics["accuracy"]}
    assert points(found, "lr/group_0") == [(1, 0.5), (2, 0.5)]
    assert found.best_step == 1


def test_an_exception_in_a_training_makes_the_run_failed(tmp_path):
    trainer, evaluator, optimizer, data = engines()

    def broken(_):
        raise ValueError("stop")

    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), broken)
    with pytest.raises(ValueError, match="stop"), LegmLogger(tmp_path, "e") as logger:  # noqa: PT012
        attach(logger, trainer, evaluator, optimizer)
        trainer.run(data, max_epochs=2)
    assert only_run(tmp_path).error == "ValueError: stop"
