"""A callback for LightGBM: ``lgb.train(…, callbacks=[LegmCallback("results", "adult")])``."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from legm.integrations.boosting_rounds import (
    EvaluatedMetric,
    LightGBMRounds,
    best_lightgbm_round,
    metrics_by_name,
)
from legm.integrations.calling_frames import find_in_calling_frames
from legm.integrations.lightgbm_configuration import lightgbm_booster_parameters
from legm.integrations.training_run import TrainingContext

__all__ = ["LegmCallback"]


class LegmCallback(LightGBMRounds, TrainingContext):
    """A callback that records trainings with LightGBM as runs of legm; a step is a boosting round.

    It is for ``lgb.train``, ``lgb.cv``, and ``fit(callbacks=…)`` of ``LGBMClassifier`` and its like. The
    booster's configuration becomes the parameters, under LightGBM's own names; what equals its default is
    inactive. Metrics are called ``valid_0-auc``. The best step is that of early stopping. Each training is a
    run, which is completed when the training returns.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    _last_round = -1

    def take_round(self, evaluated: list[EvaluatedMetric], env: Any) -> None:
        """Set the metrics of a round."""
        self._last_round = env.iteration
        if evaluated:
            self._run.log_metrics(metrics_by_name(evaluated), env.iteration)

    def begin_training(self, evaluated: list[EvaluatedMetric], env: Any) -> None:
        """Begin a run."""
        arguments = find_in_calling_frames(_lightgbm_arguments) or {}
        booster = getattr(env.model, "boosters", [env.model])[0]
        self._run.begin(lightgbm_booster_parameters(booster, env, arguments))
        if arguments:  # LightGBM calls no callback at the end, which is when its own variables are gone
            model, rounds = env.model, env.end_iteration
            training = weakref.finalize(
                arguments["callbacks_set"], self._end, model, env.begin_iteration, rounds
            )
            training.atexit = False

    def _end(self, model: Any, first: int, rounds: int) -> None:
        """Set the best step, and complete the run; one that ended early without early stopping has failed."""
        best = best_lightgbm_round(model)
        stopped_early = best is not None and best >= first
        if best is not None and stopped_early:
            self._run.set_best_step(best)
        if stopped_early or self._last_round == rounds - 1:
            self._run.complete()
        else:
            self._run.end("failed", f"the training ended after {self._last_round + 1} of {rounds} rounds")


def _lightgbm_arguments(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return values if "num_boost_round" in values and "callbacks_set" in values else None
