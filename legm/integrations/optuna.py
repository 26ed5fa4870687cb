"""Optuna: ``with legm_trial(trial, "results", "exp")``, or ``callbacks=[LegmCallback("results", "exp")]``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from legm.errors import LegmError, ParameterError
from legm.integrations.lazy_classes import import_library_lazily
from legm.integrations.optuna_trials import is_higher_trial_better, optuna_trial_parameters
from legm.integrations.training_run import TrainingRun

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["LegmCallback", "legm_trial"]

log = logging.getLogger(__name__)

_RUNS = "legm run ids"  # the user attribute of a trial with the ids of its runs


@contextmanager
def legm_trial(
    trial: Any,
    root: str | os.PathLike[str] | ExperimentHandler,
    experiment: str | None = None,
    *,
    metric: str | None = None,
    **options: Any,
) -> Iterator[ExperimentHandler]:
    """Record a trial, or one seed of it, as a run, from within the objective.

    What was suggested before becomes the parameters. Leaving the block by ``TrialPruned`` makes the run
    pruned, by another exception failed, normally completed. For several seeds there are as many blocks, each
    with a seed in ``params``. The trial's user attribute ``legm run ids`` lists the ids of its runs.

    Args:
        trial: the trial that the objective got.
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`.
        metric: the dev metric that the study optimizes: its best value in the study's direction chooses the
            best step, so that ``legm best`` ranks as the study does where the objective returns that value.

    Yields:
        the handler of the run, which has been started.

    Raises:
        ParameterError: a metric was given, but the study has several objectives.
        LegmError: as for :meth:`~legm.integrations.training_run.TrainingRun.begin`.
    """
    import_library_lazily("optuna", "optuna", "legm_trial")
    study = getattr(trial, "study", None)  # a trial that is repeated has none
    higher = None if metric is None else is_higher_trial_better(study, metric)
    run = TrainingRun(root, experiment, **options)
    known = {*trial.params}
    handler = run.begin(optuna_trial_parameters(trial, study))
    if handler.run_id is not None:
        trial.set_user_attr(_RUNS, [*trial.user_attrs.get(_RUNS, ()), handler.run_id])
    if metric is not None:
        run.call(handler.set_best, "early_stopping", metric=metric, higher_better=higher)
    try:
        yield handler
    except BaseException as error:
        run.fail(error)
        raise
    if late := sorted({*trial.params} - known):
        problem = f"suggested after the run began, which has no such parameter: {', '.join(late)}"
        log.error("a run is failed: %s. Call suggest_…() before legm_trial()", problem)
        run.end("failed", problem)
    run.end("completed")


class LegmCallback:
    """A callback of ``study.optimize`` that records each trial as a run when it has ended.

    The trial's parameters are the run's, what it reported is the dev metric ``intermediate_value`` at its
    steps, and what the objective returned is a dev metric, by which the best step is chosen in the study's
    direction: ``legm best`` ranks as the study does. A pruned trial is a pruned run, and one that failed by
    an exception in ``catch`` a failed one; an exception that ends the study reaches no callback. Trials that
    :func:`legm_trial` recorded are left out. An error of legm ends no study: it is logged, and raised with
    the option ``strict=True``.

    Args:
        root, experiment, **options: of :class:`~legm.integrations.training_run.TrainingRun`; no handler,
            since each trial has its own.
        metric_names: of what the objective returns; by default those of the study, else ``value``, or
            ``value_0`` and so on.

    Raises:
        ParameterError: there is no root directory or experiment.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        experiment: str | None = None,
        *,
        metric_names: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(root, (str, os.PathLike)):
            raise ParameterError("LegmCallback takes a root directory: each trial gets a handler of its own")
        TrainingRun(root, experiment, **options)  # what is wrong is said before the study begins
        self._arguments, self._options = (os.path.abspath(root), experiment), options  # noqa: PTH100
        self._names = [metric_names] if isinstance(metric_names, str) else metric_names

    def __call__(self, study: Any, trial: Any) -> None:
        """Record a trial that has ended.

        Args:
            study: the study.
            trial: the trial as the study keeps it.
        """
        if _RUNS in trial.user_attrs:
            return
        try:
            self._record(study, trial)
        except LegmError as error:
            if self._options.get("strict"):
                raise
            log.error("trial %d of Optuna is not recorded: %s", trial.number, error)  # noqa: TRY400

    def _record(self, study: Any, trial: Any) -> None:
        run = TrainingRun(*self._arguments, **self._options)
        run.begin(optuna_trial_parameters(trial, study))
        reported = sorted(trial.intermediate_values.items())
        for step, value in reported:
            run.log_metrics({"intermediate_value": value}, step)
        if trial.state.name != "COMPLETE":
            run.end("pruned" if trial.state.name == "PRUNED" else "failed", "as Optuna says")
            return
        names = self._names or study.metric_names or _optuna_default_names(len(trial.values))
        last = reported[-1][0] if reported else 0
        run.log_metrics(dict(zip(names, trial.values, strict=True)), last)
        if len(names) == 1:
            higher = is_higher_trial_better(study, names[0])
            run.call(run.handler.set_best, "early_stopping", metric=names[0], higher_better=higher)
        run.end("completed")


def _optuna_default_names(number: int) -> list[str]:
    return ["value"] if number == 1 else [f"value_{index}" for index in range(number)]
