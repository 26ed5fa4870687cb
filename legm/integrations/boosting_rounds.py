"""What gradient boosting evaluates in a round, as the callbacks of LightGBM, XGBoost and CatBoost get it.

The callbacks of legm's own and those that stand for W&B's and MLflow's are made of the classes here: each
names the metrics in its own way, and decides what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "CatBoostRounds",
    "EvaluatedMetric",
    "LightGBMRounds",
    "XGBoostRounds",
    "best_lightgbm_round",
    "best_xgboost_round",
    "metrics_by_name",
]


@dataclass(frozen=True, slots=True)
class EvaluatedMetric:
    """The newest value of a metric on one set of data.

    Args:
        data: the name of the set.
        metric: the name of the metric.
        value: of several folds the mean.
        deviation: of several folds; None without folds.
        is_new: whether it was computed in this round; CatBoost computes some metrics every few rounds.
    """

    data: str
    metric: str
    value: float
    deviation: float | None = None
    is_new: bool = True


def metrics_by_name(
    evaluated: Iterable[EvaluatedMetric], separator: str = "-", deviation: str = "stdv"
) -> dict[str, float]:
    """The values by the names that a tracker gives them: ``valid_0-auc``, and of folds ``valid-auc-mean``.

    Args:
        evaluated: in a round.
        separator: between the set and the metric.
        deviation: what follows the name of a deviation between folds.
    """
    found = {}
    for one in evaluated:
        name = f"{one.data}{separator}{one.metric}"
        if one.deviation is None:
            found[name] = one.value
        else:
            found[f"{name}-mean"], found[f"{name}-{deviation}"] = one.value, one.deviation
    return found


class LightGBMRounds:
    """A callback of LightGBM, but for what it does with a round."""

    before_iteration = False
    order = 25  # after LightGBM records a round, and before it may stop

    def __call__(self, env: Any) -> None:
        """Take a round, after the first one has begun the training."""
        evaluated = []
        for data, metric, value, *more in map(tuple, env.evaluation_result_list or ()):
            if data == "cv_agg" and " " in metric:  # before LightGBM 4.6
                data, _, metric = metric.partition(" ")  # noqa: PLW2901
            evaluated.append(EvaluatedMetric(data, metric, value, more[1] if len(more) > 1 else None))
        if env.iteration == env.begin_iteration:
            self.begin_training(evaluated, env)
        self.take_round(evaluated, env)

    def begin_training(self, evaluated: list[EvaluatedMetric], env: Any) -> None:
        """Do what is due before the first round is taken.

        Args:
            evaluated: every metric.
            env: what LightGBM passes to callbacks.
        """

    def take_round(self, evaluated: list[EvaluatedMetric], env: Any) -> None:
        """Take what was evaluated in a round.

        Args:
            evaluated: every metric.
            env: what LightGBM passes to callbacks.
        """
        raise NotImplementedError


class XGBoostRounds:
    """A callback of XGBoost, but for its base class and for what it does with a round."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
        """Take a round, and let the training continue."""
        evaluated = []
        for data, series in evals_log.items():
            for metric, values in series.items():
                is_of_folds = type(values[-1]) is tuple
                value, deviation = values[-1] if is_of_folds else (values[-1], None)
                evaluated.append(EvaluatedMetric(data, metric, value, deviation))
        self.take_round(evaluated, model, epoch)
        return False

    def take_round(self, evaluated: list[EvaluatedMetric], model: Any, epoch: int) -> None:
        """Take what was evaluated in a round.

        Args:
            evaluated: every metric.
            model: that is trained.
            epoch: the number of the round in this training.
        """
        raise NotImplementedError


class CatBoostRounds:
    """A callback of CatBoost, but for what it does with a round."""

    _lengths: Mapping[tuple[str, str], int] = {}

    def after_iteration(self, info: Any) -> bool:
        """Take a round in which something was evaluated; the training continues."""
        self.begin_round(info)
        series = {
            (data, metric): values
            for data, metrics in info.metrics.items()
            for metric, values in metrics.items()
        }
        evaluated = [
            EvaluatedMetric(*name, values[-1], is_new=len(values) != self._lengths.get(name, 0))
            for name, values in series.items()
        ]
        self._lengths = {name: len(values) for name, values in series.items()}
        if any(one.is_new for one in evaluated):
            self.take_round(evaluated, info)
        return True

    def begin_round(self, info: Any) -> None:
        """Do what is due before any round.

        Args:
            info: what CatBoost passes to callbacks.
        """

    def begin_training(self) -> None:
        """Count the values of another training."""
        self._lengths = {}

    def take_round(self, evaluated: list[EvaluatedMetric], info: Any) -> None:
        """Take what was evaluated in a round.

        Args:
            evaluated: every metric with its newest value.
            info: what CatBoost passes to callbacks.
        """
        raise NotImplementedError


def best_lightgbm_round(model: Any) -> int | None:
    """The best round of a booster of LightGBM, the first is 0; None where early stopping chose none."""
    return model.best_iteration - 1 if model.best_iteration > 0 else None


def best_xgboost_round(model: Any) -> int | None:
    """The best round of a booster of XGBoost, the first is 0; None where early stopping chose none."""
    best = model.attr("best_iteration")
    return None if best is None else int(best)
