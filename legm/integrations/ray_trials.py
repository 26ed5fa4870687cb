"""What legm takes from the trials of Ray Tune and the workers of Ray Train."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from legm.integrations.lazy_classes import import_library_lazily
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters

__all__ = [
    "RayWorker",
    "failure_of_trial",
    "ray_result_metrics",
    "ray_trial_parameters",
    "this_ray_worker",
]

_TRIAL, _EXPERIMENT = "ray_trial", "ray_experiment"  # parameters that are not compared
_OWN_RESULTS = frozenset({
    "config", "date", "done", "episodes_this_iter", "episodes_total", "experiment_id", "experiment_tag",
    "checkpoint_dir_name", "hist_stats", "hostname", "iterations_since_restore", "node_ip", "pid",
    "should_checkpoint", "time_since_restore", "time_this_iter_s", "time_total_s", "timestamp",
    "timesteps_since_restore", "timesteps_this_iter", "timesteps_total", "training_iteration", "trial_id",
    "trial_log_path",
})  # fmt: skip
"""What Ray adds to each result that a trial reports."""


def ray_trial_parameters(trial: Any) -> TrainerParameters:
    """The configuration of a trial; what was chosen for it is in the configuration's name.

    The trial's id and its experiment's name are not compared.

    Args:
        trial: of Ray Tune.
    """
    own = {_TRIAL: trial.trial_id, _EXPERIMENT: trial.experiment_dir_name}
    chosen = [name.replace("/", ".") for name in trial.evaluated_params]
    values = {**flat_parameters(trial.config), **own}
    return TrainerParameters(values, uncompared=own, names={name: {"name": True} for name in chosen})


def ray_result_metrics(result: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that a trial reported, nested ones with names such as ``eval/loss``, without Ray's own."""
    flatten = import_library_lazily("ray.tune.utils", "ray[tune]", "LegmLoggerCallback").flatten_dict
    given = {name: value for name, value in result.items() if name not in _OWN_RESULTS}
    flat = {str(name): value for name, value in flatten(given, delimiter="/").items()}
    return {name: value for name, value in flat.items() if _is_ray_number(value)}


def _is_ray_number(value: Any) -> bool:
    if isinstance(value, (Real, bool)):
        return not isinstance(value, bool)
    return getattr(value, "size", None) == 1 or getattr(value, "ndim", None) == 0


def failure_of_trial(trial: Any) -> str:
    """The error that ended a trial: its last line in the file that Ray wrote."""
    try:
        lines = Path(trial.error_file).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, TypeError):
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "failed, as Ray says")


@dataclass(frozen=True, slots=True)
class RayWorker:
    """Where in Ray this process is.

    Args:
        rank: in Ray Train; None where it does not train.
        trial: the id of Ray Tune's trial; "" outside of one.
        is_restored: whether it begins from a checkpoint.
    """

    rank: int | None
    trial: str
    is_restored: bool

    @property
    def parameters(self) -> dict[str, Any]:
        """What is known of the trial, which is not compared."""
        return {_TRIAL: self.trial} if self.trial else {}


def this_ray_worker() -> RayWorker:
    """The worker of Ray Train or the trial of Ray Tune that calls; outside of both it has no rank."""
    train = import_library_lazily("ray.train", "ray[train]", "setup_legm")
    tune = import_library_lazily("ray.tune", "ray[tune]", "setup_legm")
    try:
        rank = int(train.get_context().get_world_rank())
        return RayWorker(rank, "", train.get_checkpoint() is not None)
    except (RuntimeError, AttributeError, TypeError, DeprecationWarning):  # it does not train
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a process that is neither
        trial = tune.get_context().get_trial_id()
    return RayWorker(None, trial or "", bool(trial) and tune.get_checkpoint() is not None)
