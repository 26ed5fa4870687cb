"""The original legm's ``ExperimentManager``, which records runs of legm."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from legm.compat.classic.logging_mixin import LOG_FILE, LoggingMixin
from legm.compat.classic.plots import plot_groups
from legm.compat.classic.runs import ClassicRuns
from legm.core.config_objects import parameters_from_config
from legm.delivery.folder_access import default_folder_access
from legm.errors import NotSupported, closest
from legm.runlog.file_names import CUSTOM_DATA_FILE
from legm.runlog.recorded_values import recording_decorator, to_recorded_best_rule
from legm.util.given_paths import resolved_path

__all__ = ["ExperimentManager"]

T = TypeVar("T")

_OWN_ARGUMENTS: dict[str, dict[str, Any]] = {
    "alternative_experiment_name": {
        "type": str,
        "help": "template of the configuration's folder, such as lr={lr}",
    },
    "description": {"type": str, "help": "distinguishes runs of one configuration"},
    "logging_level": {"type": str, "default": "INFO", "help": "least level that is logged"},
    "logs_precision": {"type": int, "help": "accepted, and without effect"},
}
"""The arguments of the command line for the manager itself, which are no parameters."""
_NONE_UNLESS_SET = frozenset(("device",))


class ExperimentManager(LoggingMixin):
    """Holds parameters and records runs, with the calls of the original legm.

    Parameters are read as attributes. An attribute that is assigned hides the parameter of that name and is
    no parameter itself. What is declared by metadata and was not set is None, as ``device`` is; every other
    name is an AttributeError.

    Args:
        experiment_root_directory: the folder for all experiments.
        experiment_category: the kind of experiment.
        alternative_experiment_name: a template of the configuration's folder, such as ``"lr={lr}"``.
        description: distinguishes runs of one configuration.
        logging_level: the least level that :meth:`log` writes, as a number or a name.
        logs_precision: accepted, and without effect.
        main_process: whether this process may record; the rank in the environment decides for True.

    Raises:
        InvalidName: the category or the description cannot be used.
        ParameterError: there is no such logging level.
    """

    def __init__(
        self,
        experiment_root_directory: str | os.PathLike[str],
        experiment_category: str,
        alternative_experiment_name: str | None = None,
        description: str | None = None,
        logging_level: int | str | None = None,
        logs_precision: int | None = None,
        main_process: bool = True,
    ) -> None:
        super().__init__(
            logging_level=logging_level, main_process=main_process, logger_name="ExperimentManager"
        )
        self.logs_precision = logs_precision
        self._alternative_experiment_name = alternative_experiment_name or ""
        self._runs = ClassicRuns(
            experiment_root_directory,
            experiment_category,
            description or "",
            self._alternative_experiment_name,
            is_main=main_process,
        )
        if logs_precision is not None:
            self._runs.differences.report(
                "logs_precision",
                f"logs_precision={logs_precision!r} has no effect: numbers have all of their digits",
            )

    @staticmethod
    def argparse_args() -> dict[str, dict[str, Any]]:
        """The manager's own arguments, for ``add_arguments``; :meth:`set_namespace_params` skips them.

        Returns:
            the keywords of each argument by its name.
        """
        return {
            name: {**keywords, "metadata": {"disable_comparison": True}}
            for name, keywords in _OWN_ARGUMENTS.items()
        }

    # Parameters

    def set_param(self, name: str, value: T, parent: str | None = None) -> T:
        """Set a parameter; see :meth:`legm.ExperimentHandler.set_param`.

        Args:
            name: its name.
            value: its value.
            parent: the parameter that must be active for this one to count.

        Returns:
            the value.

        Raises:
            ParameterError: the name cannot be used, or the parent makes a cycle.
            StateError: a run that has values is running with another value.
        """
        self._set("set_param()", {name: value}, parent)
        return value

    def set_dict_params(self, params: T, parent: str | None = None) -> T:
        """Set parameters from a mapping; see :meth:`set_param`.

        Args:
            params: the values by name.
            parent: see :meth:`set_param`.

        Returns:
            the mapping.

        Raises:
            ParameterError, StateError: as :meth:`set_param`.
        """
        self._set("set_dict_params()", parameters_from_config("set_dict_params()", params), parent)
        return params

    def set_namespace_params(self, namespace: T, parent: str | None = None) -> T:
        """Set parameters from the attributes of a namespace; see :meth:`set_param`.

        Args:
            namespace: of argparse, for example.
            parent: see :meth:`set_param`.

        Returns:
            the namespace.

        Raises:
            ParameterError, StateError: as :meth:`set_param`.
        """
        values = parameters_from_config("set_namespace_params()", namespace, of_classes=True)
        self._set("set_namespace_params()", values, parent)
        return namespace

    def _set(self, call: str, values: Mapping[str, Any], parent: str | None) -> None:
        self._runs.set(
            call, {name: one for name, one in values.items() if name not in _OWN_ARGUMENTS}, parent
        )

    def set_parent(self, child: str, parent: str, active_value: Any = None) -> None:
        """Make a parameter count only where another one is active, or has a value.

        Args:
            child: the parameter.
            parent: the one that it depends on.
            active_value: the value that the parent must have, or a function of it; None for any active one.

        Raises:
            ParameterError: this makes a cycle.
            StateError: as :meth:`set_param`.
        """
        self._runs.set_parent(child, parent, active_value)

    def set_param_metadata(self, metadata: Mapping[str, Mapping[str, Any]], namespace: object = None) -> None:
        """Set the metadata of parameters; fields that legm does not know are ignored, as the original did.

        Args:
            metadata: the fields by parameter.
            namespace: what the parameters are set from.

        Raises:
            ParameterError: a field has a wrong value, or names an unknown parent.
            StateError: as :meth:`set_param`.
        """
        given = {} if namespace is None else parameters_from_config("set_param_metadata()", namespace)
        own = {name: fields for name, fields in metadata.items() if name not in _OWN_ARGUMENTS}
        self._runs.set_metadata(own, given)

    def disable_param(self, name: str) -> None:
        """Exclude a parameter from the comparison.

        Args:
            name: the parameter.

        Raises:
            ParameterError: it was never set.
            StateError: as :meth:`set_param`.
        """
        self.disable_params([name])

    def disable_params(self, names: Iterable[str]) -> None:
        """Exclude parameters from the comparison; see :meth:`disable_param`.

        Args:
            names: the parameters.

        Raises:
            ParameterError, StateError: as :meth:`disable_param`.
        """
        self._runs.disable([names] if isinstance(names, str) else names)

    def name_param(self, name: str) -> None:
        """Put a parameter into the folder's name, also one that is None or not compared.

        Args:
            name: the parameter.

        Raises:
            StateError: as :meth:`set_param`.
        """
        self.name_params([name])

    def name_params(self, names: Iterable[str]) -> None:
        """Put parameters into the folder's name; see :meth:`name_param`.

        Args:
            names: the parameters.

        Raises:
            StateError: as :meth:`set_param`.
        """
        self._runs.name([names] if isinstance(names, str) else names)

    def __getattr__(self, name: str) -> Any:
        runs = self.__dict__.get("_runs")
        if runs is None or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        if name in runs.parameters:
            return runs.parameters[name]
        if name == "model_save_filename":  # before version 1.0.3
            return self.get_save_filename()
        if name in runs.declared or name in _NONE_UNLESS_SET:
            return None
        raise AttributeError(f"no parameter {name!r} was set; {closest(name, runs.parameters.names())}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExperimentManager):
            return NotImplemented
        return self._runs.configuration().fingerprint == other._runs.configuration().fingerprint

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<ExperimentManager {self._runs.experiment!r}>"

    def __getstate__(self) -> dict[str, Any]:
        """What a checkpoint keeps of the manager: its parameters and attributes, not its run."""
        runs = self._runs
        attributes = {
            name: value for name, value in self.__dict__.items() if name not in {"_runs", "_logger"}
        }
        return {
            "attributes": attributes,
            "runs": (runs.root, runs.experiment, runs.description, runs.template, runs.is_main),
            "parameters": runs.state(),
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`__getstate__` returned; a run has to be started.

        Args:
            state: of another manager.
        """
        root, experiment, description, template, is_main = state["runs"]
        self.__dict__.update(state["attributes"])
        self._logger = self.create_logger(None, self.logging_level, "ExperimentManager")
        self._runs = ClassicRuns(root, experiment, description, template, is_main=is_main)
        self._runs.restore_state(state["parameters"])

    # Runs

    def start(self) -> None:
        """Begin a run; calling it again before the first value changes nothing, or takes new parameters over.

        Raises:
            UnstableValue: a parameter that is compared has no stable form.
            ParameterError: the template names a parameter that was not set.
            StateError: a run that has values is running.
            StorageError: the root directory cannot be written.
        """
        self._runs.start()
        self._log_into_folder()

    def _log_into_folder(self) -> None:
        if self._runs.is_main:
            self.logging_file = str(self._runs.folder() / LOG_FILE)
            self._logger = self.create_logger(self.logging_file, self.logging_level, "ExperimentManager")

    def reset(self) -> None:
        """Begin a new run; what was not logged stays as an interrupted run.

        Raises:
            StateError: no run was started yet.
            LegmError: the run cannot begin.
        """
        self._runs.reset()
        self._log_into_folder()

    def set_main_process(self, main_process: bool) -> None:
        """Decide whether this process records.

        Args:
            main_process: whether it may.

        Raises:
            StateError: a run that already has values is running.
        """
        self._runs.set_main(is_main=main_process)
        self._logs = self._runs.is_main

    def is_main_process(self) -> bool:
        """Whether this process records.

        Returns:
            that.
        """
        return self._runs.is_main

    @property
    def _experiment_folder(self) -> str:
        return str(self._runs.folder())

    def set_metric(
        self,
        name: str,
        value: T,
        mode: str | None = None,
        step: int | None = None,
        id: str | None = None,  # noqa: A002 - the original's name
        *,
        test: bool = False,
    ) -> T:
        """Set a value of a metric.

        Args:
            name: the metric.
            value: a number, or anything else that can be stored in a file.
            mode: None for a series called by its name; "dev" for one called ``dev_<name>``; otherwise a test
                value.
            step: of a series; None for the next position.
            id: the example that it is of.
            test: what older versions had for the mode "test".

        Returns:
            the value.

        Raises:
            MetricError: the name, value or step cannot be recorded.
            StateError: there is no run.
        """
        given = {name: value} if id is None else {id: {name: value}}
        self.set_dict_metrics(given, mode, step, test=test)
        return value

    def set_dict_metrics(
        self, metrics: T, mode: str | bool | None = None, step: int | None = None, *, test: bool = False
    ) -> T:
        """Set a value of each of several metrics; see :meth:`set_metric`.

        Args:
            metrics: values by metric; a mapping is ``{metric: value}`` of an example, whose name is the key.
            mode: see :meth:`set_metric`.
            step: see :meth:`set_metric`.
            test: see :meth:`set_metric`.

        Returns:
            the mapping.

        Raises:
            MetricError, StateError: as :meth:`set_metric`.
        """
        values: Any = metrics
        self._runs.add_metrics(values, "test" if test or mode is True else str(mode) if mode else None, step)
        return metrics

    def capture_metrics(self, metric_names: Sequence[str] | None = None) -> Callable[..., Any]:
        """Decorate a function so that what it returns is logged as metrics.

        Args:
            metric_names: the names of what it returns; see :meth:`legm.ExperimentHandler.capture_metrics`.

        Returns:
            a decorator.
        """
        names = [metric_names] if isinstance(metric_names, str) else metric_names
        return recording_decorator(self.set_dict_metrics, names)

    def set_best(
        self,
        method: str = "last",
        *,
        step: int | None = None,
        best_step: int | None = None,
        metric: str | None = None,
        higher_better: bool = True,
    ) -> None:
        """Set how the best step is chosen; see :meth:`legm.ExperimentHandler.set_best`.

        Args:
            method: "last" or "early_stopping".
            step, best_step: for early stopping, the step itself.
            metric: for early stopping, the metric whose best value chooses, such as ``dev_acc``.
            higher_better: whether its highest value is the best.

        Raises:
            MetricError: these do not fit each other, or there is no such metric.
            StateError: there is no run.
        """
        self._runs.set_best(
            to_recorded_best_rule(method, step, best_step, metric, higher_better=higher_better)
        )

    def log_metrics(self) -> None:
        """Complete the run, so that it counts; again after more metrics, its entry is replaced.

        Raises:
            StateError: there is no run.
            StorageError: the run cannot be stored.
        """
        self._runs.finish()

    def log(self, message: object = None, level: int | str | None = None) -> None:
        """Log a message; without one complete the run, as versions before 1.1 did.

        Args:
            message: what is logged.
            level: its level, as a number or a name.

        Raises:
            StateError, StorageError: without a message, as :meth:`log_metrics`.
        """
        if message is None:
            self._runs.finish()
        else:
            super().log(message, level)

    # Files

    def get_save_filename(self, basename: str = "model.pt") -> str:
        """A path in the configuration's folder, with the description in front of the name.

        Args:
            basename: the file's name.

        Returns:
            the absolute path.

        Raises:
            InvalidName: the name is empty, or reserved by legm.
            StateError: start() was not called.
        """
        return str(self._runs.files().path(basename))

    def set_custom_data(self, data: T, basename: str | None = None) -> T:
        """Keep data as a file: .yml and .json have an entry for each run, written when the run is logged.

        Args:
            data: plain data; text for .txt, arrays by name for .npz.
            basename: the file's name; ``custom_data.yml`` without one.

        Returns:
            the data.

        Raises:
            InvalidName: the extension is another one, such as that of a pickle.
            LegmError: the data does not fit it.
            StateError: there is no run.
        """
        self._runs.set_data(data, basename or CUSTOM_DATA_FILE)
        return data

    def tensorboard_write(self, name: str, value: Any, step: int | None = None) -> None:
        """Show a scalar or a text in TensorBoard.

        Args:
            name: the name under which it is shown.
            value: a number or a text.
            step: the step; None for the next position of this name.

        Raises:
            MetricError: it is neither a number nor text.
            StateError: there is no run.
        """
        self._runs.display(name, value, step)

    @classmethod
    def load_existent(
        cls, folder: str | os.PathLike[str], description: str | None = None
    ) -> ExperimentManager:
        """A manager with the parameters of a configuration that legm recorded.

        Args:
            folder: of the configuration; one of the original legm has to be imported first (``legm import``).
            description: of new runs.

        Returns:
            the manager; :meth:`start` begins a run of it.

        Raises:
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged, or the original wrote them.
        """
        path, folders = resolved_path(folder), default_folder_access()
        configuration = folders.read_configuration(path)
        root, _ = folders.backend_of(path)
        manager = cls(root, configuration.experiment, description=description)
        manager._runs.parameters.restore(configuration)
        return manager

    # Over runs

    def aggregate_results(self, aggregation: Any = "mean") -> dict[str, Any]:
        """Aggregate the completed runs; see :meth:`legm.ExperimentHandler.aggregate_results`.

        Args:
            aggregation: the method.

        Returns:
            the aggregates by metric, as numbers; ``classic/aggregated_metrics.yml`` has their texts.

        Raises:
            StateError: there is no completed run.
            MetricError: there is no such method or metric.
        """
        return self._runs.aggregate(aggregation)

    def plot(
        self,
        aggregation: Any = "mean",
        groups: Sequence[Sequence[str]] | None = None,
        exclude: Iterable[str] | None = None,
        exclude_pattern: str | None = None,
    ) -> list[str]:
        """Draw the aggregated curves; metrics that are in no group have pictures of their own.

        Args:
            aggregation: the method, as for :meth:`aggregate_results`.
            groups: the metrics of each picture; those that no run has are left out.
            exclude: metrics that are not drawn.
            exclude_pattern: a regular expression; metrics that it matches as a whole are not drawn.

        Returns:
            where the pictures are.

        Raises:
            StateError: there is no completed run.
        """
        return plot_groups(
            self._runs.client,
            self._runs.require_configuration("plot()"),
            self._runs.description,
            aggregation,
            groups or (),
            exclude or (),
            exclude_pattern,
        )

    def get_best(
        self, metric: str, higher_better: bool = True, test: bool = False, **constraints: Any
    ) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """Rank the experiment's configurations by a metric.

        Args:
            metric: its name; a test metric's without ``test_``.
            higher_better: whether higher values are better.
            test: whether it is a test metric.
            **constraints: values that parameters must have.

        Returns:
            by folder the aggregates (``metrics``) and the parameters (``config``); and the folders, best
            first.

        Raises:
            MetricError: no run has the metric.
            ParameterError: no configuration has a parameter of a constraint.
        """
        return self._runs.ranked(metric, constraints, higher_better=higher_better, test=test)

    def plot_comparison_bars(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: the native handler's method has other arguments.

        Raises:
            NotSupported: always.
        """
        del args, kwargs
        raise NotSupported(
            "plot_comparison_bars() of the original legm is not supported: call that of "
            "legm.ExperimentHandler, or `legm plot ROOT/EXPERIMENT METRIC`"
        )
