"""``mlflow.lightgbm``: models in LightGBM's own format, and autologging of its training."""

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

_FILE = "model.txt"


def _write(model: Any, folder: Path) -> None:
    getattr(model, "booster_", model).save_model(str(folder / _FILE))


_FLAVOR = Flavor("lightgbm", "lgb_model", _write)
log_model = _FLAVOR.log_model
save_model = _FLAVOR.save_model


def load_model(model_uri: Any, dst_path: str | None = None, **_: Any) -> Any:
    """Load a booster that was logged."""
    from lightgbm import Booster

    return Booster(model_file=str(Path(download_artifacts(str(model_uri), dst_path=dst_path), _FILE)))


def _callback(rounds: BoostingRounds) -> Any:
    def callback(env: Any) -> None:
        values = {f"{data}-{metric}": value for data, metric, value, *_ in env.evaluation_result_list}
        rounds.log_round(values, env.iteration)

    return callback


def _log_best(model: Any, arguments: Mapping[str, Any], rounds: BoostingRounds) -> None:
    del arguments  # early stopping is a callback or a parameter with many names
    if model.best_iteration > 0:  # counted from 1
        rounds.log_best(len(rounds.values), model.best_iteration, rounds.values[model.best_iteration - 1])


def _importances(model: Any) -> dict[str, dict[str, float]]:
    names = model.feature_name()
    return {
        kind: dict(zip(names, model.feature_importance(importance_type=kind).tolist(), strict=True))
        for kind in ("split", "gain")
    }


def _wrap(lightgbm: Any) -> None:
    _BOOSTING.wrap(lightgbm, "LGBMModel")


AUTOLOGGING = Autologging(
    "lightgbm",
    ("log_input_examples", "log_model_signatures", "log_models", "log_datasets", "disable", "exclusive"),
    {"lightgbm": _wrap},
)
autolog = AUTOLOGGING.autolog
_BOOSTING = BoostingLogger(
    AUTOLOGGING,
    excluded=("train_set", "valid_sets", "valid_names", "fobj", "feval", "init_model", "learning_rates"),
    callback=_callback,
    log_best=_log_best,
    importances=_importances,
    log_model=log_model,
)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.lightgbm", name)
