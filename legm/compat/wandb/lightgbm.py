"""``wandb.lightgbm``: logs LightGBM's training by a callback."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.boosting import keep_boosting_model, log_importance_chart
from legm.compat.wandb.current_run import required_run
from legm.integrations.boosting_rounds import EvaluatedMetric, LightGBMRounds, metrics_by_name

__all__ = ["log_summary", "wandb_callback"]

_LOWER_IS_BETTER = (
    "loss",
    "error",
    "l1",
    "l2",
    "rmse",
    "mape",
    "quantile",
    "huber",
    "fair",
    "entropy",
    "perplexity",
)
_HIGHER_IS_BETTER = ("auc", "ndcg", "map", "mean_average_precision", "average_precision")


def _lightgbm_metric_goal(metric: str) -> str | None:
    """The better direction of a metric with this name, "min" or "max"; None if unknown."""
    name = metric.partition("@")[0]
    if name in _HIGHER_IS_BETTER:
        return "max"
    return "min" if any(word in name for word in _LOWER_IS_BETTER) else None


class _WandbLightgbmRounds(LightGBMRounds):
    """Logs the values of each round.

    Args:
        log_params: whether the parameters are added to the config.
        define_metric: whether the summary has the best values instead of the last ones.
    """

    def __init__(self, *, log_params: bool, define_metric: bool) -> None:
        self._log_params = log_params
        self._define_metric = define_metric

    def begin_training(self, evaluated: list[EvaluatedMetric], env: Any) -> None:
        """Log the parameters, and say which values are the better ones."""
        run = required_run("lightgbm.wandb_callback")
        if self._log_params:
            run.config.update(env.params)
        for one in evaluated if self._define_metric else ():
            if (better := _lightgbm_metric_goal(one.metric)) is not None:
                mean = "" if one.deviation is None else "-mean"
                run.define_metric(f"{one.data}_{one.metric}{mean}", summary=better)

    def take_round(self, evaluated: list[EvaluatedMetric], env: Any) -> None:
        """Log the values of a round, and its number."""
        run = required_run("lightgbm.wandb_callback")
        run.log({**metrics_by_name(evaluated, "_"), "iteration": env.iteration})


def wandb_callback(log_params: bool = True, define_metric: bool = True) -> Callable[[Any], None]:
    """A callback that logs the values of each round.

    Args:
        log_params: whether to add the parameters to the config.
        define_metric: whether the summary has the best values instead of the last ones.
    """
    return _WandbLightgbmRounds(log_params=log_params, define_metric=define_metric)


def log_summary(model: Any, feature_importance: bool = True, save_model_checkpoint: bool = False) -> None:
    """Log the best iteration, the feature importances and, if asked for, the model."""
    run = required_run("lightgbm.log_summary")
    run.summary["best_iteration"] = model.best_iteration
    run.summary["best_score"] = {k: dict(v) for k, v in model.best_score.items()}
    if feature_importance:
        rows = zip(model.feature_name(), model.feature_importance().tolist(), strict=True)
        log_importance_chart(run, rows, commit=False)
    if save_model_checkpoint:
        best = model.best_iteration
        save = partial(model.save_model, num_iteration=best)
        keep_boosting_model(run, save, f"model_ckpt_{best}.txt", f"model_{run.id}", ["best"])


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.integration.lightgbm", name)
