"""The runs of Hydra's jobs: each begins before its job, and ends after it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from legm.errors import LegmError, StateError
from legm.integrations.hydra_configuration import (
    hydra_callback,
    hydra_job_parameters,
    hydra_launch_path,
    hydra_returned_metrics,
    hydra_settings,
    task_configuration,
)
from legm.integrations.training_run import TrainingRun

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["HydraJobRecorder", "unbegun_hydra_run"]

log = logging.getLogger(__name__)


def unbegun_hydra_run(root: Any, experiment: str | None, options: Mapping[str, Any]) -> TrainingRun:
    """The run of a job, in the root directory as it is where Hydra was launched.

    Args:
        root: the root directory, or a handler.
        experiment: its name; None for the name of the job.
        options: of :class:`~legm.integrations.training_run.TrainingRun`.

    Raises:
        ParameterError: an option is invalid.
    """
    settings = hydra_settings()
    if not isinstance(root, (str, os.PathLike)):
        return TrainingRun(root, experiment, **options)
    if experiment is None and settings is not None:
        experiment = settings.job.name
    return TrainingRun(hydra_launch_path(root), experiment, **options)


class HydraJobRecorder:
    """A callback of Hydra that records each job as a run: ``hydra.callbacks.legm`` in the configuration.

    The run begins before the job, with the job's configuration as parameters, and ends after it: completed,
    or failed by an exception. :func:`~legm.integrations.hydra.job_handler` is its handler. The numbers that a
    job returns are the dev metric ``value`` (``value_0`` and so on, or the names of a mapping) where it set
    no metric itself.

    Args:
        root, experiment, **options: as for :func:`~legm.integrations.hydra.legm_job`; their interpolations
            are resolved for each job.
        metric_names: of what the job returns, which is then recorded in any case, at the last step.
    """

    def __init__(
        self,
        root: str,
        experiment: str | None = None,
        *,
        metric_names: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        from legm.core.config_objects import is_omegaconf_config, resolve_omegaconf_config

        self._root, self._experiment = hydra_launch_path(root), experiment
        self._names = [metric_names] if isinstance(metric_names, str) else metric_names
        self._options = {
            name: resolve_omegaconf_config(one, name) if is_omegaconf_config(one) else one
            for name, one in options.items()
        }
        TrainingRun(self._root, experiment or "job", **self._options)  # what is wrong is said at once
        self._run: TrainingRun | None = None
        self._problem: LegmError | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_run": None, "_problem": None}

    @property
    def handler(self) -> ExperimentHandler:
        """The handler of the job's run; a StateError says why there is none."""
        if self._run is None:
            raise StateError(f"there is no run of this job: {self._problem or 'it has not begun'}")
        return self._run.handler

    def unbegun_run(self) -> TrainingRun:
        """The run of a job that is about to begin."""
        return unbegun_hydra_run(self._root, self._experiment, self._options)

    def on_job_start(self, config: Any, **_: Any) -> None:
        """Begin the run; the arguments are those that the job's own configuration has."""
        self._run, self._problem = None, None
        try:
            run = (hydra_callback(config, type(self)) or self).unbegun_run()
            run.begin(hydra_job_parameters(task_configuration(config)))
            self._run = run
        except LegmError as error:
            self._problem = error
            log.error("a job of Hydra is not recorded: %s", error)  # noqa: TRY400

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        """Record what the job returned, and end its run, if the job has not ended it.

        Args:
            config: the whole configuration.
            job_return: what Hydra keeps of the job.
        """
        if self._run is None:
            return
        error = vars(job_return).get("_return_value")  # its property would print and raise it
        if isinstance(error, BaseException):
            self._run.fail(error)
            return
        handler = self._run.handler
        if handler.is_main_process and handler.run_id is None:
            return
        if self._names or handler.last_step is None:
            returned = hydra_returned_metrics(job_return.return_value, self._names)
            if returned:
                self._run.log_metrics(returned, handler.last_step or 0)
        self._run.end("completed")
