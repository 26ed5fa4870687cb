"""``mlflow.pytorch``: models as weights and code, and autologging.

Autologging covers the training of Lightning and, with ``log_every_n_step``, the scalars that a script writes
for TensorBoard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from legm.compat.mlflow import fluent
from legm.compat.mlflow.autologging import TRAINING_STACK, Autologging
from legm.compat.mlflow.flavors import Flavor, copied_flavor_model
from legm.compat.mlflow.logged_models import ModelDescription
from legm.compat.mlflow.signed_models import read_signed_model, write_signed_model
from legm.compat.tensorboard_writers import WRITERS, watch_tensorboard_scalars
from legm.compat.unknown_names import unknown_attribute
from legm.integrations.wrapped_functions import wrap_function

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
_WEIGHTS_INSTEAD = "mlflow.pytorch.load_state_dict() returns its weights"


def _write_mlflow_pytorch(model: Any, folder: Path) -> None:
    """The weights, and the code as far as it can be written, which has no weights."""
    _write_pytorch_weights(model.state_dict(), folder)
    names = {id(part): name for name, part in model.state_dict(keep_vars=True).items()}
    write_signed_model(model, folder, "mlflow.pytorch", lambda part: _pytorch_weight_name(names, part))


def _pytorch_weight_name(names: Mapping[int, str], part: Any) -> str | None:
    name = names.get(id(part))
    if name is None or not hasattr(part, "requires_grad"):
        return None
    return f"{type(part).__name__ == 'Parameter':d}{part.requires_grad:d}{name}"


def _write_pytorch_weights(weights: Any, folder: Path) -> None:
    import torch

    torch.save(weights, folder / _FILE)


def _read_pytorch_weights(folder: Path, description: ModelDescription, held: Any, **options: Any) -> Any:
    del description, held
    import torch

    return torch.load(folder / _FILE, weights_only=True, map_location=options.get("map_location"))


def _read_mlflow_pytorch(folder: Path, description: ModelDescription, held: Any, **options: Any) -> Any:
    """The model with the weights that it had when it was logged: of this process, or with its signed code."""
    weights = _read_pytorch_weights(folder, description, held, **options)
    model = None if held is None else copied_flavor_model(held)
    if model is not None:
        try:
            model.load_state_dict(weights)
        except RuntimeError:  # the model has other layers since then
            model = None
    return model if model is not None else _read_pytorch_code(folder, description, weights)


def _read_pytorch_code(folder: Path, description: ModelDescription, weights: Mapping[str, Any]) -> Any:
    from torch.nn import Parameter

    parts: dict[str, Any] = {}

    def load_part(name: str) -> Any:
        if name not in parts:
            weight = weights[name[2:]]
            parts[name] = Parameter(weight, requires_grad=name[1] == "1") if name[0] == "1" else weight
        return parts[name]

    return read_signed_model(folder, description.kind, load_part, instead=_WEIGHTS_INSTEAD)


def _predict_mlflow_pytorch(model: Any, data: Any) -> Any:
    """What a model returns for an array or data frame, as MLflow calls it."""
    import torch

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
