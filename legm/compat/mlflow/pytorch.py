"""``mlflow.pytorch``: PyTorch's models in its own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.flavors import Flavor
from legm.compat.session import SESSION

__all__ = ["load_model", "log_model", "save_model"]

_FILE = "state_dict.pt"


def _write(model: Any, folder: Path) -> None:
    import torch

    torch.save(model.state_dict(), folder / _FILE)


_FLAVOR = Flavor("pytorch", "pytorch_model", _write)
log_model = _FLAVOR.log_model
save_model = _FLAVOR.save_model


def load_model(model_uri: Any, dst_path: str | None = None, **_: Any) -> Any:
    """The weights of a model that was kept, for its ``load_state_dict()``; its code is not kept."""
    import torch

    folder = download_artifacts(str(model_uri), dst_path=dst_path)
    return torch.load(Path(folder, _FILE), weights_only=True)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.absorb(f"mlflow.pytorch.{name}")
