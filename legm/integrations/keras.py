"""A callback for Keras 3 on any backend: ``model.fit(…, callbacks=[LegmCallback("results", "mnist")])``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from legm.errors import ParameterError
from legm.integrations.calling_frames import find_in_calling_frames
from legm.integrations.keras_configuration import keras_model_parameters
from legm.integrations.keras_metrics import KerasMetrics
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes
from legm.integrations.training_run import TrainingContext, split_training_metrics

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmCallback"]


class KerasCallbackMethods(KerasMetrics, TrainingContext):
    """A callback that records trainings with Keras as runs of legm; a step is an epoch.

    The arguments of ``compile``, the optimizer's configuration, the number of epochs and of steps in each,
    and the kinds of layers become parameters; what equals the optimizer's default is inactive. The best step
    is that of ``EarlyStopping``. Each ``fit`` is a run; one that begins at a later epoch, as after
    ``BackupAndRestore``, continues one. ``evaluate`` with this callback sets test metrics.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
        log_freq: ``"epoch"``; ``"batch"`` or a number n to set the metrics of every batch or n-th batch too,
            as ``batch_<metric>`` at the number of the batch since the first epoch.

    Raises:
        ParameterError: ``log_freq`` is none of these.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | ExperimentHandler,
        experiment: str | None = None,
        *,
        log_freq: str | int = "epoch",
        **options: Any,
    ) -> None:
        every = {"epoch": 0, "batch": 1}.get(log_freq, log_freq) if isinstance(log_freq, str) else log_freq
        if not isinstance(every, int) or every < 0 or (every == 0 and log_freq != "epoch"):
            raise ParameterError(
                f"log_freq must be 'epoch', 'batch' or a number of batches, not {log_freq!r}"
            )
        super().__init__(root, experiment, **options)
        self.every = every
        self._is_fitting = False
        self._batch: int | None = None
        self.params: dict[str, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Wait for the first epoch, whose number says whether the training is resumed."""
        self._is_fitting = True
        self._batch = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin the run with the first epoch, or continue one."""
        if self._batch is not None:
            return
        self._batch = epoch * (self.params.get("steps") or 0)
        if epoch == 0 or not self._run.is_open:
            rewind_to = epoch - 1 if epoch and not self.every else None
            model: Any = getattr(self, "model", None)
            parameters = keras_model_parameters(model, self.params)
            self._run.begin(parameters, resume=True if epoch else None, rewind_to=rewind_to)

    def count_batch(self, batch: int) -> int | None:
        """The number of the batch since the first epoch; None before one has begun."""
        number = self._batch
        if number is not None:
            self._batch = number + 1
        return number

    def take_batch(self, logs: Mapping[str, Any], number: int) -> None:
        """Set the metrics of a batch."""
        self._run.log_metrics({f"batch_{name}": value for name, value in logs.items()}, number)

    def take_epoch(self, logs: Mapping[str, Any], epoch: int) -> None:
        """Set the metrics of an epoch."""
        self._run.log_metrics(logs, epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Complete the run."""
        stopping = import_library_lazily("keras", "keras", "LegmCallback").callbacks.EarlyStopping
        found = find_in_calling_frames(lambda variables: getattr(variables.get("self"), "callbacks", None))
        for callback in found or ():
            if isinstance(callback, stopping) and callback.best is not None:
                self._run.set_best_step(int(callback.best_epoch))
        self._run.complete()
        self._is_fitting = False

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Set the metrics of an evaluation that is not one of ``fit``'s own validations."""
        if not self._is_fitting:
            if not self._run.is_open:
                self._run.begin(keras_model_parameters(getattr(self, "model", None), {}))
            _, test = split_training_metrics(logs or {}, is_test=True)
            self._run.log_metrics(test, test=True)
            self._run.complete()


def _keras_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("keras", "keras", name).callbacks.Callback,)


if TYPE_CHECKING:
    LegmCallback = KerasCallbackMethods
else:
    __getattr__ = lazy_classes(__name__, {"LegmCallback": KerasCallbackMethods}, _keras_bases)
