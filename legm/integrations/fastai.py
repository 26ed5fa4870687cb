"""A callback for fastai: ``learner.fit_one_cycle(5, cbs=LegmCallback("results", "pets"))``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from legm.integrations.lazy_classes import import_library_lazily, lazy_classes, library_version
from legm.integrations.trainer_parameters import TrainerParameters
from legm.integrations.training_run import TrainingContext

__all__ = ["LegmCallback"]


class FastaiCallbackMethods(TrainingContext):
    """A callback that records each call of ``fit`` as a run; a step is the number of an epoch.

    What the learner trains with becomes the parameters: model, loss and optimizer, the hyperparameters of the
    optimizer, and its schedules. Metrics are those of fastai's table, ``train_loss``, ``valid_loss`` and the
    learner's own. The best step is that of ``SaveModelCallback`` or ``EarlyStoppingCallback``.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    order = 55  # after the recorder, and before a callback may stop the training
    _is_recording = False
    _best_epoch: int | None = None
    _last_epoch: int | None = None

    def before_fit(self) -> None:
        """Begin a run, unless the learner only predicts or searches a learning rate."""
        learner = self.learn  # type: ignore[attr-defined]
        self._is_recording = not hasattr(learner, "lr_finder") and not hasattr(learner, "gather_preds")
        self._best_epoch = self._last_epoch = None
        if self._is_recording:
            distributed = import_library_lazily("fastai.torch_core", "fastai", "LegmCallback")
            is_main = distributed.rank_distrib() == 0 if distributed.num_distrib() > 1 else None
            self._run.begin(_fastai_learner_parameters(learner), main_process=is_main)

    def after_epoch(self) -> None:
        """Set the metrics of an epoch, which fastai prints in its table."""
        if not self._is_recording:
            return
        learner = self.learn  # type: ignore[attr-defined]
        names, values = [*learner.recorder.metric_names], [*learner.recorder.log]
        metrics = {
            name: value
            for name, value in zip(names, values, strict=False)
            if name not in {"epoch", "time"} and value is not None
        }
        self._run.log_metrics(metrics, learner.epoch)
        self._last_epoch = learner.epoch

    def before_epoch(self) -> None:
        """Note whether the last epoch was the best one, which other callbacks have found since."""
        self._note_best()

    def _note_best(self) -> None:
        callbacks = self.learn.cbs  # type: ignore[attr-defined]
        if self._last_epoch is not None and any(getattr(one, "new_best", False) for one in callbacks):
            self._best_epoch = self._last_epoch

    def after_fit(self) -> None:
        """Set the best step, and complete the run."""
        if self._is_recording:
            self._note_best()
            if self._best_epoch is not None:
                self._run.set_best_step(self._best_epoch)
            self._run.complete()
        self._is_recording = False


def _fastai_learner_parameters(learner: Any) -> TrainerParameters:
    optimizer = _fastai_name(learner.opt_func)  # in front, since each has other defaults
    values: dict[str, Any] = {
        "model": type(learner.model).__name__,
        "model.weights": sum(one.numel() for one in learner.model.parameters()),
        "loss": _fastai_name(learner.loss_func),
        "optimizer": optimizer,
        "n_epoch": learner.n_epoch,
        "batch_size": getattr(learner.dls, "bs", None),
        "frozen_groups": learner.opt.frozen_idx or None,
    }
    for callback in learner.cbs:
        if type(callback).__name__ == "ParamScheduler":
            values |= {f"schedule.{name}": _fastai_schedule(one) for name, one in callback.scheds.items()}
    hypers = learner.opt.hypers
    for name in hypers[-1]:
        if f"schedule.{name}" not in values:
            given = [group[name] for group in hypers]
            own = name if name == "lr" else f"{optimizer}.{name}"
            values[own] = given[0] if all(one == given[0] for one in given) else given
    usual = {
        f"{optimizer}.{name}": argument.default
        for name, argument in inspect.signature(learner.opt_func).parameters.items()
        if argument.default is not argument.empty
    }
    usual["lr"] = inspect.signature(type(learner).__init__).parameters["lr"].default
    return TrainerParameters(values, usual, library_version("fastai"))


def _fastai_schedule(schedule: Any) -> list[Any]:
    """A schedule by its values at the beginning, at each quarter and at the end, with six digits."""
    import numpy as np

    return [
        float(f"{one:.6g}")
        for quarter in range(5)
        for one in np.atleast_1d(np.asarray(schedule(quarter / 4), float)).tolist()  # of each group of layers
    ]


def _fastai_name(value: Any) -> str:
    inner = getattr(value, "func", value)  # of functools.partial, and fastai's own losses
    return getattr(inner, "__name__", None) or type(inner).__name__


def _fastai_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("fastai.callback.core", "fastai", name).Callback,)


if TYPE_CHECKING:
    LegmCallback = FastaiCallbackMethods
else:
    __getattr__ = lazy_classes(__name__, {"LegmCallback": FastaiCallbackMethods}, _fastai_bases)
