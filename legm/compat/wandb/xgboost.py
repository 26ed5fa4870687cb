"""``wandb.xgboost``: logs XGBoost's training by a callback."""

from __future__ import annotations

import json
from typing import Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.boosting import keep_boosting_model, log_importance_chart
from legm.compat.wandb.current_run import required_run
from legm.integrations.boosting_rounds import EvaluatedMetric, XGBoostRounds, best_xgboost_round
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes

__all__ = ["WandbCallback", "wandb_callback"]  # noqa: F822 - made on first use

_LOWER_IS_BETTER = ("rmse", "rmsle", "mae", "mape", "mphe", "logloss", "error", "merror", "mlogloss")
_HIGHER_IS_BETTER = ("auc", "aucpr", "ndcg", "map", "pre")


class WandbXgboostCallbackMethods(XGBoostRounds):
    """Logs the booster's configuration, the values of each iteration and the feature importances.

    Args:
        log_model: whether to store the model.
        log_feature_importance: whether to log the importances.
        importance_type: gain, weight, cover, total_gain or total_cover.
        define_metric: whether the summary has the best values instead of the last ones.
    """

    def __init__(
        self,
        log_model: bool = False,
        log_feature_importance: bool = True,
        importance_type: str = "gain",
        define_metric: bool = True,
    ) -> None:
        super().__init__()
        required_run("xgboost.WandbCallback")
        self.log_model = log_model
        self.log_feature_importance = log_feature_importance
        self.importance_type = importance_type
        self.define_metric = define_metric

    def before_training(self, model: Any) -> Any:
        """Log the configuration."""
        required_run("config").config.update(json.loads(model.save_config()))
        return model

    def take_round(self, evaluated: list[EvaluatedMetric], model: Any, epoch: int) -> None:
        """Log the values of a round, and its number."""
        run = required_run("log")
        row: dict[str, Any] = {}
        for one in evaluated:
            name, kind = f"{one.data}-{one.metric}", one.metric.partition("@")[0]
            if self.define_metric and kind in _LOWER_IS_BETTER + _HIGHER_IS_BETTER:
                run.define_metric(name, summary="min" if kind in _LOWER_IS_BETTER else "max")
            row[name] = one.value if one.deviation is None else [one.value, one.deviation]
        run.log({**row, "epoch": epoch})
        self.define_metric = False

    def after_training(self, model: Any) -> Any:
        """Log the importances, the best score, and the model if asked for."""
        run = required_run("log")
        if self.log_model:
            name = f"{run.id}_model.json"
            keep_boosting_model(run, model.save_model, name, name)
        if self.log_feature_importance:
            rows = model.get_score(importance_type=self.importance_type).items()
            log_importance_chart(run, rows)
        best = best_xgboost_round(model)
        if best is not None:
            run.log({"best_score": float(model.attr("best_score")), "best_iteration": best})
        return model


def _wandb_xgboost_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("xgboost.callback", "xgboost", name).TrainingCallback,)


_made_class = lazy_classes(__name__, {"WandbCallback": WandbXgboostCallbackMethods}, _wandb_xgboost_bases)


def wandb_callback() -> Any:
    """The callback, by its older name."""
    return _made_class("WandbCallback")()


def __getattr__(name: str) -> Any:
    if name == "WandbCallback":
        return _made_class(name)
    return unknown_attribute("wandb.integration.xgboost", name)
