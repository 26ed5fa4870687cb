"""``mlflow.xgboost``: models in XGBoost's own format, and autologging of its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from legm.compat.mlflow.autologging import Autologging
from legm.compat.mlflow.boosting import BoostingLogger, BoostingRounds
from legm.compat.mlflow.flavors import Flavor
from legm.compat.mlflow.logged_models import ModelDescription
from legm.compat.unknown_names import unknown_attribute
from legm.integrations.boosting_rounds import (
    EvaluatedMetric,
    XGBoostRounds,
    best_xgboost_round,
    metrics_by_name,
)

__all__ = ["AUTOLOGGING", "FLAVOR", "autolog", "load_model", "log_model", "save_model"]

_FILE = "model.ubj"


def _write_mlflow_xgboost(model: Any, folder: Path) -> None:
    (model.get_booster() if hasattr(model, "get_booster") else model).save_model(str(folder / _FILE))


def _read_mlflow_xgboost(folder: Path, description: ModelDescription, held: Any) -> Any:
    """The booster, or the estimator that was logged."""
    del held
    import xgboost

    module, _, name = description.kind.rpartition(".")
    kind = getattr(xgboost, name, None) if module == "xgboost.sklearn" else None
    is_estimator = isinstance(kind, type) and issubclass(kind, xgboost.XGBModel)
    model = kind() if is_estimator else xgboost.Booster()  # type: ignore[misc]
    model.load_model(str(folder / _FILE))
    return model


def _predict_mlflow_xgboost(model: Any, data: Any) -> Any:
    import xgboost

    return model.predict(xgboost.DMatrix(data) if isinstance(model, xgboost.Booster) else data)


FLAVOR = Flavor(
    "xgboost", "xgb_model", _write_mlflow_xgboost, _read_mlflow_xgboost, predict=_predict_mlflow_xgboost
)
log_model = FLAVOR.log_model
save_model = FLAVOR.save_model
load_model = FLAVOR.load_model


def _mlflow_xgboost_callback(rounds: BoostingRounds) -> Any:
    from xgboost.callback import TrainingCallback

    class LoggedRounds(XGBoostRounds, TrainingCallback):  # type: ignore[misc, unused-ignore]
        def take_round(self, evaluated: list[EvaluatedMetric], model: Any, epoch: int) -> None:
            rounds.log_round(metrics_by_name(evaluated), epoch)

    return LoggedRounds()


def _log_mlflow_xgboost_best(model: Any, arguments: Mapping[str, Any], rounds: BoostingRounds) -> None:
    best = best_xgboost_round(model)
    if arguments.get("early_stopping_rounds") and best is not None:
        rounds.log_best(len(rounds.values) - 1, best, rounds.values[best])


def _mlflow_xgboost_importances(model: Any) -> dict[str, dict[str, float]]:
    kinds = AUTOLOGGING.option("importance_types") or ["weight"]
    return {kind: model.get_score(importance_type=kind) for kind in kinds}


def _wrap_mlflow_xgboost(xgboost: Any) -> None:
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
    {"xgboost": _wrap_mlflow_xgboost},
)
autolog = AUTOLOGGING.autolog
_BOOSTING = BoostingLogger(
    AUTOLOGGING,
    excluded=("dtrain", "evals", "obj", "feval", "evals_result", "xgb_model", "learning_rates"),
    callback=_mlflow_xgboost_callback,
    log_best=_log_mlflow_xgboost_best,
    importances=_mlflow_xgboost_importances,
    log_model=log_model,
)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.xgboost", name)
