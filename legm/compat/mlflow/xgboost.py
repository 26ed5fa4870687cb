"""``mlflow.xgboost``: models in XGBoost's own format, and autologging of its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.autologging import Autologging
from legm.compat.mlflow.boosting import BoostingLogger, BoostingRounds
from legm.compat.mlflow.flavors import Flavor
from legm.compat.unknown_names import unknown_attribute

__all__ = ["AUTOLOGGING", "autolog", "load_model", "log_model", "save_model"]

_FILE = "model.ubj"


def _write(model: Any, folder: Path) -> None:
    (model.get_booster() if hasattr(model, "get_booster") else model).save_model(str(folder / _FILE))


_FLAVOR = Flavor("xgboost", "xgb_model", _write)
log_model = _FLAVOR.log_model
save_model = _FLAVOR.save_model


def load_model(model_uri: Any, dst_path: str | None = None, **_: Any) -> Any:
    """Load a booster that was logged."""
    from xgboost import Booster

    booster = Booster()
    booster.load_model(str(Path(download_artifacts(str(model_uri), dst_path=dst_path), _FILE)))
    return booster


def _callback(rounds: BoostingRounds) -> Any:
    from xgboost.callback import TrainingCallback

    class Callback(TrainingCallback):  # type: ignore[misc, unused-ignore]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            values = {
                f"{data}-{metric}": values[-1]
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            }
            rounds.log_round(values, epoch)
            return False

    return Callback()


def _log_best(model: Any, arguments: Mapping[str, Any], rounds: BoostingRounds) -> None:
    if arguments.get("early_stopping_rounds"):
        rounds.log_best(len(rounds.values) - 1, model.best_iteration, rounds.values[model.best_iteration])


def _importances(model: Any) -> dict[str, dict[str, float]]:
    kinds = AUTOLOGGING.option("importance_types") or ["weight"]
    return {kind: model.get_score(importance_type=kind) for kind in kinds}


def _wrap(xgboost: Any) -> None:
    _BOOSTING.wrap(xgboost, "XGBModel")


AUTOLOGGING = Autologging(
    "xgboost",
    (
        "importance_types",
        "log_input_examples",
        "log_model_signatures",
        "log_models",
        "log_datasets",
        "disable",
    ),
    {"xgboost": _wrap},
)
autolog = AUTOLOGGING.autolog
_BOOSTING = BoostingLogger(
    AUTOLOGGING,
    excluded=("dtrain", "evals", "obj", "feval", "evals_result", "xgb_model", "learning_rates"),
    callback=_callback,
    log_best=_log_best,
    importances=_importances,
    log_model=log_model,
)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.xgboost", name)
