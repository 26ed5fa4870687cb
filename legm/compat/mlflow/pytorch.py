"""``mlflow.pytorch``: models in PyTorch's own format, and autologging.

Autologging covers the training of Lightning and, with ``log_every_n_step``, the scalars that a script writes
for TensorBoard.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.autologging import TRAINING_STACK, Autologging, wrap_function
from legm.compat.mlflow.flavors import Flavor
from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "AUTOLOGGING",
    "autolog",
    "load_model",
    "load_state_dict",
    "log_model",
    "log_state_dict",
    "save_model",
]

_FILE = "state_dict.pt"


def _write(model: Any, folder: Path) -> None:
    _write_pytorch_weights(model.state_dict(), folder)


def _write_pytorch_weights(weights: Any, folder: Path) -> None:
    import torch

    torch.save(weights, folder / _FILE)


_FLAVOR = Flavor("pytorch", "pytorch_model", _write)
log_model = _FLAVOR.log_model
save_model = _FLAVOR.save_model
_WEIGHTS = Flavor("pytorch", "state_dict", _write_pytorch_weights)
log_state_dict = _WEIGHTS.log_model
save_state_dict = _WEIGHTS.save_model


def load_model(model_uri: Any, dst_path: str | None = None, **_: Any) -> Any:
    """Load the weights of a model, for ``load_state_dict()``; its code is not stored."""
    import torch

    folder = Path(model_uri)
    if not folder.is_dir():
        folder = Path(download_artifacts(str(model_uri), dst_path=dst_path))
    return torch.load(folder / _FILE, weights_only=True)


load_state_dict = load_model


def _wrap_pytorch_writer(module: Any) -> None:
    wrap_function(module.FileWriter, "add_event", _add_pytorch_event)
    wrap_function(module.SummaryWriter, "add_hparams", _add_pytorch_hparams)


def _should_log_pytorch_scalars() -> bool:
    if not AUTOLOGGING.is_on or not TRAINING_STACK.is_empty:  # Lightning also writes for TensorBoard
        return False
    return not (AUTOLOGGING.option("exclusive") and TRAINING_STACK.has_user_run())


def _add_pytorch_event(
    original: Callable[..., Any], writer: Any, event: Any, *args: Any, **kwargs: Any
) -> Any:
    every = AUTOLOGGING.option("log_every_n_step")
    if every and _should_log_pytorch_scalars() and event.WhichOneof("what") == "summary":
        step = int(next(iter((*args, kwargs.get("step"))), None) or 0)
        values = {one.tag: one.simple_value for one in event.summary.value if one.HasField("simple_value")}
        if values and step % every == 0:
            AUTOLOGGING.log_metrics(values, step)
    return original(writer, event, *args, **kwargs)


def _add_pytorch_hparams(
    original: Callable[..., Any], writer: Any, hparam_dict: Any, metric_dict: Any, *args: Any, **kwargs: Any
) -> Any:
    if hparam_dict and fluent.ACTIVE.runs and _should_log_pytorch_scalars():
        AUTOLOGGING.log_params(hparam_dict)
        AUTOLOGGING.log_metrics(metric_dict, 0)
    return original(writer, hparam_dict, metric_dict, *args, **kwargs)


def _wrap_lightning_of_pytorch(module: Any) -> None:
    from legm.compat.mlflow.lightning import wrap_trainer

    wrap_trainer(AUTOLOGGING, module, log_model)


AUTOLOGGING = Autologging(
    "pytorch",
    ("log_every_n_epoch", "log_every_n_step", "log_models", "log_datasets", "disable", "exclusive"),
    {
        "torch.utils.tensorboard.writer": _wrap_pytorch_writer,
        "pytorch_lightning": _wrap_lightning_of_pytorch,
        "lightning.pytorch": _wrap_lightning_of_pytorch,
    },
)
autolog = AUTOLOGGING.autolog


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.pytorch", name)
