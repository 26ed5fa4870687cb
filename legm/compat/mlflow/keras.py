"""``mlflow.keras``: a callback that logs Keras's training, and autologging of ``fit``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import Autologging, autologged_arguments, autologged_param_value
from legm.compat.mlflow.flavors import Flavor
from legm.compat.mlflow.logged_models import ModelDescription
from legm.compat.unknown_names import unknown_attribute
from legm.integrations.keras_metrics import KerasMetrics
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes

__all__ = [
    "AUTOLOGGING",
    "FLAVOR",
    "MLflowCallback",
    "MlflowCallback",
    "autolog",
    "load_model",
    "log_model",
    "save_model",
]

_NOT_PARAMETERS = frozenset(("x", "y", "callbacks", "validation_data", "verbose"))  # of fit()


_FILE = "model.keras"


def _write_mlflow_keras(model: Any, folder: Path) -> None:
    model.save(folder / _FILE)


def _read_mlflow_keras(folder: Path, description: ModelDescription, held: Any, **options: Any) -> Any:
    del description, held
    return import_library_lazily("keras.saving", "keras", "load_model()").load_model(
        folder / _FILE, **options
    )


FLAVOR = Flavor("keras", "keras_model", _write_mlflow_keras, _read_mlflow_keras)
log_model = FLAVOR.log_model
save_model = FLAVOR.save_model
load_model = FLAVOR.load_model


class MlflowKerasCallbackMethods(KerasMetrics):
    """Keras's callback that logs, but for its base class.

    Args:
        log_every_epoch: whether the metrics of each epoch are logged, or else those of steps.
        log_every_n_steps: after how many batches metrics are logged, without epochs.
        model_id: of a logged model, which is not recorded.
        run: the run that takes it, in older versions of MLflow; None for the active run, or a new one.

    Raises:
        ValueError: both epochs and batches are asked for, or neither.
    """

    def __init__(
        self,
        log_every_epoch: bool = True,
        log_every_n_steps: int | None = None,
        model_id: str | None = None,
        *,
        run: Any = None,
    ) -> None:
        super().__init__()
        if log_every_epoch == (log_every_n_steps is not None):
            raise ValueError(
                "`log_every_n_steps` must be None if `log_every_epoch=True`, and given if it is False, "
                "received "
                f"`log_every_epoch={log_every_epoch}` and `log_every_n_steps={log_every_n_steps}`."
            )
        self._run_id: str = fluent.active_run_id() if run is None else run.info.run_id
        self.by_epoch = log_every_epoch
        self.every = log_every_n_steps or 0

    def _log(self, values: Mapping[str, Any] | None, step: int | None = None) -> None:
        with AUTOLOGGING.report_errors("metrics"):
            fluent.log_metrics(
                {name: float(value) for name, value in (values or {}).items()}, step, run_id=self._run_id
            )

    def on_train_begin(self, logs: Any = None) -> None:
        """Log the optimizer, and the summary of the model as a file."""
        del logs
        model: Any = self.model  # type: ignore[attr-defined]  # of Keras
        with AUTOLOGGING.report_errors("parameters"):
            config = model.optimizer.get_config()
            values = {f"optimizer_{name}": autologged_param_value(value) for name, value in config.items()}
            fluent.log_params(values, run_id=self._run_id)
        with AUTOLOGGING.report_errors("the summary"):
            lines: list[str] = []
            model.summary(print_fn=lambda line, **_: lines.append(line))
            fluent.log_text("\n".join(lines), "model_summary.txt", run_id=self._run_id)

    def count_batch(self, batch: int) -> int | None:
        """The number of steps of the optimizer."""
        del batch
        return int(self.model.optimizer.iterations) if self.every else None  # type: ignore[attr-defined]

    def take_batch(self, logs: Mapping[str, Any], number: int) -> None:
        """Log the metrics of a batch."""
        self._log(logs, number)

    def take_epoch(self, logs: Mapping[str, Any], epoch: int) -> None:
        """Log the metrics of an epoch."""
        self._log(logs, epoch)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Log the metrics of an evaluation, also of one inside of ``fit``."""
        self._log({f"validation_{name}": value for name, value in (logs or {}).items()})


def _wrap_mlflow_keras(module: Any) -> None:
    AUTOLOGGING.wrap(module.Model, "fit", _fit_mlflow_keras)


def _fit_mlflow_keras(original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    arguments = autologged_arguments(original, (model, *args), kwargs)
    del arguments["self"]
    defaults = {name: one for name, one in _mlflow_keras_defaults(original).items() if name != "self"}
    AUTOLOGGING.log_params(
        {name: value for name, value in (defaults | arguments).items() if name not in _NOT_PARAMETERS}
    )
    callback = _mlflow_keras_callback()(
        log_every_epoch=AUTOLOGGING.option("log_every_epoch", True),
        log_every_n_steps=AUTOLOGGING.option("log_every_n_steps"),
    )
    given = arguments.get("callbacks") or []
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    history = original(model, **{**arguments, "callbacks": [*several, callback]})
    if AUTOLOGGING.option("log_models", True):
        with AUTOLOGGING.report_errors("the model"):
            name = AUTOLOGGING.option("registered_model_name")
            log_model(model, "model", registered_model_name=name)
    return history


def _mlflow_keras_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


AUTOLOGGING = Autologging(
    "keras",
    ("log_every_epoch", "log_every_n_steps", "log_models", "log_model_signatures", "save_exported_model"),
    {"keras": _wrap_mlflow_keras},
)
autolog = AUTOLOGGING.autolog


def _mlflow_keras_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("keras.callbacks", "keras", name).Callback,)


_made_class = lazy_classes(__name__, {"MlflowCallback": MlflowKerasCallbackMethods}, _mlflow_keras_bases)


def _mlflow_keras_callback() -> Any:
    """The class of callbacks, which is made once."""
    return globals().get("MlflowCallback") or _made_class("MlflowCallback")


if TYPE_CHECKING:
    MlflowCallback = MLflowCallback = MlflowKerasCallbackMethods
else:

    def __getattr__(name: str) -> Any:
        if name in ("MlflowCallback", "MLflowCallback"):
            return _mlflow_keras_callback()
        return unknown_attribute("mlflow.keras", name)
