"""``wandb.integration.keras``: logs Keras's metrics, and keeps its checkpoints as artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.artifacts import Artifact
from legm.compat.wandb.current_run import required_run
from legm.integrations.keras_metrics import KerasMetrics
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes

__all__ = ["WandbMetricsLogger", "WandbModelCheckpoint"]  # noqa: F822 - made on first use


class WandbKerasMetricsMethods(KerasMetrics):
    """Logs the metrics and the learning rate of each epoch and, if wanted, of every n-th batch.

    Args:
        log_freq: ``"epoch"``; ``"batch"`` or a number of batches to log those too.
        initial_global_step: the number of the first batch, for the learning rate of a resumed training.
    """

    model: Any

    def __init__(self, log_freq: str | int = "epoch", initial_global_step: int = 0, **_: Any) -> None:
        super().__init__()
        run = required_run("integration.keras.WandbMetricsLogger")
        self.every = 1 if log_freq == "batch" else log_freq if isinstance(log_freq, int) else 0
        self._steps = initial_global_step
        self._logged_batches = 0
        counted = ("batch", "batch_step") if self.every else ("epoch", "epoch")
        run.define_metric("/".join(counted))
        run.define_metric(f"{counted[0]}/*", step_metric="/".join(counted))

    def count_batch(self, batch: int) -> int | None:
        """The number of the batch in its epoch."""
        self._steps += 1
        return batch

    def take_batch(self, logs: Mapping[str, Any], number: int) -> None:
        """Log the metrics of a batch."""
        self._log(logs, "batch", "batch_step", self._logged_batches)
        self._logged_batches += self.every

    def take_epoch(self, logs: Mapping[str, Any], epoch: int) -> None:
        """Log the metrics of an epoch."""
        self._log(logs, "epoch", "epoch", epoch)

    def _log(self, logs: Mapping[str, Any], group: str, counted: str, number: int) -> None:
        row = {f"{group}/{name}": value for name, value in logs.items()}
        row[f"{group}/{counted}"] = number
        rate = self.model.optimizer.learning_rate
        if callable(rate) and not hasattr(rate, "shape"):  # a schedule
            rate = rate(self._steps)
        required_run("log").log({**row, f"{group}/learning_rate": float(rate)})


class WandbKerasCheckpointMethods:
    """Keras's ``ModelCheckpoint``, whose files are kept as versions of an artifact of the run."""

    _current_epoch: int
    save_freq: str | int

    def __init__(self, filepath: Any, *args: Any, **options: Any) -> None:
        super().__init__(filepath, *args, **options)  # type: ignore[call-arg]  # of Keras
        required_run("integration.keras.WandbModelCheckpoint")

    def _save_model(self, epoch: int, batch: int | None = None, logs: Any = None) -> None:
        """Save the model if it is due, and keep what was saved."""
        path = Path(self._get_file_path(epoch, batch, logs))  # type: ignore[attr-defined]
        before = path.stat().st_mtime_ns if path.exists() else None
        super()._save_model(epoch, batch, logs)  # type: ignore[misc]
        if not path.exists() or path.stat().st_mtime_ns == before:
            return
        run = required_run("log_artifact")
        artifact = Artifact(f"run_{run.id}_model", type="model")
        add = artifact.add_dir if path.is_dir() else artifact.add_file
        add(str(path))
        run.log_artifact(
            artifact, aliases=["latest", f"epoch_{epoch}" + ("" if batch is None else f"_batch_{batch}")]
        )


def _wandb_keras_bases(name: str) -> tuple[type, ...]:
    callbacks = import_library_lazily("keras.callbacks", "keras", name)
    return (callbacks.Callback if name == "WandbMetricsLogger" else callbacks.ModelCheckpoint,)


_made_class = lazy_classes(
    __name__,
    {"WandbMetricsLogger": WandbKerasMetricsMethods, "WandbModelCheckpoint": WandbKerasCheckpointMethods},
    _wandb_keras_bases,
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _made_class(name)
    return unknown_attribute("wandb.keras", name)
