"""``wandb.xgboost``: logs XGBoost's training by a callback."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from legm.compat.wandb import plot
from legm.compat.wandb.artifacts import Artifact
from legm.compat.wandb.current_run import CURRENT_RUN
from legm.compat.wandb.errors import Error
from legm.compat.wandb.media import Table
from legm.compat.wandb.wandb_run import Run

__all__ = ["WandbCallback", "wandb_callback"]

_Base: Any = object  # so that this module can be imported without XGBoost
with contextlib.suppress(ImportError):
    from xgboost.callback import TrainingCallback as _Base

_LOWER_IS_BETTER = ("rmse", "rmsle", "mae", "mape", "mphe", "logloss", "error", "merror", "mlogloss")
_HIGHER_IS_BETTER = ("auc", "aucpr", "ndcg", "map", "pre")


def _run() -> Run:
    if CURRENT_RUN.run is None:
        raise Error("you must call wandb.init() before XGBoost's callback")
    return CURRENT_RUN.run


class WandbCallback(_Base):  # type: ignore[misc]
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
        _run()
        self.log_model = log_model
        self.log_feature_importance = log_feature_importance
        self.importance_type = importance_type
        self.define_metric = define_metric

    def before_training(self, model: Any) -> Any:
        """Log the configuration."""
        _run().config.update(json.loads(model.save_config()))
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the values of the iteration."""
        run = _run()
        for data, metrics in evals_log.items():
            for metric, values in metrics.items():
                name = f"{data}-{metric}"
                if self.define_metric and metric.partition("@")[0] in _LOWER_IS_BETTER + _HIGHER_IS_BETTER:
                    run.define_metric(
                        name, summary="min" if metric.partition("@")[0] in _LOWER_IS_BETTER else "max"
                    )
                run.log({name: values[-1]}, commit=False)
        run.log({"epoch": epoch})
        self.define_metric = False
        return False

    def after_training(self, model: Any) -> Any:
        """Log the importances, the best score, and the model if asked for."""
        run = _run()
        if self.log_model:
            path = Path(run.dir, f"{run.id}_model.json")
            model.save_model(str(path))
            artifact = Artifact(path.name, "model")
            artifact.add_file(path)
            run.log_artifact(artifact)
        if self.log_feature_importance:
            rows = [[k, v] for k, v in model.get_score(importance_type=self.importance_type).items()]
            table = Table(["Feature", "Importance"], rows)
            run.log({"Feature Importance": plot.bar(table, "Feature", "Importance")})
        if model.attr("best_score") is not None:
            best = {
                "best_score": float(model.attr("best_score")),
                "best_iteration": int(model.attr("best_iteration")),
            }
            run.log(best)
        return model


def wandb_callback() -> WandbCallback:
    """The callback, by its older name."""
    return WandbCallback()
