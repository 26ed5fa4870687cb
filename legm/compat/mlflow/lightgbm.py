"""``mlflow.lightgbm``: models in LightGBM's own format, and autologging of its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.compat.mlflow.autologging import Autologging
from legm.compat.mlflow.boosting import BoostingLogger, BoostingRounds
from legm.compat.mlflow.flavors import Flavor, copied_flavor_model
from legm.compat.mlflow.logged_models import ModelDescription
from legm.compat.mlflow.signed_models import read_signed_model, write_signed_model
from legm.compat.unknown_names import unknown_attribute
from legm.integrations.boosting_rounds import (
    EvaluatedMetric,
    LightGBMRounds,
    best_lightgbm_round,
    metrics_by_name,
)

__all__ = ["AUTOLOGGING", "FLAVOR", "autolog", "load_model", "log_model", "save_model"]

_FILE = "model.txt"


def _write_mlflow_lightgbm(model: Any, folder: Path) -> None:
    getattr(model, "booster_", model).save_model(str(folder / _FILE))
    if hasattr(model, "booster_"):
        write_signed_model(model, folder, "mlflow.lightgbm")


def _read_mlflow_lightgbm(folder: Path, description: ModelDescription, held: Any) -> Any:
    """The booster, or the estimator: LightGBM's own format has none."""
    if held is not None:
        return copied_flavor_model(held)
    if description.kind.startswith("lightgbm.sklearn."):
        return read_signed_model(folder, description.kind, instead=f"Its booster is in {_FILE}")
    from lightgbm import Booster

    return Booster(model_file=str(folder / _FILE))


def _held_lightgbm_model(model: Any) -> Any:
    return copied_flavor_model(model) if hasattr(model, "booster_") else None


FLAVOR = Flavor(
    "lightgbm", "lgb_model", _write_mlflow_lightgbm, _read_mlflow_lightgbm, held=_held_lightgbm_model
)
log_model = FLAVOR.log_model
save_model = FLAVOR.save_model
load_model = FLAVOR.load_model


class _MlflowLightgbmRounds(LightGBMRounds):
    def __init__(self, rounds: BoostingRounds) -> None:
        self._rounds = rounds

    def take_round(self, evaluated: list[EvaluatedMetric], env: Any) -> None:
        self._rounds.log_round(metrics_by_name(evaluated), env.iteration)


def _log_mlflow_lightgbm_best(model: Any, arguments: Mapping[str, Any], rounds: BoostingRounds) -> None:
    del arguments  # early stopping is a callback or a parameter with many names
    best = best_lightgbm_round(model)
    if best is not None:
        rounds.log_best(len(rounds.values), best + 1, rounds.values[best])  # MLflow counts from 1


def _mlflow_lightgbm_importances(model: Any) -> dict[str, dict[str, float]]:
    names = model.feature_name()
    return {
        kind: dict(zip(names, model.feature_importance(importance_type=kind).tolist(), strict=True))
        for kind in ("split", "gain")
    }


def _wrap_mlflow_lightgbm(lightgbm: Any) -> None:
    _BOOSTING.wrap(lightgbm, "LGBMModel")


AUTOLOGGING = Autologging(
    "lightgbm",
    ("log_input_examples", "log_model_signatures", "log_models", "log_datasets", "disable", "exclusive"),
    {"lightgbm": _wrap_mlflow_lightgbm},
)
autolog = AUTOLOGGING.autolog
_BOOSTING = BoostingLogger(
    AUTOLOGGING,
    excluded=("train_set", "valid_sets", "valid_names", "fobj", "feval", "init_model", "learning_rates"),
    callback=_MlflowLightgbmRounds,
    log_best=_log_mlflow_lightgbm_best,
    importances=_mlflow_lightgbm_importances,
    log_model=log_model,
)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.lightgbm", name)
