"""The run of a training, from its hyperparameters to its end, as every integration records it."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from legm.errors import LegmError, MetricError, ParameterError, StateError, closest
from legm.integrations.trainer_parameters import TrainerParameters, flat_parameters, set_trainer_parameters
from legm.util.given_paths import absolute_given_path

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler

__all__ = ["TrainingContext", "TrainingRecorder", "TrainingRun", "split_training_metrics"]

log = logging.getLogger(__name__)

C = TypeVar("C", bound="TrainingContext")


class TrainingRun:
    """Begins, fills and ends the run of a training.

    Its own trouble ends no training: once the run has begun, errors of legm are logged, each text once,
    unless the option ``strict=True`` was given. A run that the user started with an own handler is filled,
    and neither completed nor ended: whoever starts a run ends it.

    Args:
        root: the root directory, or a handler; a handler that was not started gets the trainer's parameters.
        experiment: the experiment's name; none with a handler.
        params: further hyperparameters, a mapping or configuration object; of the trainer's own these take
            precedence.
        metadata: of the parameters, as :meth:`~legm.ExperimentHandler.set_param_metadata` takes it.
        resume: as for :meth:`~legm.ExperimentHandler.start`; by default a run is resumed where the trainer
            resumes from a checkpoint.
        **options: of :class:`~legm.ExperimentHandler`: ``description``, ``backend``, ….

    Raises:
        ParameterError: an experiment or options came with a handler, there is no experiment, or no option of
            this name.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | ExperimentHandler,
        experiment: str | None = None,
        *,
        params: Any = None,
        metadata: Mapping[str, Mapping[str, Any]] | None = None,
        resume: bool | str | None = None,
        **options: Any,
    ) -> None:
        from legm.handler import ExperimentHandler

        self._given = root if isinstance(root, ExperimentHandler) else None
        if self._given is not None and (experiment is not None or options):
            raise ParameterError(
                f"pass either a root directory and an experiment, or a handler alone, not a handler with "
                f"{sorted(options) or repr(experiment)}"
            )
        if self._given is None and experiment is None:
            raise ParameterError(
                f"the experiment is missing: pass its name after the root directory {root!r}"
            )
        if options:
            known = {*inspect.signature(ExperimentHandler).parameters, "params", "metadata", "resume"}
            if unknown := sorted(options.keys() - known):
                raise ParameterError(
                    f"there is no option {unknown[0]!r}; {closest(unknown[0], sorted(known))}"
                )
        self._root = root if isinstance(root, ExperimentHandler) else absolute_given_path(root)
        self._experiment, self._options = experiment, options
        self._params = {} if params is None else flat_parameters(params)
        self._metadata = dict(metadata or {})
        self._resume = resume
        self._handler = self._given
        self._is_own = False
        self._is_open = False
        self._is_completed = False
        self._reported: set[str] = set()

    @property
    def handler(self) -> ExperimentHandler:
        """The handler of the current run, or of the last one.

        Raises:
            StateError: the training has not begun.
        """
        if self._handler is None:
            raise StateError("there is no handler before the training begins")
        return self._handler

    @property
    def is_open(self) -> bool:
        """Whether a run has begun that has not ended; a completed one may continue until the next begins."""
        return self._is_open

    def begin(
        self,
        parameters: TrainerParameters,
        *,
        resume: bool | str | None = None,
        rewind_to: int | None = None,
        main_process: bool | None = None,
    ) -> ExperimentHandler:
        """Begin the run of a training; one that has not ended is interrupted.

        Args:
            parameters: of the trainer.
            resume: what the trainer does: True where it resumes a checkpoint, or the id of the run of
                which the checkpoint is; a run of another configuration is not resumed, which is logged.
            rewind_to: the step of that checkpoint.
            main_process: whether the trainer says that this process records; None where it does not say.

        Returns:
            the handler.

        Raises:
            LegmError: as for :meth:`~legm.ExperimentHandler.start`.
        """
        if self._is_completed:
            self.end("completed")
        else:
            self.end("interrupted", "another training began")
        parameters = replace(parameters, values={**parameters.values, **self._params})
        if self._given is not None and self._given.has_started:
            self._begin_started(self._given, parameters)
            return self._given
        if self._given is None:
            self._handler = self._new_handler(main_process)
        set_trainer_parameters(self.handler, parameters, self._metadata)
        self._start(self.handler, resume, rewind_to)
        self._is_own = self._is_open = True
        return self.handler

    def unfinished_runs(self, parameters: TrainerParameters) -> Mapping[str, Path]:
        """The runs that a training may resume, by id, with the folder of the configuration.

        Args:
            parameters: of the trainer.

        Returns:
            the newest first; none where the handler was started, which has its run.

        Raises:
            LegmError: as for :meth:`~legm.ExperimentHandler.unfinished_runs`.
        """
        handler = self._new_handler(None) if self._given is None else self._given.unstarted_copy()
        if self._given is not None and self._given.has_started:
            return {}
        values = {**parameters.values, **self._params}
        set_trainer_parameters(handler, replace(parameters, values=values), self._metadata)
        return handler.unfinished_runs()

    def _new_handler(self, main_process: bool | None) -> ExperimentHandler:
        from legm.handler import ExperimentHandler

        options = {**({} if main_process is None else {"main_process": main_process}), **self._options}
        assert self._experiment is not None  # noqa: S101 - checked with the arguments
        assert not isinstance(self._root, ExperimentHandler)  # noqa: S101
        return ExperimentHandler(self._root, self._experiment, **options)

    def _begin_started(self, handler: ExperimentHandler, parameters: TrainerParameters) -> None:
        """Take over a handler that was started, by the user or for the training before."""
        self.add_parameters(parameters.values)
        if self._is_own:
            handler.reset()
        self._is_open = True

    def add_parameters(self, values: Mapping[str, Any]) -> None:
        """Take parameters that come when the run has begun: they can only be those that it has already."""
        for name, value in values.items():
            try:
                self.handler.set_param(name, value)
            except LegmError:
                self._report(
                    f"{name!r} = {value!r:.80} is not recorded: the run began with other parameters, "
                    "which are frozen since then"
                )

    def _start(self, handler: ExperimentHandler, resume: bool | str | None, rewind_to: int | None) -> None:
        if self._resume is not None:
            handler.start(self._resume, rewind_to=rewind_to if self._resume else None)
            return
        try:
            handler.start(resume, rewind_to=rewind_to if resume else None)
        except ParameterError as error:
            if not isinstance(resume, str):
                raise
            log.warning("a new run begins, although the training resumes a checkpoint: %s", error)
            handler.start(resume=False)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None, *, test: bool = False) -> None:
        """Set metrics; what is not a number is left out, which is logged once.

        Args:
            metrics: values by name.
            step: the step; None for the position in each series.
            test: whether they are test metrics.
        """
        handler = self._handler
        if handler is None or not self._is_open:
            self._report(f"{', '.join(map(str, metrics))} came outside of a training and was not recorded")
            return
        try:
            handler.set_dict_metrics(metrics, test, step)
        except MetricError:
            for name, value in metrics.items():
                try:
                    handler.set_metric(str(name), value, test, step)
                except LegmError as error:  # with the value, which is another one at each step
                    self._report_error(error, f"{type(error).__name__} of {name} {type(value)}")
        except LegmError as error:
            self._report_error(error)

    def set_best_step(self, step: int) -> None:
        """Set the best step, at which a trainer's early stopping or checkpoint was best."""
        if self._is_open:
            self.call(self.handler.set_best, "early_stopping", step=step)

    def call(self, method: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Call a method of the handler; an error of legm is logged, and raised with ``strict=True``."""
        try:
            return method(*args, **keywords)
        except LegmError as error:
            self._report_error(error)
            return None

    def complete(self) -> None:
        """Complete the run; metrics may follow, and complete it again."""
        if self._is_open and self._is_own:
            self.call(self.handler.log)
            self._is_completed = True

    def end(self, status: str, reason: str | None = None) -> None:
        """End the run where it is not completed; without a run there is nothing to do."""
        if self._is_open and self._is_own:
            try:
                self.handler.end(status, reason)
            except StateError:  # it was completed
                self.call(self.handler.end)
            except LegmError as error:
                self._report_error(error)
        self._is_open = self._is_completed = False

    def fail(self, error: BaseException) -> None:
        """End the run by what ended the training: interrupted by Ctrl-C, pruned by Optuna, or failed."""
        if isinstance(error, KeyboardInterrupt):
            self.end("interrupted", "KeyboardInterrupt")
        elif any(one.__name__ == "TrialPruned" for one in type(error).__mro__):
            self.end("pruned", str(error) or "pruned by Optuna")
        elif self._is_open and self._is_own:
            self.handler.__exit__(type(error), error, error.__traceback__)
            self._is_open = False

    def leave(self, error: BaseException | None) -> None:
        """End the run when its training leaves a ``with`` block: completed, or as :meth:`fail` does."""
        if error is None:
            self.end("completed")
        else:
            self.fail(error)

    def _report_error(self, error: LegmError, about: str | None = None) -> None:
        if self._options.get("strict"):
            raise error
        self._report(str(error), about)

    def _report(self, message: str, about: str | None = None) -> None:
        """Log a message, of what it is about only the first one."""
        if (about or message) not in self._reported:
            self._reported.add(about or message)
            log.error("%s", message)


class TrainingRecorder:
    """What every logger, callback and tracker is: its arguments are those of :class:`TrainingRun`.

    It comes before the library's base class, which is initialized without arguments.
    """

    def __init__(
        self, root: str | os.PathLike[str] | ExperimentHandler, experiment: str | None = None, **options: Any
    ) -> None:
        self._run = TrainingRun(root, experiment, **options)
        super().__init__()


class TrainingContext(TrainingRecorder):
    """What a callback of a library is that does not say how a training ended: a context manager, if wanted.

    Leaving it by an exception makes the run failed at once; without it the end of the process does.
    """

    @property
    def handler(self) -> ExperimentHandler:
        """The handler of the current run, or of the last one."""
        return self._run.handler

    def __enter__(self: C) -> C:  # noqa: PYI019 - typing.Self is not in Python 3.10
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._run.leave(error)


def split_training_metrics(
    metrics: Mapping[str, Any], *, is_test: bool = False
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The dev and the test metrics: those with ``test_`` or ``test/`` in front, which they lose.

    Args:
        metrics: by name.
        is_test: whether all are test metrics, whatever their names.
    """
    if not is_test and not any(name.startswith("test") for name in metrics):
        return metrics, {}
    dev, test = {}, {}
    for name, value in metrics.items():
        if name.startswith(("test_", "test/")) and len(name) > 5:
            test[name[5:]] = value
        elif is_test:
            test[name] = value
        else:
            dev[name] = value
    return dev, test
