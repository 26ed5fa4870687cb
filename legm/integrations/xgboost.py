"""A callback for XGBoost: ``xgb.train(…, callbacks=[LegmCallback("results", "adult")])``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from legm.integrations.boosting_rounds import (
    EvaluatedMetric,
    XGBoostRounds,
    best_xgboost_round,
    metrics_by_name,
)
from legm.integrations.calling_frames import find_in_calling_frames
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes
from legm.integrations.training_run import TrainingContext
from legm.integrations.xgboost_configuration import xgboost_booster_parameters

__all__ = ["LegmCallback"]


class XgboostCallbackMethods(XGBoostRounds, TrainingContext):
    """A callback that records trainings with XGBoost as runs of legm; a step is a boosting round.

    It is for ``xgb.train`` and ``xgb.cv``, and ``XGBClassifier(callbacks=…)`` and its like. The booster's
    configuration becomes the parameters, under XGBoost's own names; what equals its default is inactive. The
    metrics of the evaluation sets are called as XGBoost prints them: ``validation_0-logloss``. The best
    step is that of early stopping. Each training is a run.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    _first_round = 0

    def before_training(self, model: Any) -> Any:
        """Begin a run."""
        booster = _xgboost_booster(model)
        self._first_round = booster.num_boosted_rounds()
        collective = import_library_lazily("xgboost.collective", "xgboost", "LegmCallback")
        is_main = collective.get_rank() == 0 if collective.is_distributed() else None
        parameters = xgboost_booster_parameters(booster, find_in_calling_frames(_xgboost_arguments) or {})
        self._run.begin(parameters, main_process=is_main)
        return model

    def take_round(self, evaluated: list[EvaluatedMetric], model: Any, epoch: int) -> None:
        """Set the metrics of a round."""
        if evaluated:
            self._run.log_metrics(metrics_by_name(evaluated, deviation="std"), self._first_round + epoch)

    def after_training(self, model: Any) -> Any:
        """Set the best step, and complete the run; what is set afterwards belongs to it."""
        best = best_xgboost_round(model)
        if best is not None and best >= self._first_round:  # not of a training that this one continues
            self._run.set_best_step(best)
        self._run.complete()
        return model


def _xgboost_booster(model: Any) -> Any:
    """The model, of several folds the first one."""
    folds = getattr(model, "cvfolds", None)
    return folds[0].bst if folds else model


def _xgboost_arguments(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return values if "num_boost_round" in values and "callbacks" in values else None


def _xgboost_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("xgboost.callback", "xgboost", name).TrainingCallback,)


if TYPE_CHECKING:
    LegmCallback = XgboostCallbackMethods
else:
    __getattr__ = lazy_classes(__name__, {"LegmCallback": XgboostCallbackMethods}, _xgboost_bases)
