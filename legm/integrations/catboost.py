"""A callback for CatBoost: ``model.fit(…, callbacks=[LegmCallback("results", "adult")])``."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from legm.integrations.boosting_rounds import CatBoostRounds, EvaluatedMetric, metrics_by_name
from legm.integrations.calling_frames import find_in_calling_frames
from legm.integrations.lazy_classes import import_library_lazily, library_version
from legm.integrations.trainer_parameters import TrainerParameters
from legm.integrations.training_run import TrainingContext

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmCallback"]

_CONSTANT = (
    *("depth", "l2_leaf_reg", "random_strength", "rsm", "border_count", "min_data_in_leaf", "model_size_reg"),
    *("grow_policy", "nan_mode", "sampling_frequency", "leaf_estimation_backtracking", "feature_border_type"),
    *("best_model_min_trees", "model_shrink_mode", "posterior_sampling", "bayesian_matrix_reg"),
)
"""Parameters whose defaults depend neither on the data nor on other parameters, as those of the others do."""
_UNCOMPARED = (
    *(
        "random_seed",
        "verbose",
        "logging_level",
        "metric_period",
        "train_dir",
        "thread_count",
        "allow_writing_files",
    ),
    *("used_ram_limit", "gpu_ram_part", "devices", "custom_metric", "save_snapshot", "snapshot_file", "name"),
    *("snapshot_interval", "allow_const_label", "metadata"),
)
"""What says how to compute and report, and not what to train."""


class LegmCallback(CatBoostRounds, TrainingContext):
    """A callback that records trainings with CatBoost as runs of legm; a step is the number of an iteration.

    The parameters that the model was given become the run's, under CatBoost's own names; what equals its
    default is inactive. Metrics are called ``learn-Logloss``, ``validation-Logloss``. The best step is
    CatBoost's best iteration. Each ``fit`` is a run, which is completed when ``fit`` returns.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
    """

    def __init__(
        self, root: str | os.PathLike[str] | ExperimentHandler, experiment: str | None = None, **options: Any
    ) -> None:
        super().__init__(root, experiment, **options)
        self._usual = _catboost_defaults()
        self._training: weakref.finalize[Any, Any] | None = None
        self._last: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_training": None, "_last": None}

    def begin_round(self, info: Any) -> None:
        """Begin the run with the first iteration."""
        if self._training is None or not self._training.alive:
            self._begin()
        elif self._last is not None and info.iteration <= self._last.iteration:  # the last training failed
            self._training()
            self._begin()
        self._last = info

    def take_round(self, evaluated: list[EvaluatedMetric], info: Any) -> None:
        """Set the metrics that were computed in an iteration."""
        new = [one for one in evaluated if one.is_new]
        self._run.log_metrics(metrics_by_name(new), info.iteration - 1)

    def _begin(self) -> None:
        self.begin_training()
        model, arguments = find_in_calling_frames(_catboost_arguments) or (None, {})
        values = {name: value for name, value in arguments.items() if name != "callbacks"}
        self._run.begin(TrainerParameters(values, self._usual, library_version("catboost"), _UNCOMPARED))
        if model is not None:  # CatBoost calls none at the end, which is when it forgets its callbacks
            self._training = weakref.finalize(arguments["callbacks"], self._end, weakref.ref(model))
            self._training.atexit = False
            # Before legm completes what is open at the end of the process.
            getattr(threading, "_register_atexit", atexit.register)(self._training)

    def _end(self, trained: weakref.ref[Any]) -> None:
        """Set the best step, and complete the run; without the results of this training it has failed."""
        model, last = trained(), self._last
        if (
            last is not None
            and model is not None
            and model.is_fitted()
            and _has_catboost_metrics(model, last.metrics)
        ):
            best = model.get_best_iteration()
            if best is not None:
                self._run.set_best_step(best)
            self._run.complete()
        else:
            self._run.end("failed", f"the training ended in iteration {getattr(last, 'iteration', 0)}")
        self._last = None


def _has_catboost_metrics(model: Any, metrics: Mapping[str, Any]) -> bool:
    return all(
        series.get(name) == values
        for data, series in model.get_evals_result().items()
        for name, values in metrics.get(data, {}).items()
    )


def _catboost_arguments(values: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]] | None:
    model, arguments = values.get("self"), values.get("params")
    if isinstance(arguments, Mapping) and "callbacks" in arguments and hasattr(model, "get_best_iteration"):
        return model, arguments
    return None


def _catboost_defaults() -> dict[str, Any]:
    """CatBoost says what its defaults are once a model is trained: of two values, in some milliseconds."""
    catboost = import_library_lazily("catboost", "catboost", "LegmCallback")
    model = catboost.CatBoostRegressor(iterations=1, thread_count=1, verbose=False, allow_writing_files=False)
    usual = model.fit([[0.0], [1.0]], [0.0, 1.0]).get_all_params()
    return {"iterations": 1000, **{name: usual[name] for name in _CONSTANT if name in usual}}
