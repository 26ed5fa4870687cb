"""The ``ExperimentHandler`` of the original legm's first versions, for scripts under ``legm.compat``.

It is legm's own handler, with what those scripts relied on: a run begins by itself, a second parent replaces
the first, and a metric may be any value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from legm.compat.classic.differences import Differences
from legm.compat.classic.logged_values import LoggedValues
from legm.compat.classic.result_files import ClassicFiles, report_unwritten_classic_files
from legm.compat.classic.runs import NOT_NUMBERS_FILE, classic_result_steps, report_nan_in_classic_run
from legm.core.parameters import parameter_condition
from legm.delivery.run_session import RunSession
from legm.delivery.unrecorded_session import UnrecordedSession
from legm.errors import LegmError
from legm.handler import ExperimentHandler as NativeHandler
from legm.hooks import Capability
from legm.records import RunResult

__all__ = ["ExperimentHandler"]

T = TypeVar("T")
M = TypeVar("M", bound=Mapping[Any, Any])


class ExperimentHandler(NativeHandler):
    """legm's own handler, which also takes what the first versions of the original legm took.

    Args:
        root_directory, experiment_name, description: see :class:`legm.ExperimentHandler`.
        **options: all others that it has.

    Raises:
        InvalidName, BackendError: as that.
    """

    def __init__(
        self, root_directory: Any, experiment_name: str, description: str | None = None, **options: Any
    ) -> None:
        super().__init__(root_directory, experiment_name, description, **options)
        self._values = LoggedValues()
        self._differences = Differences()

    def set_parent(self, child: str, parent: str, active_value: Any = None) -> None:
        """Make a parameter count only where another one is active; this replaces its other parents.

        Args:
            child: the parameter.
            parent: the one that it depends on.
            active_value: see :meth:`legm.ExperimentHandler.set_parent`.

        Raises:
            ParameterError: this would make a cycle.
            StateError: the run has started.
        """
        parameters = self._changeable("set_parent()")
        if parameters.has_other_parents(child, parent):
            self._differences.report(
                f"parent of {child}",
                f"set_parent({child!r}, {parent!r}) replaces the other parent of {child!r}, as in the "
                "original legm; outside of `python -m legm.compat` a parameter has all of its parents",
            )
        condition = parameter_condition(parent, active_value)
        parameters.set_parent(child, parent, condition, instead=True)

    def _running(self, call: str) -> RunSession | UnrecordedSession:
        if self._session is None and not self.has_started:
            self.start()
        return super()._running(call)

    def set_metric(self, name: str, value: T, test: bool = False, step: int | None = None) -> T:
        """Set one value of a metric; see :meth:`legm.ExperimentHandler.set_metric`.

        Args:
            name: the metric.
            value: a number, or anything else that can be stored in a file.
            test: whether it is a test value.
            step: of a series.

        Returns:
            the value.

        Raises:
            MetricError, StateError: as that.
        """
        self.set_dict_metrics({name: value}, test, step)
        return value

    def set_dict_metrics(self, metrics: M, test: bool = False, step: int | None = None) -> M:
        """Set a value of each of several metrics; see :meth:`set_metric`.

        Args:
            metrics: values by metric, or by example and metric.
            test: see :meth:`set_metric`.
            step: see :meth:`set_metric`.

        Returns:
            the mapping.

        Raises:
            MetricError, StateError: as :meth:`set_metric`.
        """
        self._running("set_dict_metrics()")
        numbers = self._values.add(metrics, "test" if test else None)
        for name in numbers.not_numbers:
            report_nan_in_classic_run(self._differences, name)
        for found in (numbers.plain, numbers.by_example):
            if found:
                super().set_dict_metrics(found, test, step)
        return metrics

    def log(self) -> RunResult:
        """Complete the run, and write the files of the original; see :meth:`legm.ExperimentHandler.log`.

        Returns:
            the result.

        Raises:
            StorageError, BackendError, StateError: as that.
        """
        result = super().log()
        if isinstance(self._session, RunSession) and self._client.supports(Capability.FOLDERS):
            values = self._values
            data = {NOT_NUMBERS_FILE: dict(values.texts)} if values.texts else {}
            try:
                ClassicFiles(self._session.folder, self._session.run.description).add_run(
                    self._session.run.run_id,
                    {**self._session.run.configuration.parameters, **self._session.run.parameters},
                    {example: dict(found) for example, found in values.by_example.items()},
                    data,
                    classic_result_steps(result),
                )
            except LegmError as error:
                report_unwritten_classic_files(error)
        return result

    def reset(self, **parameters: Any) -> None:
        """Begin a new run; see :meth:`legm.ExperimentHandler.reset`.

        Args:
            **parameters: as for that.

        Raises:
            StateError, ParameterError: as that.
        """
        super().reset(**parameters)
        self._values = LoggedValues()
