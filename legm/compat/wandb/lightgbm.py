"""``wandb.lightgbm``: logs LightGBM's training by a callback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.wandb import plot
from legm.compat.wandb.artifacts import Artifact
from legm.compat.wandb.current_run import CURRENT_RUN
from legm.compat.wandb.errors import Error
from legm.compat.wandb.media import Table
from legm.compat.wandb.wandb_run import Run

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


def _run() -> Run:
    if CURRENT_RUN.run is None:
        raise Error("you must call wandb.init() before LightGBM's callback")
    return CURRENT_RUN.run


def _lightgbm_metric_goal(metric: str) -> str | None:
    """The better direction of a metric with this name, "min" or "max"; None if unknown."""
    name = metric.partition("@")[0]
    if name in _HIGHER_IS_BETTER:
        return "max"
    return "min" if any(word in name for word in _LOWER_IS_BETTER) else None


def wandb_callback(log_params: bool = True, define_metric: bool = True) -> Callable[[Any], None]:
    """A callback that logs the values of each iteration.

    Args:
        log_params: whether to add the parameters to the config.
        define_metric: whether the summary has the best values instead of the last ones.
    """
    begun = False

    def callback(env: Any) -> None:
        nonlocal begun
        run = _run()
        values = {}
        for item in env.evaluation_result_list:
            if len(item) == 4:
                values[f"{item[0]}_{item[1]}"] = item[2], _lightgbm_metric_goal(item[1])
            else:  # cross-validation: mean and deviation
                data, metric = item[1].split(" ")
                values[f"{data}_{metric}-mean"] = item[2], _lightgbm_metric_goal(metric)
                values[f"{data}_{metric}-stdv"] = item[4], None
        if not begun:
            begun = True
            if log_params:
                run.config.update(env.params)
            for name, (_, better) in values.items():
                if define_metric and better is not None:
                    run.define_metric(name, summary=better)
        run.log({name: value for name, (value, _) in values.items()}, commit=False)
        run.log({"iteration": env.iteration}, commit=True)

    callback.order = 20  # type: ignore[attr-defined]  # after LightGBM's own
    return callback


def log_summary(model: Any, feature_importance: bool = True, save_model_checkpoint: bool = False) -> None:
    """Log the best iteration, the feature importances and, if asked for, the model."""
    run = _run()
    run.summary["best_iteration"] = model.best_iteration
    run.summary["best_score"] = {k: dict(v) for k, v in model.best_score.items()}
    if feature_importance:
        rows = [
            list(row) for row in zip(model.feature_name(), model.feature_importance().tolist(), strict=True)
        ]
        table = Table(["Feature", "Importance"], rows)
        run.log({"Feature Importance": plot.bar(table, "Feature", "Importance")}, commit=False)
    if save_model_checkpoint:
        path = Path(run.dir, f"model_ckpt_{model.best_iteration}.txt")
        model.save_model(str(path), num_iteration=model.best_iteration)
        artifact = Artifact(f"model_{run.id}", "model")
        artifact.add_file(path)
        run.log_artifact(artifact, aliases=["best"])
