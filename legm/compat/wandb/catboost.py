"""``wandb.integration.catboost``: logs CatBoost's metrics, parameters and best iteration."""

from __future__ import annotations

from typing import Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.boosting import keep_boosting_model, log_importance_chart
from legm.compat.wandb.current_run import required_run
from legm.integrations.boosting_rounds import CatBoostRounds, EvaluatedMetric, metrics_by_name

__all__ = ["WandbCallback", "log_summary"]


class WandbCallback(CatBoostRounds):
    """A callback that logs the metrics of each iteration that has new ones.

    Args:
        metric_period: CatBoost's argument of the same name, which is part of the iteration's name.
    """

    def __init__(self, metric_period: int = 1) -> None:
        required_run("WandbCallback")
        self.metric_period = metric_period

    def take_round(self, evaluated: list[EvaluatedMetric], info: Any) -> None:
        """Log the newest value of every metric."""
        counted = {f"iteration@metric-period-{self.metric_period}": info.iteration}
        required_run("log").log({**metrics_by_name(evaluated), **counted})


def log_summary(
    model: Any,
    log_all_params: bool = True,
    save_model_checkpoint: bool = False,
    log_feature_importance: bool = True,
) -> None:
    """Log what is known of a CatBoost model after its training.

    Args:
        model: a CatBoostClassifier or CatBoostRegressor.
        log_all_params: whether its parameters become the run's.
        save_model_checkpoint: whether the model becomes an artifact, in CatBoost's own format.
        log_feature_importance: whether the importances are logged as a chart.
    """
    run = required_run("log_summary")
    parameters = model.get_all_params()
    if log_all_params:
        run.config.update(parameters)
    run.summary["best_iteration"] = model.get_best_iteration()
    run.summary["best_score"] = model.get_best_score()
    if save_model_checkpoint:
        aliases = ["best" if parameters["use_best_model"] else "last"]
        keep_boosting_model(run, model.save_model, "model", f"model_{run.id}", aliases)
    if log_feature_importance:
        found = model.get_feature_importance(prettified=True)
        rows = zip(found["Feature Id"], found["Importances"], strict=True)
        log_importance_chart(run, rows, commit=False)


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.integration.catboost", name)
