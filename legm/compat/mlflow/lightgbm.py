"""``mlflow.lightgbm``: LightGBM's models in its own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.models import ModelInfo, keep_model
from legm.compat.session import SESSION

__all__ = ["load_model", "log_model", "save_model"]

_FILE = "model.txt"


def _write(model: Any, folder: Path) -> None:
    getattr(model, "booster_", model).save_model(str(folder / _FILE))


def log_model(
    lgb_model: Any,
    artifact_path: str | None = None,
    *_: Any,
    name: str | None = None,
    signature: Any = None,
    registered_model_name: str | None = None,
    **__: Any,
) -> ModelInfo:
    """Keep a model with the active run."""
    return keep_model(
        "lightgbm",
        lambda folder: _write(lgb_model, folder),
        artifact_path,
        name=name,
        signature=signature,
        registered_model_name=registered_model_name,
    )


def save_model(lgb_model: Any, path: Any, *_: Any, **__: Any) -> None:
    """Write a model into a folder."""
    Path(path).mkdir(parents=True, exist_ok=True)
    _write(lgb_model, Path(path))


def load_model(model_uri: Any, dst_path: str | None = None, **_: Any) -> Any:
    """A booster that was kept."""
    from lightgbm import Booster

    return Booster(model_file=str(Path(download_artifacts(str(model_uri), dst_path=dst_path), _FILE)))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.absorb(f"mlflow.lightgbm.{name}")
