"""A callback for skorch: ``NeuralNetClassifier(…, callbacks=[LegmCallback("results", "digits")])``."""

from __future__ import annotations

import numbers
import os
from typing import TYPE_CHECKING, Any

from legm.integrations.estimator_parameters import estimator_parameters
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes, library_version
from legm.integrations.training_run import TrainingContext

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmCallback"]

_OF_CALLBACKS = ("EarlyStopping", "Checkpoint")
_UNCOMPARED = ("verbose", "device", "use_caching", "torch_load_kwargs", "warm_start", "compile")


class SkorchCallbackMethods(TrainingContext):
    """A callback that records each training with skorch as a run; a step is skorch's number of an epoch.

    The parameters of the net become the run's; what equals its default is inactive. Metrics are what the
    history has of each epoch. The best step is that of the callbacks ``EarlyStopping`` or ``Checkpoint``.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    def __init__(
        self, root: str | os.PathLike[str] | ExperimentHandler, experiment: str | None = None, **options: Any
    ) -> None:
        super().__init__(root, experiment, **options)
        self._arguments = {"root": root, "experiment": experiment, **options}
        self._last_epoch = 0

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments, as scikit-learn copies the callbacks of a net."""
        return dict(self._arguments)

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **_: Any) -> None:  # noqa: N803
        """Begin a run; ``partial_fit`` continues it."""
        self._last_epoch = len(net.history)
        if len(net.history) == 0 or not self._run.is_open:
            parameters = estimator_parameters(
                net, library_version("skorch"), _UNCOMPARED, has_class_names=False
            )
            self._run.begin(parameters)

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Set what the history has of an epoch."""
        self._log(net.history[-1])

    def _log(self, row: Any) -> None:
        metrics = {
            "time" if name == "dur" else name: value
            for name, value in row.items()
            if _is_skorch_number(value)
        }
        for name in [one for one in metrics if one == "epoch" or one.endswith("_batch_count")]:
            del metrics[name]
        self._run.log_metrics(metrics, row["epoch"])
        self._last_epoch = row["epoch"]

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Set the best step, and complete the run."""
        if len(net.history) and (row := net.history[-1])["epoch"] > self._last_epoch and "dur" in row:
            self._log(row)  # another callback has stopped the training in it
        for _name, callback in net.callbacks_:
            monitor = getattr(callback, "monitor", None)
            if type(callback).__name__ not in _OF_CALLBACKS or not isinstance(monitor, str):
                continue
            best = monitor if monitor.endswith("_best") else f"{monitor}_best"
            rows = [row["epoch"] for row in net.history if row.get(best)]
            if rows:
                self._run.set_best_step(rows[-1])
                break
        self._run.complete()


def _is_skorch_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Real)


def _skorch_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("skorch.callbacks", "skorch", name).Callback,)


if TYPE_CHECKING:
    LegmCallback = SkorchCallbackMethods
else:
    __getattr__ = lazy_classes(__name__, {"LegmCallback": SkorchCallbackMethods}, _skorch_bases)
