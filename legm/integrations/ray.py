"""Ray: ``tune.RunConfig(callbacks=[LegmLoggerCallback("results", "net")])``; ``setup_legm`` in workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from legm.errors import ParameterError
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes
from legm.integrations.ray_recorder import RayTrialRecorder
from legm.integrations.ray_trials import this_ray_worker
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters
from legm.integrations.training_run import TrainingRun

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmLoggerCallback", "setup_legm"]


def setup_legm(
    config: Any, root: str | os.PathLike[str], experiment: str | None = None, **options: Any
) -> ExperimentHandler:
    """Begin a run in a worker of Ray Train, in a trial of Ray Tune, or in a task.

    The handler is used in a ``with`` block, which ends the run. Of the workers that train one model together
    only that of rank 0 records. Where Ray restores a checkpoint, the newest run of this configuration that
    did not complete is resumed.

    Args:
        config: the hyperparameters.
        root: the root directory, an absolute one: each worker is in a folder of its own.
        experiment: the experiment's name.
        **options: of :class:`~legm.integrations.training_run.TrainingRun`.

    Returns:
        the handler, which has been started.

    Raises:
        ParameterError: the root directory is relative.
        LegmError: as for :meth:`~legm.integrations.training_run.TrainingRun.begin`.
    """
    if isinstance(root, (str, os.PathLike)) and not os.path.isabs(root):  # noqa: PTH117
        raise ParameterError(
            f"the root directory {os.fspath(root)!r} is relative, but each worker of Ray is in a folder of "
            "its own: pass an absolute one, such as os.path.abspath(…) of the program that begins the workers"
        )
    worker = this_ray_worker()
    parameters = TrainerParameters(
        {**flat_parameters(config), **worker.parameters}, uncompared=worker.parameters
    )
    run = TrainingRun(root, experiment, **options)
    is_main = None if worker.rank is None else worker.rank == 0
    return run.begin(parameters, resume=worker.is_restored or None, main_process=is_main)


def _ray_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("ray.tune.logger", "ray[tune]", name).LoggerCallback,)


if TYPE_CHECKING:
    LegmLoggerCallback = RayTrialRecorder
else:
    __getattr__ = lazy_classes(__name__, {"LegmLoggerCallback": RayTrialRecorder}, _ray_bases)
