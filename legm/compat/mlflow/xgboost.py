"""``mlflow.xgboost``: XGBoost's models in its own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.flavors import Flavor
from legm.compat.session import SESSION

__all__ = ["load_model", "log_model", "save_model"]

_FILE = "model.ubj"


def _write(model: Any, folder: Path) -> None:
    (model.get_booster() if hasattr(model, "get_booster") else model).save_model(str(folder / _FILE))


_FLAVOR = Flavor("xgboost", "xgb_model", _write)
log_model = _FLAVOR.log_model
save_model = _FLAVOR.save_model


def load_model(model_uri: Any, dst_path: str | None = None, **_: Any) -> Any:
    """A booster that was kept."""
    from xgboost import Booster

    booster = Booster()
    booster.load_model(str(Path(download_artifacts(str(model_uri), dst_path=dst_path), _FILE)))
    return booster


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.absorb(f"mlflow.xgboost.{name}")
