"""The parameters and runs behind a manager of the original legm, recorded as runs of legm."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from legm.compat.classic.differences import Differences
from legm.compat.classic.folder_names import name_from_template, name_value_text
from legm.compat.classic.logged_values import LoggedValues, is_classic_test_mode
from legm.compat.classic.result_files import (
    ClassicFiles,
    classic_aggregate_text,
    is_classic_format,
    report_unwritten_classic_files,
)
from legm.core.naming import check_name, configuration_name
from legm.core.parameters import FIELDS, Parameters, parameter_condition
from legm.core.plain_form import to_plain
from legm.delivery.claims import ClaimSlot
from legm.delivery.client import BackendClient, connect_client
from legm.delivery.object_classes import compared_parameters
from legm.delivery.run_session import RunSession, delete_run
from legm.delivery.run_start import RunOptions, RunStarter, warn_of_compared_seeds
from legm.delivery.unrecorded_session import UnrecordedSession, wait_for_recorded_folder
from legm.errors import InvalidName, LegmError, StateError, UnstableValue
from legm.records import BestRule, Configuration, Outcome, Plain, RunResult, Status
from legm.runlog.recorded_values import to_recorded_display
from legm.runlog.user_files import UserFiles
from legm.util.process_rank import is_main_process

__all__ = ["NOT_NUMBERS_FILE", "ClassicRuns", "classic_result_steps", "report_nan_in_classic_run"]

NOT_NUMBERS_FILE = "not-numbers.yml"


@dataclass(slots=True)
class _NameRule:
    """How a parameter is in the folder's name; the original named those that are not compared or None too."""

    transform: Any = None
    priority: float = 0


@dataclass(slots=True)
class _OpenRun:
    """A run, and what it has beside numbers."""

    session: RunSession | UnrecordedSession
    values: LoggedValues = field(default_factory=LoggedValues)
    data: dict[str, Plain] = field(default_factory=dict)
    displayed: dict[str, int] = field(default_factory=dict)


class ClassicRuns:
    """The parameters of one configuration, and its runs.

    Args:
        root: the root directory.
        experiment: the experiment's name.
        description: of the runs; "" for none.
        template: of the folder's name; "" for the values of the parameters that name it.
        is_main: whether this process is not one that must not record; the environment decides the rest.

    Raises:
        InvalidName: the experiment's name or the description cannot be used.
    """

    def __init__(
        self, root: str | os.PathLike[str], experiment: str, description: str, template: str, *, is_main: bool
    ) -> None:
        check_name("experiment", experiment, InvalidName)
        if description:
            check_name("description", description, InvalidName)
        self.root = os.path.abspath(root)  # noqa: PTH100 - links are not resolved
        self.experiment = experiment
        self.description = description
        self.template = template
        self.parameters = Parameters()
        self.declared: set[str] = set()
        """The names of parameters whose metadata are known, though they may not be set."""
        self.differences = Differences()
        self._names: dict[str, _NameRule] = {}
        self._configuration: Configuration | None = None
        self._run: _OpenRun | None = None
        self._custom: dict[str, None] = {}
        self.is_main = True
        """Whether this process records."""
        self.set_main(is_main=is_main)

    def set_main(self, *, is_main: bool) -> None:
        """Decide whether this process records; a run without a value is begun again where that changes.

        Raises:
            StateError: a run that already has values is still running.
        """
        recorded = is_main_process(None if is_main else False)
        if self._run is not None and recorded == self.is_main:
            return
        was_started = self._run is not None
        self._leave_empty_run("set_main_process()")
        self.is_main = recorded
        self._client = connect_client(self.root, "local", None, read_only=not recorded)
        if was_started:
            self.start()

    # Parameters

    def set(self, call: str, values: Mapping[str, Any], parent: str | None) -> None:
        """Set parameters.

        Raises:
            ParameterError: a name cannot be used, or the parent makes a cycle.
            StateError: a run that has values is running with other parameters.
        """
        if self.parameters.has_values(values) and self.parameters.has_parent(values, parent):
            return
        self._require_changeable(call)
        self.parameters.set(values)
        for name in values if parent is not None else ():
            self.parameters.set_parent(
                name, str(parent), parameter_condition(str(parent), None), instead=True
            )

    def set_parent(self, child: str, parent: str, active_value: Any) -> None:
        """Make a parameter depend on another one, and on no others.

        Raises:
            ParameterError: this makes a cycle.
            StateError: as :meth:`set`.
        """
        self._require_changeable("set_parent()")
        self.parameters.set_parent(child, parent, parameter_condition(parent, active_value), instead=True)

    def disable(self, names: Iterable[str]) -> None:
        """Exclude parameters from the comparison; see :meth:`set_parent` for errors."""
        self._require_changeable("disable_params()")
        self.parameters.disable(names)

    def name(self, names: Iterable[str]) -> None:
        """Put parameters into the folder's name; see :meth:`set_parent` for errors."""
        self._require_changeable("name_params()")
        self._names.update((name, _NameRule()) for name in names)

    def set_metadata(self, metadata: Mapping[str, Mapping[str, Any]], namespace: Iterable[str]) -> None:
        """Set the metadata of parameters; fields that the original ignored are ignored.

        Raises:
            ParameterError: a field is wrong, or a parent unknown.
            StateError: as :meth:`set`.
        """
        self._require_changeable("set_param_metadata()")
        known = {
            name: {key: value for key, value in fields.items() if key in FIELDS}
            for name, fields in metadata.items()
        }
        self.declared.update(known)
        set_ones = {*namespace, *self.parameters.names()}
        used = {name: fields for name, fields in known.items() if name in set_ones}
        self.parameters.set_metadata(
            {name: _classic_run_without_parent(fields) for name, fields in used.items()}, set_ones
        )
        for name, fields in used.items():
            if parent := fields.get("parent"):
                self.set_parent(name, parent, fields.get("parent_active"))
            if fields.get("name"):
                self._names[name] = _NameRule(fields.get("name_transform"), fields.get("name_priority") or 0)

    def _require_changeable(self, call: str) -> None:
        run = self._run
        if run is not None and not run.session.recorder.is_empty and not run.session.is_logged:
            raise StateError(
                f"{call} was called during a run, whose parameters are fixed by its first value: call "
                "log_metrics(), or set the parameters before"
            )

    def configuration(self) -> Configuration:
        """The configuration of the parameters, with the name that the original gave to its folder.

        Raises:
            UnstableValue: a parameter that is compared has no stable form.
            ParameterError: the template names a parameter that was not set.
        """
        found = compared_parameters(self._client, self.parameters, self.experiment)[1]
        names = self.parameters.names()
        if self.template:
            values = {name: self.parameters[name] for name in names}
            texts = [name_from_template(self.template, values, names)]
            if "/" in self.template.strip("/"):
                self.differences.report(
                    "nested template",
                    f"the template {self.template!r} is nested, and names one folder here: {texts[0]!r}",
                )
        else:
            texts = [
                name_value_text(rule.transform(value) if rule.transform else value)
                for name, rule in sorted(self._names.items(), key=lambda one: (-one[1].priority, one[0]))
                if name in self.parameters
                for value in [self.parameters[name]]
            ]
        return replace(found, name=configuration_name(texts, found.fingerprint))

    # Runs

    @property
    def has_started(self) -> bool:
        """Whether a configuration is known, so that there is a folder."""
        return self._configuration is not None

    @property
    def _is_empty(self) -> bool:
        """Whether a run began, and nothing was set."""
        if self._run is None:
            return False
        return self._run.session.recorder.is_empty and not self._run.session.is_logged

    def start(self) -> None:
        """Begin a run; one that has no values yet stays if the parameters are the same.

        Raises:
            StateError: a run that has values is running.
            LegmError: the run cannot begin.
        """
        configuration = self.configuration()
        report_empty_classic_parameters(self.differences, configuration)
        if self._is_empty and configuration == self._configuration:
            return
        self._leave_empty_run("start()")
        self._configuration = configuration
        options = RunOptions(self.is_main, 0, has_system_metrics=False, has_provenance=True)
        starter = RunStarter(self._client, self.parameters, self.description, ClaimSlot(), options)
        self._run = _OpenRun(starter.begin(configuration))
        warn_of_compared_seeds(configuration)

    def reset(self) -> None:
        """Begin a new run; what was not logged stays as an interrupted run.

        Raises:
            StateError: no run was started yet.
            LegmError: the run cannot begin.
        """
        if self._configuration is None:
            raise StateError("reset() was called before start(): call start() for the first run")
        if self._run is not None:
            run, self._run = self._run, None
            run.session.end(Outcome(Status.INTERRUPTED, time.time(), "reset() before log_metrics()"))
        self.start()

    def _leave_empty_run(self, call: str) -> None:
        """End a run that is logged, and delete one that has no value.

        Raises:
            StateError: it has values, and is not logged.
        """
        if self._run is None:
            return
        session = self._run.session
        if not session.is_logged and not session.recorder.is_empty:
            raise StateError(f"{call} was called during a run: call log_metrics(), and reset() for a new one")
        self._run = None
        if isinstance(session, RunSession):
            is_empty = not session.is_logged
            session.release()
            if is_empty:
                delete_run(self._client, session.run)

    def _running(self, call: str) -> _OpenRun:
        if self._run is None:
            raise StateError(f"{call} was called before start(): set the parameters, then call start()")
        if self._is_empty:
            self.start()  # parameters may have been set since
        self._run.session.is_logged = False
        return self._run

    def add_metrics(self, metrics: Mapping[Any, Any], mode: str | None, step: int | None) -> None:
        """Set values of metrics; those that are no numbers are kept in files.

        Raises:
            MetricError: a value or the step cannot be recorded.
            StateError: there is no run.
        """
        run = self._running("set_metric()")
        numbers = run.values.add(metrics, mode)
        recorder, is_test = run.session.recorder, is_classic_test_mode(mode)
        for name in numbers.not_numbers:
            report_nan_in_classic_run(self.differences, name)
        for found in (numbers.plain, numbers.by_example):
            if found:
                recorder.add_metrics(found, step, test=is_test)

    def set_best(self, rule: BestRule) -> None:
        """Set how the best step is chosen."""
        recorder = self._running("set_best()").session.recorder
        if rule.metric is not None:
            recorder.expect_metric(rule.metric)
        recorder.add_record(rule)

    def display(self, name: str, value: Any, step: int | None) -> None:
        """Show a number or text in TensorBoard; without a step at the next position of this name."""
        run = self._running("tensorboard_write()")
        if step is None:
            step = run.displayed.get(name, 0)
            run.displayed[name] = step + 1
        run.session.recorder.add_record(to_recorded_display(name, value, step))

    def set_data(self, data: Any, name: str) -> None:
        """Keep custom data of the run until it is logged, or now where its file has one run alone.

        Raises:
            LegmError: the data does not fit the file's extension.
            InvalidName: the extension is not known, or is that of a pickle.
        """
        run = self._running("set_custom_data()")
        if not is_classic_format(name):
            if name.endswith((".pkl", ".pickle")):
                raise InvalidName(
                    f"{name!r} would be a pickle, which legm neither writes nor reads: use a name that ends "
                    "in .yml, .json, .txt or .npz, or save the file under get_save_filename()"
                )
            if name.endswith((".pt", ".pth")):
                raise InvalidName(
                    f"{name!r} holds weights: call torch.save(data, manager.get_save_filename({name!r}))"
                )
            run.session.keep_data(data, name)
            return
        try:
            plain = to_plain(name, data)
        except UnstableValue as error:
            raise LegmError(
                f"{name!r} can hold numbers, texts, lists and mappings, but not all of {str(data)[:60]!r}"
            ) from error
        before = run.data.get(name)
        run.data[name] = (
            {**before, **plain} if isinstance(before, dict) and isinstance(plain, dict) else plain
        )
        self._custom[name] = None

    def finish(self) -> RunResult:
        """Complete the run, and write the files of the original.

        Raises:
            StateError: there is no run.
            LegmError: the run cannot be stored.
        """
        run = self._running("log_metrics()")
        session = run.session
        result = session.finish(Outcome(Status.COMPLETED, time.time()))
        session.is_logged = True
        if isinstance(session, RunSession):
            try:
                self._write_files(run, session, result)
            except LegmError as error:
                report_unwritten_classic_files(error)
        return result

    def _write_files(self, run: _OpenRun, session: RunSession, result: RunResult) -> None:
        data = dict(run.data)
        if run.values.texts:
            data[NOT_NUMBERS_FILE] = dict(run.values.texts)
        ClassicFiles(session.folder, self.description).add_run(
            session.run.run_id,
            {**session.run.configuration.parameters, **session.run.parameters},
            {example: dict(values) for example, values in run.values.by_example.items()},
            data,
            classic_result_steps(result),
        )

    def aggregate(self, aggregation: Any) -> dict[str, Any]:
        """Aggregate the completed runs, and write the texts of the original.

        Raises:
            StateError: there is no completed run.
            MetricError: there is no such method or metric.
        """
        from legm.analysis import summaries

        configuration = self.require_configuration("aggregate_results()")
        if str(aggregation).startswith("confidence"):
            self.differences.report(
                "confidence",
                f"the interval of {aggregation!r} is that of Student's t, wider than the original's by the "
                "normal distribution",
            )
        found = summaries.summarize_results(
            self._client, configuration, self.description, aggregation, one_per_seed=False, where=None
        )
        if self.is_main:
            texts = {
                name: _classic_run_aggregate(one)
                for name, one in found.items()
                if isinstance(one, dict) and "mean" in one
            }
            try:
                ClassicFiles(self.folder(), self.description).write_aggregates(texts, list(self._custom))
            except LegmError as error:
                report_unwritten_classic_files(error)
        return found

    def ranked(
        self, metric: str, constraints: Mapping[str, Any], *, higher_better: bool, test: bool
    ) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """The experiment's configurations by folder, and their folders, best first.

        Raises:
            MetricError: no run has the metric.
            ParameterError: no configuration has a parameter of a constraint.
        """
        from legm.analysis import summaries

        ranking = summaries.rank_summarized_results(
            *(self._client, self.experiment, self.description, metric),
            higher_better=higher_better,
            test=test,
            constraints=constraints,
            one_per_seed=False,
            where=None,
        )
        key = f"test_{metric}" if test else f"best_{metric}"
        found = {
            str(one.folder): {
                "metrics": {key: {"mean": one.value.mean, "std": one.value.std, "n": one.value.n}},
                "config": dict(one.configuration.parameters),
            }
            for one in ranking
        }
        return found, list(found)

    def state(self) -> dict[str, Any]:
        """The parameters with their metadata, as :meth:`restore_state` takes them."""
        names = self.parameters.names()
        return {
            "configuration": self.parameters.configuration(self.experiment),
            "values": {name: self.parameters[name] for name in names},
            "declared": sorted(self.declared),
            "names": {name: (rule.transform, rule.priority) for name, rule in self._names.items()},
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Take over the parameters of :meth:`state`."""
        self.parameters.restore(state["configuration"])
        self.parameters.set(state["values"])
        self.declared.update(state["declared"])
        self._names = {name: _NameRule(*rule) for name, rule in state["names"].items()}

    def require_configuration(self, call: str) -> Configuration:
        """The configuration of the last start.

        Raises:
            StateError: there was none.
        """
        if self._configuration is None:
            raise StateError(f"{call} was called before start(): call start() first")
        return self._configuration

    @property
    def client(self) -> BackendClient:
        """The client of the local backend."""
        return self._client

    def folder(self) -> Path:
        """The configuration's folder.

        Raises:
            StateError: start() was not called.
        """
        return self.files().folder

    def files(self) -> UserFiles:
        """The user's files in the configuration's folder.

        Raises:
            StateError: start() was not called.
        """
        configuration = self.require_configuration("get_save_filename()")
        if self._run is not None and isinstance(self._run.session, RunSession):
            return self._run.session.files
        return UserFiles(wait_for_recorded_folder(self._client, configuration), self.description, "")


def classic_result_steps(result: RunResult) -> dict[str, Any]:
    """The steps of each dev metric of a run."""
    return {one.name: history.steps for one, history in result.histories.items() if one.index is None}


def report_nan_in_classic_run(differences: Differences, name: str) -> None:
    """Report that a metric has a value that is not a number."""
    differences.report(
        f"metric {name}",
        f"the metric {name!r} has a value that is not a number: it is kept in {NOT_NUMBERS_FILE}, and is "
        "neither averaged nor drawn",
    )


def report_empty_classic_parameters(differences: Differences, configuration: Configuration) -> None:
    """Report which parameters count here although they are 0 or empty."""
    empty = [
        name
        for name in configuration.active
        if (value := configuration.parameters[name]) in (0, "", [], {}) and not isinstance(value, bool)
    ]
    if empty:
        differences.report(
            "empty parameters",
            f"{', '.join(map(repr, empty))}: the value is 0 or empty, and distinguishes configurations; the "
            "original left such parameters out",
        )


def _classic_run_without_parent(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in {"parent", "parent_active"}}


def _classic_run_aggregate(aggregate: Mapping[str, Any]) -> str:
    """The text of an aggregate: of an interval, half of its width is the deviation."""
    if "lower" in aggregate:
        return classic_aggregate_text(aggregate["mean"], (aggregate["upper"] - aggregate["lower"]) / 2)
    return classic_aggregate_text(aggregate["mean"], aggregate["std"])
