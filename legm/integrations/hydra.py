"""Hydra: ``LegmCallback`` in ``hydra.callbacks``, or ``with legm_job(cfg, "results", "digits")`` in a job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from legm.errors import StateError
from legm.integrations.calling_frames import find_in_calling_frames
from legm.integrations.hydra_configuration import hydra_job_parameters
from legm.integrations.hydra_jobs import HydraJobRecorder, unbegun_hydra_run
from legm.integrations.lazy_classes import import_library_lazily, lazy_classes

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmCallback", "job_handler", "legm_job"]


@contextmanager
def legm_job(
    cfg: Any, root: str | os.PathLike[str] | ExperimentHandler, experiment: str | None = None, **options: Any
) -> Iterator[ExperimentHandler]:
    """Record a job, or a part of it, as a run with the parameters of its configuration.

    Leaving the block by an exception makes the run failed, normally completed.

    Args:
        cfg: the configuration that the job got; outside of Hydra, a composed one.
        root: the root directory, or a handler. A relative one is in the folder where Hydra was launched, the
            same for all jobs of a multirun.
        experiment: the experiment's name; by default the name of Hydra's job.
        **options: of :class:`~legm.integrations.training_run.TrainingRun`.

    Yields:
        the handler of the run, which has been started.

    Raises:
        LegmError: as for :meth:`~legm.integrations.training_run.TrainingRun.begin`.
    """
    run = unbegun_hydra_run(root, experiment, options)
    handler = run.begin(hydra_job_parameters(cfg))
    try:
        yield handler
    except BaseException as error:
        run.fail(error)
        raise
    run.end("completed")


def job_handler() -> ExperimentHandler:
    """The handler of the run that ``LegmCallback`` began for this job, called in the job's own thread.

    Returns:
        the handler.

    Raises:
        StateError: this is no job with a ``LegmCallback``, or its run could not begin.
    """
    callback = find_in_calling_frames(_hydra_callback_among)
    if callback is None:
        raise StateError(
            "job_handler() finds no LegmCallback: add it to hydra.callbacks of the configuration, and call "
            "job_handler() in the function of @hydra.main, in its own thread"
        )
    return callback.handler


def _hydra_callback_among(variables: Mapping[str, Any]) -> HydraJobRecorder | None:
    """The callback among those with which a caller of Hydra's runs the job."""
    known = getattr(variables.get("callbacks"), "callbacks", ())
    return next((one for one in known if isinstance(one, HydraJobRecorder)), None)


def _hydra_bases(name: str) -> tuple[type, ...]:
    return (import_library_lazily("hydra.experimental.callback", "hydra-core", name).Callback,)


if TYPE_CHECKING:
    LegmCallback = HydraJobRecorder
else:
    __getattr__ = lazy_classes(__name__, {"LegmCallback": HydraJobRecorder}, _hydra_bases)
