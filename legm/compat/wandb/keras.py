"""``wandb.integration.keras``: logs Keras's metrics, and keeps checkpoints and tables as artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.artifacts import Artifact
from legm.compat.wandb.current_run import required_run
from legm.compat.wandb.media import Table
from legm.integrations.keras_metrics import KerasMetrics
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes

__all__ = ["WandbEvalCallback", "WandbMetricsLogger", "WandbModelCheckpoint"]  # noqa: F822 - made on first use


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


class WandbKerasEvaluationMethods:
    """Keeps a table of data, and one of the model's predictions after each epoch, as artifacts of the run.

    A script derives from it and fills both tables.

    Args:
        data_table_columns: the names of the columns of the data.
        pred_table_columns: those of the predictions.
    """

    def __init__(
        self, data_table_columns: list[str], pred_table_columns: list[str], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        required_run("integration.keras.WandbEvalCallback")
        self.data_table_columns = data_table_columns
        self.pred_table_columns = pred_table_columns

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Keep the table of data."""
        self.init_data_table(self.data_table_columns)
        self.add_ground_truth(logs)
        self.log_data_table()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keep the table of an epoch's predictions."""
        self.init_pred_table(self.pred_table_columns)
        self.add_model_predictions(epoch, logs)
        self.log_pred_table()

    def add_ground_truth(self, logs: Mapping[str, Any] | None = None) -> None:
        """Fill ``data_table``."""
        raise NotImplementedError(f"{type(self).__name__}.add_ground_truth")

    def add_model_predictions(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Fill ``pred_table``; ``data_table_ref`` has the data."""
        raise NotImplementedError(f"{type(self).__name__}.add_model_predictions")

    def init_data_table(self, column_names: list[str]) -> None:
        """Begin the table of data."""
        self.data_table = Table(columns=column_names)

    def init_pred_table(self, column_names: list[str]) -> None:
        """Begin a table of predictions."""
        self.pred_table = Table(columns=column_names)

    def log_data_table(self, name: str = "val", type: str = "dataset", table_name: str = "val_data") -> None:  # noqa: A002
        """Keep the table of data as an artifact."""
        self._log_table(self.data_table, Artifact(name, type=type), table_name, None)
        self.data_table_ref = self.data_table

    def log_pred_table(
        self,
        type: str = "evaluation",  # noqa: A002 - wandb's name
        table_name: str = "eval_data",
        aliases: list[str] | None = None,
    ) -> None:
        """Keep the table of predictions as a version of an artifact."""
        artifact = Artifact(f"run_{required_run('log_artifact').id}_pred", type=type)
        self._log_table(self.pred_table, artifact, table_name, aliases or ["latest"])

    @staticmethod
    def _log_table(table: Table, artifact: Artifact, table_name: str, aliases: list[str] | None) -> None:
        artifact.add(table, table_name)
        required_run("log_artifact").log_artifact(artifact, aliases=aliases)


def _wandb_keras_bases(name: str) -> tuple[type, ...]:
    callbacks = import_library_lazily("keras.callbacks", "keras", name)
    return (callbacks.ModelCheckpoint if name == "WandbModelCheckpoint" else callbacks.Callback,)


_made_class = lazy_classes(
    __name__,
    {
        "WandbEvalCallback": WandbKerasEvaluationMethods,
        "WandbMetricsLogger": WandbKerasMetricsMethods,
        "WandbModelCheckpoint": WandbKerasCheckpointMethods,
    },
    _wandb_keras_bases,
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _made_class(name)
    return unknown_attribute("wandb.keras", name)
