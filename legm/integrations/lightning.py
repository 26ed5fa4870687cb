"""A logger for Lightning and pytorch_lightning: ``Trainer(logger=LegmLogger("results", "mnist"))``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.integrations.lazy_classes import lazy_classes
from legm.integrations.lightning_trainer import (
    CHECKPOINTS,
    LightningConfiguration,
    end_training,
    lightning_logger_bases,
    move_trainer_checkpoints,
    rewind_on_train_start,
    set_best_trainer_step,
    trainer_checkpoint,
    trainer_checkpoint_run_id,
    trainer_folder_to_resume,
    trainer_monitors,
)
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters
from legm.integrations.training_run import TrainingRecorder, split_training_metrics

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmLogger"]


class LightningLoggerMethods(TrainingRecorder):
    """A logger that records trainings with Lightning as runs of legm.

    Parameters are what ``save_hyperparameters`` of module and datamodule saved. Steps are optimizer steps.
    ``Trainer.test`` gives test metrics, without ``test_`` in front. The best step is that of the first
    ``ModelCheckpoint`` with a ``monitor``, or of ``EarlyStopping``. Checkpoints without a ``dirpath`` are in
    the run's folder; ``fit(ckpt_path=…)`` of one continues the run. All calls with a logger are one run.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    def __init__(
        self, root: str | os.PathLike[str] | ExperimentHandler, experiment: str | None = None, **options: Any
    ) -> None:
        super().__init__(root, experiment, **options)
        self._unbegun = ("." if experiment is None else str(root), experiment or "run")
        self._hyperparameters: dict[str, Any] = {}
        self._monitored: dict[str, dict[float, int]] = {}
        self._trainer: Any = None
        self._staged = LightningConfiguration()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_trainer": None}

    def _folder(self) -> Path | None:
        """The run's folder for checkpoints; before the run begins, that of the run which is to be resumed."""
        if self._run.is_open:
            handler = self._run.handler
            return handler.configuration_folder / handler.run_id if handler.run_id else None
        return trainer_folder_to_resume(self, self._run, self._hyperparameters)

    @property
    def save_dir(self) -> str:
        """The folder of the experiment; the root directory before the run begins."""
        if (staged := self._staged.folder()) is not None:
            return staged
        return str(folder.parent.parent) if (folder := self._folder()) else self._unbegun[0]

    @property
    def name(self) -> str:
        """The name of the configuration's folder; the experiment's name before the run begins."""
        return folder.parent.name if (folder := self._folder()) else self._unbegun[1]

    @property
    def version(self) -> str | None:
        """The run's id; None before it begins."""
        return folder.name if (folder := self._folder()) else None

    @property
    def experiment(self) -> ExperimentHandler:
        """The handler, from when the run has begun, which is after the ``setup`` hooks."""
        if not self._run.is_open:
            raise AttributeError("the run has not begun: logger.experiment is there after the setup hooks")
        return self._run.handler

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Take hyperparameters: a mapping or namespace. Those of a run that has begun cannot change."""
        self._hyperparameters |= (values := flat_parameters(params))
        if self._run.is_open:
            self._run.add_parameters(values)

    def log_graph(self, model: Any, *_: Any) -> None:
        """Begin the run: the trainer calls this once it has the hyperparameters and its checkpoint."""
        self._trainer = trainer = model.trainer
        if trainer.predicting:
            return
        if not self._run.is_open:
            at_setup = Path(self.save_dir, self.name, self.version or "version_None", CHECKPOINTS)
            self._begin(trainer)
            move_trainer_checkpoints(trainer, at_setup, (self._folder() or Path()) / CHECKPOINTS)
        for monitor, _score, _higher in trainer_monitors(trainer):
            self._monitored.setdefault(monitor, {})
            self._monitored.setdefault(f"{monitor}_epoch", {})

    def _begin(self, trainer: Any) -> None:
        path = trainer.ckpt_path or ("" if trainer.training else trainer_checkpoint(trainer))
        resume = (trainer_checkpoint_run_id(Path(path)) or trainer.training or None) if path else None
        values, is_main = TrainerParameters(self._hyperparameters), trainer.is_global_zero
        handler = self._run.begin(values, resume=resume, main_process=is_main)
        self._staged.log(self._run)
        if trainer.training and handler.is_resumed:
            rewind_on_train_start(trainer, self._run)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Set metrics at a step; while the trainer tests they are test metrics."""
        if not (run := self._run).is_open:  # of Fabric, or without enable_autolog_hparams
            run.begin(TrainerParameters(self._hyperparameters))
        dev, test = split_training_metrics(metrics, is_test=getattr(self._trainer, "testing", False))
        if dev:
            run.log_metrics(dev, step)
        if test:
            run.log_metrics({name: value for name, value in test.items() if name != "epoch"}, test=True)
        for name in self._monitored.keys() & dev.keys():
            self._monitored[name].setdefault(dev[name], step or 0)

    def log_image(self, key: str, images: list[Any], step: int | None = None, **options: Any) -> None:
        """Log pictures at a step, by default the trainer's; ``caption`` is a list of texts."""
        at = self._trainer.global_step if step is None and self._trainer is not None else step
        self._run.call(self.experiment.log_image, key, images, at, options.get("caption"))

    def finalize(self, status: str) -> None:
        """Complete the run; by an exception it is failed, by Ctrl-C or SIGTERM interrupted."""
        if status == "finished" and self._run.is_open:  # a requeued job, which trains until it is killed
            self._run.call(self._run.handler.flush)
        elif status != "success":
            end_training(self._run, status)
        elif self._run.is_open:
            set_best_trainer_step(self._run, self._trainer, self._monitored)
            self._run.complete()
            self._trainer = None


if TYPE_CHECKING:
    LegmLogger = LightningLoggerMethods
else:
    __getattr__ = lazy_classes(__name__, {"LegmLogger": LightningLoggerMethods}, lightning_logger_bases)
