"""The runs of Ray Tune's trials: each begins and ends with its trial, in the program that tunes."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from legm.errors import LegmError, ParameterError
from legm.integrations.ray_schedulers import RaySchedulerDecisions, calling_ray_experiment
from legm.integrations.ray_trials import failure_of_trial, ray_result_metrics, ray_trial_parameters
from legm.integrations.training_run import TrainingRun, split_training_metrics

__all__ = ["RayTrialRecorder"]

log = logging.getLogger(__name__)


class RayTrialRecorder:
    """A callback of Ray Tune that records each trial as a run, in the program that tunes.

    The trial's configuration is the parameters; what it reports are dev metrics at its ``training_iteration``
    (names with ``test_`` or ``test/`` in front are test metrics). A trial that its scheduler stops early is a
    pruned run, as is one that a criterion for the whole experiment stops, such as a budget of time; one that
    an error ends is a failed run. A restored trial continues its run, without the values
    after its checkpoint. Where a scheduler changes a trial's parameters, another run begins. An error of legm
    ends no trial: it is logged, and raised with the option ``strict=True``.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`; no handler,
            since each trial has its own.

    Raises:
        ParameterError: there is no root directory or experiment.
    """

    def __init__(self, root: str | os.PathLike[str], experiment: str | None = None, **options: Any) -> None:
        if not isinstance(root, (str, os.PathLike)):
            raise ParameterError(
                "LegmLoggerCallback takes a root directory: each trial gets a handler of its own"
            )
        TrainingRun(root, experiment, **options)  # what is wrong is said before the trials begin
        self._arguments, self._options = (os.path.abspath(root), experiment), options  # noqa: PTH100
        self._run_ids: dict[str, str | None] = {}
        self._forget()

    def _forget(self) -> None:
        self._runs: dict[str, TrainingRun] = {}
        self._tags: dict[str, str | None] = {}
        self._restarted: set[str] = set()
        self._stopped: dict[str, str] = {}
        self._decisions = RaySchedulerDecisions()

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in ("_arguments", "_options", "_run_ids")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def get_state(self) -> dict[str, Any]:
        """What Ray keeps with the experiment: the runs by trial."""
        return {"run ids": dict(self._run_ids)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over the runs of an experiment that is restored."""
        self._run_ids = dict(state["run ids"])

    def setup(self, *_: Any, **__: Any) -> None:
        """Find the scheduler of the experiment that begins."""
        self._decisions = calling_ray_experiment()

    def log_trial_start(self, trial: Any) -> None:
        """Begin a run, or continue it when the trial continues."""
        known, key = self._runs.get(trial.trial_id), trial.trial_id
        self._restarted.add(key)
        if known is not None and known.is_open:
            if self._tags[key] == trial.experiment_tag:
                return
            known.end("pruned", "the scheduler changed the trial's parameters")
            del self._run_ids[key]
        try:
            run = TrainingRun(*self._arguments, **self._options)
            run.begin(ray_trial_parameters(trial), resume=self._run_ids.get(key))
        except LegmError as error:
            if self._options.get("strict"):
                raise
            log.error("trial %s of Ray is not recorded: %s", key, error)  # noqa: TRY400
            return
        self._runs[key], self._tags[key] = run, trial.experiment_tag
        self._run_ids[key] = run.handler.run_id

    def log_trial_result(self, iteration: int, trial: Any, result: Mapping[str, Any]) -> None:
        """Set what a trial reported.

        Args:
            iteration: of the experiment.
            trial: the trial.
            result: what it reported, with what Ray adds.
        """
        run, step = self._runs.get(trial.trial_id), int(result["training_iteration"])
        self._stopped[trial.trial_id] = self._decisions.reason_at_result(trial, result)
        if run is None:
            return
        if trial.trial_id in self._restarted:
            self._restarted.discard(trial.trial_id)
            if (last := run.handler.last_step) is not None and last >= step:
                run.call(run.handler.rewind, step - 1)
        dev, test = split_training_metrics(ray_result_metrics(result))
        run.log_metrics(dev, step)
        if test:
            run.log_metrics(test, test=True)

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """End a trial's run.

        Args:
            trial: the trial.
            failed: whether an error ended it.
        """
        run, stopped = self._runs.pop(trial.trial_id, None), self._stopped.pop(trial.trial_id, "")
        if run is None:
            return
        if failed:
            run.end("failed", failure_of_trial(trial))
        elif stopped := stopped or self._decisions.reason_at_end(trial):
            run.end("pruned", stopped)
        else:
            run.end("completed")

    def on_experiment_end(self, *_: Any, **__: Any) -> None:
        """End the runs of trials that did not end: pruned where the user's criterion stopped all of them."""
        status = "pruned" if self._runs and self._decisions.is_experiment_stopped() else "interrupted"
        for run in self._runs.values():
            run.end(status, "the experiment of Ray ended before the trial")
        self._forget()
