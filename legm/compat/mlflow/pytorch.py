"""``mlflow.pytorch``: PyTorch's models in its own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.models import ModelInfo, keep_model
from legm.compat.session import SESSION

__all__ = ["load_model", "log_model", "save_model"]

_FILE = "state_dict.pt"


def _write(model: Any, folder: Path) -> None:
    import torch

    torch.save(model.state_dict(), folder / _FILE)


def log_model(
    pytorch_model: Any,
    artifact_path: str | None = None,
    *_: Any,
    name: str | None = None,
    signature: Any = None,
    registered_model_name: str | None = None,
    **__: Any,
) -> ModelInfo:
    """Keep a model with the active run."""
    return keep_model(
        "pytorch",
        lambda folder: _write(pytorch_model, folder),
        artifact_path,
        name=name,
        signature=signature,
        registered_model_name=registered_model_name,
    )


def save_model(pytorch_model: Any, path: Any, *_: Any, **__: Any) -> None:
    """Write a model into a folder."""
    Path(path).mkdir(parents=True, exist_ok=True)
    _write(pytorch_model, Path(path))


def load_model(model_uri: Any, dst_path: str | None = None, **_: Any) -> Any:
    """The weights of a model that was kept, for its ``load_state_dict()``; its code is not kept."""
    import torch

    folder = download_artifacts(str(model_uri), dst_path=dst_path)
    return torch.load(Path(folder, _FILE), weights_only=True)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.absorb(f"mlflow.pytorch.{name}")
