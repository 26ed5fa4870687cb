"""What mlflow logs of a training by Lightning's ``Trainer``: parameters, epochs' metrics, and the weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import Autologging
from legm.compat.mlflow.client import MlflowClient
from legm.compat.mlflow.logged_models import ModelInfo
from legm.compat.script_session import SESSION

__all__ = ["MlflowLightningLogger", "wrap_lightning_trainer"]


class MlflowLightningLogger:
    """Lightning's callback that logs, but for its base class.

    Args:
        autologging: says how often.
        run_id: the run that takes it, also of a test after the training.
    """

    def __init__(self, autologging: Autologging, run_id: str) -> None:
        self._autologging = autologging
        self._run_id = run_id
        self._step_metrics: set[str] = set()
        self._epoch_metrics: set[str] = set()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Log the number of epochs and the first optimizer."""
        params = {"epochs": trainer.max_epochs}
        if trainer.optimizers:
            optimizer = trainer.optimizers[0]
            params["optimizer_name"] = type(getattr(optimizer, "_optimizer", optimizer)).__name__
            params |= optimizer.defaults
        self._autologging.log_params(params)
        self._set_mode("training")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the metrics of an epoch, except those logged by step."""
        names = set(trainer.callback_metrics) - self._step_metrics
        self._epoch_metrics |= names
        if (pl_module.current_epoch + 1) % self._autologging.option("log_every_n_epoch", 1) == 0:
            self._log(trainer, names, pl_module.current_epoch)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Log the metrics of a step if asked for; a metric of both is logged by epoch."""
        every = self._autologging.option("log_every_n_step")
        if not every:
            return
        known = set(trainer.callback_metrics)
        names = {name for name in known - self._epoch_metrics if f"{name}_step" not in known}
        self._step_metrics |= names
        if (trainer.global_step // max(len(trainer.optimizers), 1) + 1) % every == 0:
            self._log(trainer, names, trainer.global_step)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the metrics of a test."""
        self._set_mode("testing")
        self._log(trainer, set(trainer.callback_metrics), None)

    def _log(self, trainer: Any, names: set[str], step: int | None) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        with self._autologging.report_errors("metrics"):
            values = {name: float(trainer.callback_metrics[name]) for name in sorted(names)}
            fluent.log_metrics(values, step, run_id=self._run_id)

    def _set_mode(self, mode: str) -> None:
        with self._autologging.report_errors("a tag"):
            MlflowClient().set_tag(self._run_id, "Mode", mode)


def wrap_lightning_trainer(
    autologging: Autologging, module: Any, log_model: Callable[..., ModelInfo]
) -> None:
    """Log the fits of a package's ``Trainer``: ``pytorch_lightning`` or ``lightning.pytorch``."""
    base = module.Callback

    class Callback(MlflowLightningLogger, base):  # type: ignore[misc, valid-type]
        def __reduce__(self) -> Any:
            return base, ()  # another process cannot log to this run

    logged = partial(_fit_mlflow_lightning, autologging, module, Callback, log_model)

    def fit_with_lightning(original: Callable[..., Any], trainer: Any, *args: Any, **kwargs: Any) -> Any:
        return logged(original, trainer, args, kwargs)

    autologging.wrap(module.Trainer, "fit", fit_with_lightning)


def _fit_mlflow_lightning(
    autologging: Autologging,
    module: Any,
    callback: type[MlflowLightningLogger],
    log_model: Callable[..., ModelInfo],
    original: Callable[..., Any],
    trainer: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    early_stopping = [one for one in trainer.callbacks if isinstance(one, module.callbacks.EarlyStopping)]
    for one in early_stopping:
        names = ("monitor", "mode", "patience", "min_delta", "stopped_epoch")
        autologging.log_params({name: getattr(one, name) for name in names if hasattr(one, name)})
    epoch_logger = callback(autologging, fluent.active_run_id())
    trainer.callbacks = [
        *(one for one in trainer.callbacks if not isinstance(one, MlflowLightningLogger)),
        epoch_logger,
    ]
    fitted = original(trainer, *args, **kwargs)
    if not trainer.is_global_zero:
        return fitted
    for one in early_stopping[-1:]:
        if one.stopped_epoch:
            autologging.log_metrics(
                {
                    "stopped_epoch": one.stopped_epoch,
                    "restored_epoch": one.stopped_epoch - max(1, one.patience),
                    "best_score": float(one.best_score),
                    "wait_count": one.wait_count,
                }
            )
    with autologging.report_errors("the summary"):
        summary = module.utilities.model_summary.ModelSummary(trainer.lightning_module, max_depth=-1)
        fluent.log_text(str(summary), "model_summary.txt")
    if autologging.option("log_models", True):
        with autologging.report_errors("the model"):
            name = autologging.option("registered_model_name")
            log_model(trainer.lightning_module, "model", registered_model_name=name)
    if autologging.option("checkpoint", True) and _keeps_lightning_checkpoints(autologging, trainer):
        SESSION.notices.report_unsupported(
            "mlflow.pytorch.autolog(checkpoint=True)",
            "legm keeps the model at the end and loads no checkpoint",
        )
    return fitted


def _keeps_lightning_checkpoints(autologging: Autologging, trainer: Any) -> bool:
    """Whether mlflow would store checkpoints of its own."""
    monitor = autologging.option("checkpoint_monitor", "val_loss")
    return not autologging.option("checkpoint_save_best_only", True) or monitor in trainer.callback_metrics
