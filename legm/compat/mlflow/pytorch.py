"""``mlflow.pytorch``: models in PyTorch's own format, and autologging.

Autologging covers the training of Lightning and, with ``log_every_n_step``, the scalars that a script writes
for TensorBoard.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import TRAINING_STACK, Autologging
from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.mlflow.flavors import Flavor, copied_flavor_model
from legm.compat.mlflow.logged_models import ModelDescription
from legm.compat.script_session import SESSION
from legm.compat.tensorboard_writers import WRITERS, watch_tensorboard_scalars
from legm.compat.unknown_names import unknown_attribute
from legm.compat.wrapped_functions import wrap_function

__all__ = [
    "AUTOLOGGING",
    "FLAVOR",
    "autolog",
    "load_model",
    "load_state_dict",
    "log_model",
    "log_state_dict",
    "save_model",
]

_FILE = "state_dict.pt"


def _write_mlflow_pytorch(model: Any, folder: Path) -> None:
    _write_pytorch_weights(model.state_dict(), folder)


def _write_pytorch_weights(weights: Any, folder: Path) -> None:
    import torch

    torch.save(weights, folder / _FILE)


def _read_pytorch_weights(folder: Path, description: ModelDescription, held: Any, **options: Any) -> Any:
    del description, held
    import torch

    return torch.load(folder / _FILE, weights_only=True, map_location=options.get("map_location"))


def _read_mlflow_pytorch(folder: Path, description: ModelDescription, held: Any, **options: Any) -> Any:
    """The model, where this process logged it, with the weights that it had; else the weights."""
    weights = _read_pytorch_weights(folder, description, held, **options)
    model = None if held is None else copied_flavor_model(held)
    if model is None:
        return weights
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:  # the model has other layers since then
        SESSION.notices.report_unsupported("the code of a model by mlflow.pytorch.load_model", str(error))
        return weights
    return model


def _predict_mlflow_pytorch(model: Any, data: Any) -> Any:
    """What a model returns for an array or data frame, as MLflow calls it."""
    import torch

    if not callable(model):
        raise MlflowException(
            "a model of PyTorch is its weights here: only the process that logged it has its code"
        )
    model.eval()
    with torch.no_grad():
        values = data.to_numpy(dtype="float32") if hasattr(data, "to_numpy") else data
        found = model(torch.as_tensor(values)).cpu().numpy()
    if not hasattr(data, "to_numpy"):
        return found
    import pandas as pd

    return pd.DataFrame(found, index=data.index)


FLAVOR = Flavor(
    "pytorch",
    "pytorch_model",
    _write_mlflow_pytorch,
    _read_mlflow_pytorch,
    held=lambda model: model,
    predict=_predict_mlflow_pytorch,
)
log_model = FLAVOR.log_model
save_model = FLAVOR.save_model
load_model = FLAVOR.load_model
_WEIGHTS = Flavor("pytorch", "state_dict", _write_pytorch_weights, _read_pytorch_weights)
log_state_dict = _WEIGHTS.log_model
save_state_dict = _WEIGHTS.save_model
load_state_dict = _WEIGHTS.load_model


def _wrap_pytorch_writer(module: Any) -> None:
    watch_tensorboard_scalars(module, _log_pytorch_scalars)
    wrap_function(module.SummaryWriter, "add_hparams", _add_pytorch_hparams)


def _should_log_pytorch_scalars() -> bool:
    if not AUTOLOGGING.is_on or not TRAINING_STACK.is_empty:  # Lightning also writes for TensorBoard
        return False
    return not (AUTOLOGGING.option("exclusive") and TRAINING_STACK.has_user_run())


def _log_pytorch_scalars(values: dict[str, float], step: int) -> None:
    every = AUTOLOGGING.option("log_every_n_step")
    if every and _should_log_pytorch_scalars() and step % every == 0:
        AUTOLOGGING.log_metrics(values, step)


def _add_pytorch_hparams(
    original: Callable[..., Any], writer: Any, hparam_dict: Any, metric_dict: Any, *args: Any, **kwargs: Any
) -> Any:
    if hparam_dict and fluent.ACTIVE.runs and _should_log_pytorch_scalars():
        AUTOLOGGING.log_params(hparam_dict)
        AUTOLOGGING.log_metrics(metric_dict, 0)
    return original(writer, hparam_dict, metric_dict, *args, **kwargs)


def _wrap_lightning_of_pytorch(module: Any) -> None:
    from legm.compat.mlflow.lightning import wrap_lightning_trainer

    wrap_lightning_trainer(AUTOLOGGING, module, log_model)


AUTOLOGGING = Autologging(
    "pytorch",
    ("log_every_n_epoch", "log_every_n_step", "log_models", "log_datasets", "disable", "exclusive"),
    {
        WRITERS[0]: _wrap_pytorch_writer,
        "pytorch_lightning": _wrap_lightning_of_pytorch,
        "lightning.pytorch": _wrap_lightning_of_pytorch,
    },
)
autolog = AUTOLOGGING.autolog


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.pytorch", name)
