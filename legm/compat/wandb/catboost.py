"""``wandb.integration.catboost``: logs CatBoost's metrics, parameters and best iteration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.artifacts import Artifact
from legm.compat.wandb.current_run import required_run
from legm.compat.wandb.media import Table
from legm.compat.wandb.plot import bar

__all__ = ["WandbCallback", "log_summary"]


class WandbCallback:
    """A callback that logs the metrics of each iteration that has new ones.

    Args:
        metric_period: CatBoost's argument of the same name, which is part of the iteration's name.
    """

    def __init__(self, metric_period: int = 1) -> None:
        required_run("WandbCallback")
        self.metric_period = metric_period
        self._logged = 0

    def after_iteration(self, info: Any) -> bool:
        """Log the newest values, if there are any; always true, so that the training continues."""
        values = [
            (f"{data}-{metric}", numbers)
            for data, metrics in info.metrics.items()
            for metric, numbers in metrics.items()
        ]
        count = sum(len(numbers) for _, numbers in values)
        if count > self._logged:
            self._logged = count
            row = {name: numbers[-1] for name, numbers in values}
            required_run("log").log({**row, f"iteration@metric-period-{self.metric_period}": info.iteration})
        return True


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
        path = Path(run.dir, "model")
        model.save_model(path)
        artifact = Artifact(f"model_{run.id}", type="model")
        artifact.add_file(str(path))
        run.log_artifact(artifact, aliases=["best" if parameters["use_best_model"] else "last"])
    if log_feature_importance:
        found = model.get_feature_importance(prettified=True)
        rows = [list(row) for row in zip(found["Feature Id"], found["Importances"], strict=True)]
        table = Table(data=rows, columns=["Feature", "Importance"])
        chart = bar(table, "Feature", "Importance", title="Feature Importance")
        run.log({"Feature Importance": chart}, commit=False)


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.integration.catboost", name)
