"""Trainings with PyTorch-Ignite, compared with what it gives its own loggers, at full precision."""

from __future__ import annotations

import warnings

import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ignite imports what PyTorch is about to remove
    from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
    from ignite.handlers import global_step_from_engine
    from ignite.handlers.base_logger import BaseLogger, BaseOptimizerParamsHandler, BaseOutputHandler
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


class IgnitesLogger(BaseLogger):
    """Keeps what Ignite's base classes give every logger of its own, as Python's numbers."""

    def __init__(self) -> None:
        self.written: dict[str, list[tuple[int, float]]] = {}

    def _create_output_handler(self, *args, **keywords):
        class Output(BaseOutputHandler):
            def __call__(self, engine, logger, event_name):
                step = self.global_step_transform(engine, event_name)
                for key, value in self._setup_output_metrics_state_attrs(engine, key_tuple=False).items():
                    logger.written.setdefault(key, []).append((step, float(value)))

        return Output(*args, **keywords)

    def _create_opt_params_handler(self, *args, **keywords):
        class Params(BaseOptimizerParamsHandler):
            def __call__(self, engine, logger, event_name):
                step = engine.state.get_event_attrib_value(event_name)
                for at, group in enumerate(self.optimizer.param_groups):
                    values = logger.written.setdefault(f"{self.param_name}/group_{at}", [])
                    values.append((step, float(group[self.param_name])))

        return Params(*args, **keywords)


def test_a_training_leaves_what_ignites_own_logger_has(tmp_path):
    trainer, evaluator, optimizer, data = engines()
    theirs = IgnitesLogger()
    attach(theirs, trainer, evaluator, optimizer)
    with LegmLogger(tmp_path / "root", "e", params={"lr": 0.5}, backend=["local", "mlflow"]) as logger:
        attach(logger, trainer, evaluator, optimizer)
        trainer.run(data, max_epochs=3)
    assert len(theirs.written) == 4
    for backend in ("local", "mlflow"):
        found = only_run(tmp_path / "root", backend=backend)
        assert {series.name for series in found.histories} == {*theirs.written}
        for tag, values in theirs.written.items():
            assert points(found, tag) == values
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
