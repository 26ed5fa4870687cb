"""The handler: the calls that users write in their training scripts."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from legm.console.console_options import console_limit
from legm.core.absent_values import stored_absent_values
from legm.core.config_objects import parameters_from_config
from legm.core.credentials import CredentialRule, redact_text
from legm.core.identity import ParameterDifference, identity_differences
from legm.core.naming import check_name
from legm.core.parameters import NameRule, Parameters, parameter_condition
from legm.core.run_marks import TAGS_VARIABLE, changed_marks, mark_tags_of_variable
from legm.core.texts import counted
from legm.delivery.absent_values_file import AbsentValuesFile, warn_of_values_without_absent_value
from legm.delivery.claims import TIMEOUT, ClaimSlot
from legm.delivery.client import connect_client
from legm.delivery.folder_access import default_folder_access
from legm.delivery.object_classes import compared_parameters
from legm.delivery.preemption import SIGNALS, watch_preemption
from legm.delivery.process_end import is_normal_process_end
from legm.delivery.resuming import WantedRun, run_to_resume, step_to_resume_at, unfinished_runs_to_resume
from legm.delivery.run_session import RunSession, new_run, session_outcome
from legm.delivery.run_start import RunOptions, RunStarter, warn_of_compared_seeds
from legm.delivery.unrecorded_session import UnrecordedSession, wait_for_recorded_folder
from legm.errors import InvalidName, LegmError, MetricError, StateError, closest
from legm.hooks import Capability
from legm.media.media_logging import MediaLogging, MediaTarget
from legm.records import (
    Comparison,
    Configuration,
    Outcome,
    Plain,
    Ranked,
    RankedGroup,
    Run,
    RunMarks,
    RunResult,
    Status,
)
from legm.runlog.file_names import CUSTOM_DATA_FILE
from legm.runlog.log_folder import LogFolder
from legm.runlog.recorded_values import (
    EXACT,
    recording_decorator,
    to_recorded_best_rule,
    to_recorded_display,
    to_recorded_step,
)
from legm.runlog.user_files import UserFiles
from legm.system_metrics.sampler import require_system_libraries
from legm.util.given_paths import absolute_given_path, resolved_path
from legm.util.process_rank import is_main_process

if TYPE_CHECKING:
    from legm.plotting import StyleSheets
    from legm.stats.aggregate import Aggregation

__all__ = ["ExperimentHandler"]

log = logging.getLogger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=Mapping[Any, Any])
F = TypeVar("F", bound=Callable[..., Any])

Comparable: TypeAlias = "ExperimentHandler | Configuration | Ranked | str | os.PathLike[str]"
"""What names a configuration; a text is its name, its folder or its fingerprint."""


class ExperimentHandler(MediaLogging):
    """Holds an experiment's hyperparameters, which identify the configuration, and records its runs.

    Set parameters, ``start()``, set metrics, ``log()``; then ``aggregate_results()``, ``plot()`` and
    ``get_best()`` work over every run of the same configuration. Parameters are read as attributes:
    ``handler.learning_rate``. As a context manager it calls ``log()`` on a normal exit and for
    ``sys.exit(0)``. On any other exception it marks the run as failed and keeps what was set.
    A process that ends does the same with open runs.

    Args:
        root_directory: the folder for all experiments; it is created when the first run starts. A relative
            one is relative to the current folder of now, whatever folder the process changes to.
        experiment_name: the kind of experiment, such as ``"LeNet@MNIST"``.
        description: distinguishes runs of one configuration (a temporary code change, say).
        backend: where runs are kept: a name (``"local"``), a class made from the root directory and
            options, or an instance; or a list of these. The first is the primary, which reads come from.
            The others are mirrors, which receive the same records; their errors are only logged, also where
            one cannot be made.
        backend_options: the backend's own options; for a list of backends, by the backend's name.
        strict: whether ``log()`` (and what is computed over runs) raises an error where a backend has not
            received everything; otherwise that is logged, and the rest is delivered later.
        credentials: shell patterns for the names of parameters whose texts are credentials; without
            patterns, they are recognized by names such as ``api_key`` and ``password``, and by their form;
            with ``()``, none is. They are not compared, only the handler itself has them, and everything
            that is stored, sent or shown has ``<redacted>`` in their place.
        console: whether what the process and its children print is kept with each run, until the run ends:
            up to 10 MB, or up to another number of bytes. ``legm logs`` shows it. None: as the environment
            variable ``LEGM_CONSOLE`` says (1, 0 or a number of bytes), which ``legm run`` sets; else not.
        system_metrics: whether the use of processor, memory, disk, network and GPUs is recorded every 15
            seconds. It is shown with each run and is not among its metrics; ``legm[system]`` is needed.
        main_process: whether this process records. Of the processes that train one model together (torchrun,
            SLURM, MPI, accelerate) only rank 0 does, which is found from the environment; in the others
            parameters can be read, and every other call has no effect. Runs can be read in all of them.
        provenance: whether each run records where it comes from: the command, the script's git repository
            with its uncommitted changes, the machine, the scheduler's ids, and the versions of what was
            imported. The environment variable ``LEGM_PROVENANCE=0`` switches it off.

    Raises:
        InvalidName: the experiment's name or the description is not text, or is empty.
        ParameterError: the root directory is not a path, or an empty one.
        BackendError: the backend is unknown or does not fit.
    """

    __slots__ = (
        "__weakref__",
        "_client",
        "_configuration",
        "_description",
        "_experiment",
        "_files",
        "_is_main_process",
        "_note",
        "_parameters",
        "_session",
        "_slot",
        "_starter",
        "_tags",
    )

    def __init__(
        self,
        root_directory: str | os.PathLike[str],
        experiment_name: str,
        description: str | None = None,
        *,
        backend: object = "local",
        backend_options: Mapping[str, Any] | None = None,
        strict: bool = False,
        credentials: Sequence[str] | None = None,
        console: bool | int | None = None,
        system_metrics: bool = False,
        main_process: bool | None = None,
        provenance: bool = True,
    ) -> None:
        check_name("experiment", experiment_name, InvalidName)
        if description:
            check_name("description", description, InvalidName)
        self._experiment = experiment_name
        self._description = redact_text(description or "")
        self._is_main_process = is_main_process(main_process)
        recorded = RunOptions(
            self._is_main_process, console_limit(console), bool(system_metrics), has_provenance=provenance
        )
        if recorded.has_system_metrics:
            require_system_libraries()
        root = absolute_given_path(root_directory)
        self._client = connect_client(
            root, backend, backend_options, strict=strict, read_only=not self._is_main_process
        )
        cls = type(self)  # not the handler: a cycle would keep it when it is dropped
        self._parameters = Parameters(
            lambda name: hasattr(cls, name),
            CredentialRule(credentials),
        )
        self._configuration: Configuration | None = None
        self._files: UserFiles | None = None
        self._session: RunSession | UnrecordedSession | None = None
        self._note = ""
        self._tags = mark_tags_of_variable(os.environ.get(TAGS_VARIABLE))
        self._slot = ClaimSlot()
        self._starter = RunStarter(self._client, self._parameters, self._description, self._slot, recorded)

    # Parameters

    def set_param(self, name: str, value: T, parent: str | None = None, *, absent_value: Any = None) -> T:
        """Set a hyperparameter.

        Args:
            name: its name.
            value: its value; None and False make it inactive.
            parent: the parameter that must be active for this one to count.
            absent_value: the value that runs from before this parameter existed had. With it the parameter is
                inactive, so that those runs are of the same configuration; see :meth:`set_param_metadata`.

        Returns:
            the value.

        Raises:
            ParameterError: the name is not text or belongs to the handler, the parent makes a cycle, or the
                parameter has another absent value.
            StateError: the run has started, and the parameter does not have this value.
        """
        absent = {} if absent_value is None else {name: absent_value}
        self._set_params(f"set_param({name!r})", {name: value}, parent, absent)
        return value

    def set_dict_params(self, params: T, parent: str | None = None, flatten: bool = False) -> T:
        """Set hyperparameters from a mapping or configuration object; on an error none is set.

        Args:
            params: a mapping, a dataclass, attrs class or pydantic model, an OmegaConf or Hydra
                configuration (interpolations are resolved), a named tuple or a namespace.
            parent: the parameter that must be active for all of them to count.
            flatten: whether nested values become separate parameters with joined names such as
                ``model.depth``, and the class of an object that has them ``model.class``; otherwise each is
                one parameter whose value is a mapping.

        Returns:
            the argument.

        Raises:
            ParameterError: it is none of these, a value is missing, two joined names are the same, or as
                :meth:`set_param`.
            StateError: the run has started.
        """
        values = parameters_from_config("set_dict_params()", params, flatten=flatten, with_class_names=True)
        self._set_params("set_dict_params()", values, parent)
        return params

    def set_namespace_params(self, namespace: T, parent: str | None = None, flatten: bool = False) -> T:
        """Set hyperparameters from the attributes of a namespace, as from argparse; on an error none is set.

        Args:
            namespace: anything that ``vars()`` takes, or that :meth:`set_dict_params` does; of a class, its
                public attributes, and those that it inherits.
            parent: see :meth:`set_dict_params`.
            flatten: see :meth:`set_dict_params`.

        Returns:
            the namespace.

        Raises:
            ParameterError, StateError: as :meth:`set_dict_params`.
        """
        values = parameters_from_config(
            "set_namespace_params()", namespace, flatten=flatten, of_classes=True, with_class_names=True
        )
        self._set_params("set_namespace_params()", values, parent)
        return namespace

    def _set_params(
        self,
        call: str,
        values: Mapping[str, Any],
        parent: str | None,
        absent: Mapping[str, Any] | None = None,
    ) -> None:
        """Set parameters; after start(), those that have these values already, as trainers set them twice."""
        is_repeated = (
            self._configuration is not None
            and self._parameters.has_values(values)
            and self._parameters.has_parent(values, parent)
            and self._parameters.has_absent_values(absent or {})
        )
        if not is_repeated:
            self._changeable(call).set(values, parent, absent)

    def infer_metadata(self) -> dict[str, str]:
        """Exclude from the comparison what looks as if it only distinguished runs, as an import does.

        Of the parameters that were set so far these are seeds, devices, numbers of workers, hosts, paths that
        are written to, names of runs, times of now, and values with memory addresses. Whatever the metadata
        decides, puts into the configuration's name or makes a parent stays as it is;
        ``disable_comparison=False`` keeps a parameter in the comparison. What was decided is logged once.

        Returns:
            by parameter, why it is not compared any more.

        Raises:
            StateError: the run has started.
        """
        found = self._changeable("infer_metadata()").disable_inferred(time.time())
        if found:
            shown = "; ".join(f"{name!r} {why}" for name, why in found.items())
            log.info(
                "infer_metadata() excluded from the comparison: %s. To compare one, set its metadata to "
                "disable_comparison=False before the call",
                shown,
            )
        return found

    def set_parent(self, child: str, parent: str, active_value: Any = None) -> None:
        """Make a parameter count only where another one is active, or has a certain value.

        Args:
            child: the parameter.
            parent: the one it depends on; a parameter with several parents needs all of them.
            active_value: the value that the parent must have, or a function that returns whether it is
                right; None for any value that makes the parent active.

        Raises:
            ParameterError: this would make a cycle.
            StateError: the run has started.
        """
        self._changeable("set_parent()").set_parent(child, parent, parameter_condition(parent, active_value))

    def disable_param(self, name: str) -> None:
        """Exclude a parameter from the comparison: a device, a path, a seed.

        Args:
            name: the parameter.

        Raises:
            ParameterError: it was never set.
            StateError: the run has started.
        """
        self.disable_params([name])

    def disable_params(self, names: Iterable[str]) -> None:
        """Exclude parameters from the comparison; see :meth:`disable_param`.

        Args:
            names: the parameters; a single one may be given as text.

        Raises:
            ParameterError, StateError: as :meth:`disable_param`.
        """
        self._changeable("disable_params()").disable([names] if isinstance(names, str) else names)

    def name_param(
        self, name: str, name_transform: Callable[[Any], Any] | None = None, name_priority: float = 0
    ) -> None:
        """Put a parameter's value into the configuration's name.

        Args:
            name: the parameter.
            name_transform: makes the text from the value.
            name_priority: higher comes earlier; equal ones are ordered by name.

        Raises:
            ParameterError: it was never set.
            StateError: the run has started.
        """
        self._changeable("name_param()").set_name_rule([name], NameRule(True, name_transform, name_priority))

    def name_params(self, names: Iterable[str]) -> None:
        """Put the values of parameters into the configuration's name; see :meth:`name_param`.

        Args:
            names: the parameters; a single one may be given as text.

        Raises:
            ParameterError, StateError: as :meth:`name_param`.
        """
        self._changeable("name_params()").set_name_rule(
            [names] if isinstance(names, str) else names, NameRule()
        )

    def set_param_metadata(
        self, metadata: Mapping[str, Mapping[str, Any]], namespace: object | None = None
    ) -> None:
        """Set parents, comparison and names of many parameters at once; on an error nothing is set.

        Args:
            metadata: ``{parameter: {field: value}}`` with the fields ``parent`` (a name or a list of
                them), ``parent_active`` (a value or a function; for several parents a mapping by
                parent), ``disable_comparison``, ``name`` (true, or a function of the value),
                ``name_transform``, ``name_priority``, and ``absent_value``: the value that runs from before
                the parameter existed had, with which it is inactive. :meth:`start` keeps it with the
                experiment. The order does not matter.
            namespace: names parameters that may be set later: what :meth:`set_namespace_params` takes.

        Raises:
            ParameterError: a field or a parameter is unknown, parents make a cycle, or a parameter has
                another absent value.
            StateError: the run has started.
        """
        known = {} if namespace is None else parameters_from_config("set_param_metadata()", namespace)
        self._changeable("set_param_metadata()").set_metadata(metadata, known)

    def _changeable(self, call: str) -> Parameters:
        if self._configuration is not None:
            raise StateError(
                f"{call} was called after start(), which freezes the parameters: call it before start()"
            )
        return self._parameters

    def __getattr__(self, name: str) -> Any:
        if name in type(self).__slots__ or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        if name not in self._parameters:
            raise AttributeError(f"no parameter {name!r} was set; {closest(name, self._parameters.names())}")
        return self._parameters[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._parameters.names()]

    def __repr__(self) -> str:
        names = ", ".join(f"{name}={self._parameters.text(name)}" for name in self._parameters.names())
        return f"<ExperimentHandler {self._experiment!r} {names}>"

    def _repr_html_(self) -> str:
        from legm.analysis.notebook_views import handler_notebook_html
        from legm.core.html_markup import html_paragraphs

        try:
            configuration = self._current()
        except LegmError as error:
            return html_paragraphs([repr(self), str(error)])
        return handler_notebook_html(self._client, configuration, self._description, self.run_id)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, also one in another process, that reads parameters and runs; its other calls do nothing."""
        backends = self._client.with_mirrors
        return _unrecorded_handler, (
            type(self),
            self._client.root,
            self._experiment,
            self._description,
            [type(one.backend) for one in backends],
            {one.name: one.options for one in backends},
            self._current(),
            {name: self._parameters[name] for name in self._parameters.names()},
            None if self._session is None else self._session.run,
        )

    # Identity

    def _current(self) -> Configuration:
        return self._configuration or self._as_compared()[1]

    def _as_compared(self) -> tuple[Parameters, Configuration]:
        return compared_parameters(self._client, self._parameters, self._experiment)

    def _compared(self) -> Parameters:
        """The parameters that the configuration is made of; a value may have been changed since start()."""
        if self._configuration is None:
            return self._as_compared()[0]
        frozen = Parameters()
        frozen.restore(self._configuration)
        return frozen

    @property
    def fingerprint(self) -> str:
        """The configuration's identity, which is equal for equal configurations on every machine and backend.

        Raises:
            UnstableValue: an active parameter has no form that is the same in every process.
            ParameterError: a parent was never set.
        """
        return self._current().fingerprint

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExperimentHandler):
            return NotImplemented
        return self.fingerprint == other.fingerprint

    __hash__ = None  # type: ignore[assignment]

    def explain_difference(self, other: ExperimentHandler) -> tuple[ParameterDifference, ...]:
        """List the differences between two handlers' configurations; a started one is as it was at start().

        Args:
            other: the other handler.

        Returns:
            a difference for each parameter, to be read or printed; none where they are the same.
        """
        ours, theirs = self._compared(), other._compared()
        found = identity_differences(
            ours.active(), theirs.active(), ours.inactive_reason, theirs.inactive_reason
        )
        if self._experiment != other._experiment:
            return (ParameterDifference("experiment", self._experiment, other._experiment), *found)
        return found

    # Which runs are needed

    def should_run(self, n: int, timeout: float = TIMEOUT) -> bool:
        """Whether fewer than ``n`` runs of this configuration and description are completed or running.

        If so, the handler gets a *claim* on one of the ``n`` slots, which every later call counts: of forty
        processes that ask at once, as many get True as slots are free. ``start()`` and ``reset()`` turn the
        claim into the run. Failed and interrupted runs take no slot, so the next process that asks gets it.

        A claim ends without a run when the handler is left as a context manager or dropped, when its
        process ends in any way, and after ``timeout``. A repeated call returns the same answer and renews
        the claim for another ``timeout``. While the claimed run is running, the answer is True. After
        ``log()`` the call is about the next run.

        Args:
            n: how many completed runs are wanted.
            timeout: seconds that may pass until the run begins; ``math.inf``: while the process lives.

        Returns:
            whether to begin a run, or to continue the claimed one that has begun.

        Raises:
            ParameterError: ``n`` is not a whole number of at least 0, the timeout is not above 0, or as
                :meth:`start` for absent values.
            StateError: a run that began without a claim is still running, or this process does not record:
                only rank 0 asks, and informs the others.
            StorageError: the root directory cannot be written; nothing is claimed.
            BackendError: the backend does not answer; nothing is claimed.
        """
        if not self._is_main_process:
            raise StateError(
                "should_run() and claim() are for rank 0 only, since they may claim a slot: call them "
                "there and broadcast the result, or pass main_process=True if this process trains on its own"
            )
        if isinstance(self._session, RunSession) and not self._session.is_logged:
            return self._session.require_claimed()
        self._keep_absent_values()
        return self._slot.ask(self._client, self._current(), self._description, n, timeout)

    @contextmanager
    def claim(self, n: int, timeout: float = TIMEOUT) -> Iterator[bool]:
        """:meth:`should_run` as a context manager: on exit it releases a claim that no run has used.

        Write ``with handler.claim(5) as ok:``, and inside it ``if ok:`` and ``with handler.start():``. It
        does not end the run, and exceptions propagate.

        Args:
            n: how many runs the configuration should have, as for :meth:`should_run`.
            timeout: seconds until an unused claim expires.

        Yields:
            whether another run is needed.

        Raises:
            ParameterError, StateError, StorageError, BackendError: as :meth:`should_run`.
        """
        try:
            yield self.should_run(n, timeout)
        finally:
            self._slot.release()

    # The run

    def start(self, resume: bool | str | None = None, *, rewind_to: int | None = None) -> ExperimentHandler:
        """Freeze the parameters and begin a run of the configuration they make, or resume an earlier one.

        Args:
            resume: True to resume the newest run of this configuration and description that ended without
                :meth:`log` (interrupted or failed), has the same seeds, and is written by no living process;
                where there is none a new run begins. A run's id, or the end of it, to resume that run,
                whatever its status. False for a new run. By default what the environment variable
                ``LEGM_RESUME`` says: ``auto`` is True, another text a run's id; a new run without it.
            rewind_to: the step of the checkpoint that training goes back to, as for :meth:`rewind`; without
                effect on a new run.

        Returns:
            the handler, so that ``with handler.start():`` works.

        Raises:
            UnstableValue: an active parameter cannot distinguish configurations.
            ParameterError: no run has the id, it has another configuration, description or seed,
                ``rewind_to`` is given without ``resume``, or the experiment keeps another absent value of a
                parameter.
            StateError: a run that already has records is still running, or a living process writes the run
                with the id.
            MetricError: ``rewind_to`` is not a whole number.
            StorageError: the root directory cannot be written, or the log of the run with the id is damaged.
            BackendError: the backend failed.
        """
        wanted = run_to_resume(resume)
        rewind_to = step_to_resume_at(rewind_to, wanted)
        if self._session is not None:
            if self._session.recorder.is_empty and self._is_wanted_run(self._session, resume):
                return self
            raise StateError(
                "start() was called during a run: log() it and reset() first, or make a new handler"
            )
        known_absent = self._keep_absent_values()
        configuration = self._as_compared()[1]
        self._begin(configuration, wanted, rewind_to)
        self._configuration = configuration
        warn_of_values_without_absent_value(configuration, known_absent, self._parameters.absent_values())
        warn_of_compared_seeds(configuration)
        return self

    def unfinished_runs(self) -> dict[str, Path]:
        """The runs that ``start(resume=True)`` may resume, newest first, and where their files are.

        What has to find a checkpoint before it starts looks there.

        Returns:
            by id, the folder of the configuration, of each run of this configuration and description with the
            same seeds that is not completed. One that another process is writing is among them.

        Raises:
            UnstableValue: an active parameter cannot distinguish configurations.
            StorageError: the root directory cannot be read.
            BackendError: the backend failed.
        """
        configuration = self._current()
        folder = self._client.folder(configuration)
        if folder is None:
            return {}
        new = new_run(configuration, self._description, self._parameters.uncompared())
        return dict.fromkeys(unfinished_runs_to_resume(LogFolder.of(folder), new), folder)

    def _is_wanted_run(self, session: RunSession | UnrecordedSession, resume: bool | str | None) -> bool:
        """Whether a run that has begun is the one that ``start(resume=…)`` asks for."""
        if isinstance(session, UnrecordedSession) or not resume:
            return True
        return session.is_resumed if resume is True else session.run.run_id.endswith(str(resume))

    def unstarted_copy(self) -> ExperimentHandler:
        """A handler of the same experiment, description, backends and options that was not started.

        It has the parameters of this one, with their metadata, and may be given others: what begins several
        configurations makes a copy for each.

        Returns:
            the handler.
        """
        other = type(self).__new__(type(self))
        own = [*getattr(self, "__dict__", ()), *ExperimentHandler.__slots__]  # the first ones of a subclass
        for name in own:
            if name != "__weakref__":
                setattr(other, name, getattr(self, name))
        other._forget_run()  # noqa: SLF001 - it is made here
        return other

    def _forget_run(self) -> None:
        """Become a handler that was not started, with parameters and metadata of its own."""
        self._parameters, self._configuration = self._parameters.copy(), None
        self._session, self._files, self._slot = None, None, ClaimSlot()
        self._starter = replace(self._starter, parameters=self._parameters, slot=self._slot)

    def kept_absent_values(self) -> Mapping[str, Any]:
        """The absent values that the experiment keeps; see :meth:`set_param_metadata`.

        Returns:
            the values by parameter; none where their file cannot be read, which is logged as an error.
        """
        return AbsentValuesFile(self._client.own_folder_of_experiment(self._experiment)).read_or_log()

    def _keep_absent_values(self) -> Mapping[str, Plain]:
        """Keep the absent values with the experiment; returns all that it keeps."""
        file = AbsentValuesFile(self._client.own_folder_of_experiment(self._experiment))
        given = self._parameters.absent_values()
        known = file.keep(given, is_writer=self._is_main_process)
        self._parameters.replace_absent_values({name: known[name] for name in given if name in known})
        return known

    def _begin(
        self, configuration: Configuration, wanted: WantedRun | None = None, rewind_to: int | None = None
    ) -> None:
        self._session = session = self._starter.begin(configuration, wanted, rewind_to)
        if isinstance(session, RunSession):
            self._files = session.files
            if self._tags or self._note:
                session.mark(lambda marks: changed_marks(marks, self._tags, note=self._note or None))

    def _begin_copy(self, configuration: Configuration, values: dict[str, Any], run: Run | None) -> None:
        """Take over the parameters of the handler that this one is a copy of."""
        self._parameters.restore(configuration)
        self._parameters.set(values)
        self._configuration = configuration
        if run is not None:
            self._session = UnrecordedSession(run)

    def _require_files(self) -> UserFiles:
        if self._files is None:
            if self._configuration is None or self._is_main_process:
                raise StateError("the configuration has no folder before start(): call start() first")
            self._files = UserFiles(
                wait_for_recorded_folder(self._client, self._configuration), self._description, ""
            )
        return self._files

    def _running(self, call: str) -> RunSession | UnrecordedSession:
        session = self._session
        if session is None:
            if self._configuration is None:
                raise StateError(
                    f"{call} was called before start(): set the parameters, call start(), then {call}"
                )
            raise StateError(f"{call} was called after the run was closed: begin a new one with reset()")
        session.is_logged = False
        return session

    def _media_of(self, call: str) -> MediaTarget:
        session = self._running(call)
        session.recorder.require_own_process()
        return session.media

    def set_metric(self, name: str, value: T, test: bool = False, step: int | None = None) -> T:
        """Set one value of a metric.

        Args:
            name: the metric.
            value: one number of Python's, NumPy's or a tensor's; NaN and infinities are kept.
            test: a single value, of which the last one counts; otherwise a value of a dev series.
            step: any whole number of 64 bits, in any order; None for the position in the series, which
                is how many values were set before. Of a step set twice the last value counts.

        Returns:
            the value.

        Raises:
            MetricError: the name, value or step is invalid; nothing was set.
            StateError: there is no run.
        """
        session = self._session
        if session is None or session.is_logged:
            session = self._running("set_metric()")
        number: Any = value
        if type(value) is not float:
            if type(value) is int and -EXACT <= number <= EXACT:
                number = float(number)  # quicker than what follows for whole numbers
            elif isinstance(value, Mapping):
                raise MetricError(f"metric {name!r} must be one number; set_dict_metrics() takes mappings")
        session.recorder.add_metrics({name: number}, step, test=test)
        return value

    def set_dict_metrics(self, metrics: M, test: bool = False, step: int | None = None) -> M:
        """Set a value of each of several metrics at one step.

        Args:
            metrics: values by name; a mapping of mappings ``{example_id: {metric: value}}`` is indexed.
            test: see :meth:`set_metric`.
            step: see :meth:`set_metric`.

        Returns:
            the mapping.

        Raises:
            MetricError, StateError: as :meth:`set_metric`.
        """
        session = self._session
        if session is None or session.is_logged:
            session = self._running("set_dict_metrics()")
        if type(metrics) is not dict and not isinstance(metrics, Mapping):
            raise MetricError(
                f"set_dict_metrics() takes a mapping from names to values, not {type(metrics).__qualname__}"
            )
        session.recorder.add_metrics(metrics, step, test=test)
        return metrics

    @overload
    def capture_metrics(self, metric_names: F) -> F: ...

    @overload
    def capture_metrics(
        self, metric_names: Sequence[str] | None = None, test: bool = False
    ) -> Callable[[F], F]: ...

    def capture_metrics(
        self, metric_names: Sequence[str] | Callable[..., Any] | None = None, test: bool = False
    ) -> Callable[..., Any]:
        """Decorate a function so that what it returns is logged as metrics.

        Args:
            metric_names: the names for a returned sequence, in its order, or which keys of a returned
                mapping to log. Without names a mapping is logged completely, and a sequence as
                ``<function>_0``, ``<function>_1``, …; a single number as ``<function>``.
            test: see :meth:`set_metric`.

        Returns:
            a decorator that leaves what the function returns as it is; the decorated function itself where
            the function is the only argument.

        Raises:
            MetricError: when the function is called: what it returns does not fit the names.
        """
        if callable(metric_names):
            plain: Callable[[Callable[..., Any]], Callable[..., Any]] = self.capture_metrics(None, test)
            return plain(metric_names)
        names = [metric_names] if isinstance(metric_names, str) else metric_names
        return recording_decorator(lambda metrics: self.set_dict_metrics(metrics, test), names)

    def set_best(
        self,
        method: str = "last",
        *,
        step: int | None = None,
        best_step: int | None = None,
        metric: str | None = None,
        higher_better: bool | None = None,
    ) -> None:
        """Set how the best step is chosen; ``best_<metric>`` is every metric at that step.

        Args:
            method: ``"last"`` or ``"early_stopping"``.
            step: for early stopping, the step itself.
            best_step: the same.
            metric: for early stopping, the dev metric whose best value chooses; NaN never wins, and of
                equal values the first does.
            higher_better: whether its highest value is the best; None to decide by its name, as in rankings:
                the lowest of a loss or an error, else the highest.

        Raises:
            MetricError: the method is unknown, a step and a metric were given, or neither, or other dev
                metrics were set, but not this one.
            StateError: there is no run.
        """
        rule = to_recorded_best_rule(method, step, best_step, metric, higher_better=higher_better)
        recorder = self._running("set_best()").recorder
        if metric is not None:
            recorder.expect_metric(metric)
        recorder.add_record(rule)

    def log(self) -> RunResult:
        """Complete the run, so that it counts.

        A repeated call after more metrics replaces the run's entry; without one, the run is failed or
        interrupted in the end. A best step that was to be chosen by a metric that was never set is the last
        one, which is logged as an error.

        Returns:
            the result: best step, best and test values, series.

        Raises:
            StorageError, BackendError: the run cannot be stored; the run log has all of it, and log()
                may be called again.
            StateError: there is no run.
        """
        session = self._running("log()")
        result = session.finish(Outcome(Status.COMPLETED, time.time()))
        session.is_logged = True
        if isinstance(session, RunSession):
            log.info("run %s is completed: %s", session.run.run_id, counted(result.points, "value"))
        return result

    def flush(self, timeout: float = 0.0) -> bool:
        """Write what was set to the run log, and deliver it to the backends now.

        This happens by itself several times a second; without a run there is nothing to do.

        Args:
            timeout: seconds to wait until every backend has it; backends on this machine have it at once.

        Returns:
            whether every backend has everything that was set.

        Raises:
            StateError: the run belongs to the process that this one was forked from.
            StorageError: the log cannot be written; what was set is kept in memory.
        """
        if self._session is None:
            return True
        self._session.recorder.require_own_process()
        self._session.media.drain()
        position = self._session.recorder.flush()
        return self._session.delivery.wait_until_delivered(position, timeout)

    @property
    def run_id(self) -> str | None:
        """The id of the current run; None before start(), after the run was closed, and without a record."""
        return self._session.run.run_id if isinstance(self._session, RunSession) else None

    @property
    def is_main_process(self) -> bool:
        """Whether this process records; in the others of a distributed training no call has an effect."""
        return self._is_main_process

    @property
    def has_started(self) -> bool:
        """Whether :meth:`start` was called, so that the parameters are frozen."""
        return self._configuration is not None

    @property
    def is_resumed(self) -> bool:
        """Whether the current run was begun by another process, and :meth:`start` resumed it."""
        return self._session is not None and self._session.is_resumed

    @property
    def last_step(self) -> int | None:
        """The largest step of the current run's dev values; None before the first, and without a run."""
        return None if self._session is None else self._session.recorder.last_step

    def tag(self, *tags: str, remove: str | Sequence[str] = ()) -> tuple[str, ...]:
        """Mark the run with tags, by which commands and ``where=`` select it: ``tag:baseline``.

        Before :meth:`start` the tags are for every run that this handler begins; the environment variable
        ``LEGM_TAGS`` has some for every handler, joined by commas. ``"favourite"`` is shown as a star. The
        tags are in a file beside the run log, ``runs/<run id>.marks.yml``, which may be edited.

        Args:
            *tags: letters, digits and ``. _ : / -``.
            remove: tags to remove, one or several.

        Returns:
            all tags that the run has now.

        Raises:
            InvalidName: one is not a tag.
            StateError: the run was closed.
        """
        removed = [remove] if isinstance(remove, str) else list(remove)
        if self._configuration is None:
            self._tags = changed_marks(RunMarks(self._tags), tags, removed).tags
            return self._tags
        session = self._session
        if session is None:
            raise StateError("tag() was called after the run was closed: legm tag marks a closed run")
        if not isinstance(session, RunSession):  # of another process, or a copy
            return changed_marks(RunMarks(self._tags), tags, removed).tags
        return session.mark(lambda marks: changed_marks(marks, tags, removed)).tags

    def set_note(self, text: str | None = None) -> str:
        """Note a text about the run, such as why it was begun; :meth:`tag` is for what is selected by.

        Before :meth:`start` the note is for every run that this handler begins. It is in the file with the
        run's tags.

        Args:
            text: replaces the note; "" deletes it, and None changes nothing.

        Returns:
            the note that the run has now.

        Raises:
            InvalidName: it is not a text, or too long.
            StateError: the run was closed.
        """
        if self._configuration is None:
            self._note = changed_marks(RunMarks((), self._note), note=text).note
            return self._note
        session = self._session
        if session is None:
            raise StateError("set_note() was called after the run was closed: use legm note for a closed run")
        if not isinstance(session, RunSession):  # of another process, or a copy
            return changed_marks(RunMarks((), self._note), note=text).note
        return session.mark(lambda marks: changed_marks(marks, note=text)).note

    def rewind(self, step: int) -> None:
        """Go back to a step, as training does that continues from its checkpoint.

        Dev values, displays and media at a later step are void, as if they had never been set. Test values,
        which have no step, files and the rule for the best step stay.

        Args:
            step: the last step that stays.

        Raises:
            MetricError: it is not a whole number of 64 bits.
            StateError: there is no run, or it belongs to the process that this one was forked from.
            StorageError: the run log cannot be written.
        """
        self._running("rewind()").rewind(to_recorded_step("rewind()", step))

    def on_preemption(
        self,
        save: Callable[[], object] | None = None,
        signals: str | int | Sequence[str | int] = SIGNALS,
    ) -> None:
        """Save the training's state and mark the run when its machine is about to be taken away.

        On the first of the signals ``save`` is called, everything that was set is written and delivered as
        far as it can be, the run is marked as interrupted, and the signal does what it did before, which by
        default ends the process. ``start(resume=True)`` continues the run. Where the program's own handler
        of the signal lets the training continue, so does the run: what is set then belongs to it. Several
        calls save all that they were given, in their order.

        Args:
            save: stores a checkpoint. It is called between two instructions of the main thread, once; an
                error that it raises is logged. ``sys.exit()`` in it ends the process when the run is marked.
            signals: names or numbers of the signals; a system without one of them cannot send it.

        Raises:
            ParameterError: there is no such signal, no program can handle it, or ``save`` is not callable.
            StateError: this is not the main thread.
        """
        watch_preemption(weakref.WeakMethod(self._written_run), save, signals)

    def _written_run(self) -> RunSession | UnrecordedSession | None:
        return self._session

    def end(self, status: str = "completed", reason: str | None = None) -> None:
        """End the run; :meth:`reset` begins another one.

        Args:
            status: ``"completed"``, as :meth:`log` does; ``"failed"``; ``"pruned"`` for a run that was
                stopped on purpose before its end; or ``"interrupted"`` for one that is to be resumed. Only
                completed runs are aggregated.
            reason: why a run did not complete.

        Raises:
            ParameterError: there is no such status, or a completed run has a reason.
            StateError: there is no run, or it is completed already.
            StorageError, BackendError: as :meth:`log`.
        """
        outcome = session_outcome(status, reason)
        session = self._session
        if session is None:
            session = self._running("end()")  # raises
        if session.is_preempted:
            session.is_logged = False
        if session.is_logged and outcome.status is not Status.COMPLETED:
            raise StateError(f"end({status!r}) was called after log() completed the run")
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        """End the current run, if it is not logged, and release it."""
        if self._session is None:
            return
        self._session.recorder.require_own_process()
        try:
            self._session.end(outcome)
        finally:
            self._session = None

    def reset(self, **parameters: Any) -> None:
        """Begin a new run of the same configuration; what was not logged stays as an interrupted run.

        Args:
            **parameters: new values of parameters that are not compared, such as ``seed=3``.

        Raises:
            StateError: no run was started yet.
            ParameterError: one of these parameters is compared, so the configuration would be another one.
        """
        if self._configuration is None:
            raise StateError("reset() was called before start(): call start() for the first run")
        self._parameters.require_uncompared(parameters)
        outcome = Outcome(Status.INTERRUPTED, time.time(), "reset() before log()")
        if self._session is not None and not self._session.is_logged:
            self._session.finish(outcome)  # raises while the run is open, so that none of it is lost
            self._session.is_logged = True
        self._end(outcome)
        self._parameters.set(parameters)
        self._begin(self._configuration)

    def __enter__(self) -> ExperimentHandler:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._slot.release()
        if error is None or is_normal_process_end(error):
            self._end(Outcome(Status.COMPLETED, time.time()))
            return
        if isinstance(self._session, RunSession):
            self._session.note_error(error)
        try:
            self._end(Outcome(Status.FAILED, time.time(), f"{type(error).__name__}: {error}"))
        except LegmError as own:  # the user's own error is the one that is raised
            log.error("the run could not be marked as failed: %s", own)  # noqa: TRY400

    # Files

    @property
    def configuration_folder(self) -> Path:
        """Where the configuration's files are.

        Raises:
            StateError: start() was not called.
        """
        return self._require_files().folder

    def get_save_filename(self, basename: str = "model.pt") -> str:
        """A path in the configuration's folder, with the description in front of the name.

        A name for which this run called :meth:`set_custom_data` is that of its data.

        Args:
            basename: the file's name.

        Returns:
            the absolute path; the file need not exist.

        Raises:
            InvalidName: the name is empty, or reserved by legm.
            StateError: start() was not called.
        """
        return str(self._require_files().path(basename))

    @property
    def model_save_filename(self) -> str:
        """:meth:`get_save_filename` of ``model.pt``."""
        return self.get_save_filename()

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> str:
        """Store a copy of a file with the run.

        Args:
            path: the file.
            name: its name in the run; its own without one.

        Returns:
            where the copy is.

        Raises:
            NotSupported: the backend stores no files.
            StorageError: there is no such file, or it cannot be copied.
            StateError: there is no run.
        """
        self._client.require(Capability.ARTIFACTS, "log_artifact()")
        return str(self._running("log_artifact()").keep_file(Path(path), name))

    def set_custom_data(self, data: T, basename: str = CUSTOM_DATA_FILE) -> T:
        """Store data as a file in the configuration's folder.

        A second call in the same run updates a mapping, extends a list, and appends text. What another run
        stored stays: this run's file then has a number in its name; :meth:`get_save_filename` has it.

        Args:
            data: plain data for .yml and .json, text for .txt, a mapping of arrays for .npz.
            basename: the file's name; its extension sets the format.

        Returns:
            the data.

        Raises:
            InvalidName: another extension.
            LegmError: the data does not fit the extension, or what is there.
            StateError: there is no run.
        """
        self._running("set_custom_data()").keep_data(data, basename)
        return data

    def tensorboard_write(self, name: str, value: Any, step: int) -> None:
        """Show a scalar or a text beside the run's metrics in TensorBoard; it is not a metric.

        Args:
            name: the name under which TensorBoard shows it.
            value: a number or a text.
            step: the step.

        Raises:
            NotSupported: the backend cannot show it.
            MetricError: it is neither a number nor text, or the step is not a whole number.
            StateError: there is no run.
        """
        self._client.require(Capability.DISPLAYS, "tensorboard_write()")
        display = to_recorded_display(name, value, step)
        self._running("tensorboard_write()").recorder.add_record(display)

    @classmethod
    def load_existent(
        cls, folder: str | os.PathLike[str], description: str | None = None
    ) -> ExperimentHandler:
        """A handler with an existing configuration's parameters and metadata, ready for another run.

        Its runs are stored in this very folder, wherever it was moved.

        Functions in the metadata are stored only as their results: after a change of the parameter that a
        function depends on, set the metadata again.

        Args:
            folder: of the configuration, in the local backend.
            description: of the new run.

        Returns:
            a handler that has not been started.

        Raises:
            ParameterError: it is not a path, or an empty one.
            StorageError: it is not a configuration's folder.
            CorruptFile: its parameters were edited or damaged.
        """
        given = absolute_given_path(folder, "a configuration's folder")
        path, folders = resolved_path(given), default_folder_access()
        configuration = folders.read_configuration(path)
        root, backend = folders.backend_of(path)
        handler = cls(root, configuration.experiment, description, backend=backend)
        handler._parameters.restore(configuration)
        kept = AbsentValuesFile(handler._client.own_folder_of_experiment(configuration.experiment))
        handler._parameters.replace_absent_values(
            {**kept.read_or_log(), **stored_absent_values(configuration)}
        )
        return handler

    # Over runs

    def aggregate_results(
        self,
        aggregation: Aggregation = "mean",
        *,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Aggregate every completed run of this configuration and description, and store the result.

        Args:
            aggregation: ``"mean"`` (population deviation), ``"median"`` (with quartiles),
                ``"outlier_mean"`` (a tenth of the runs cut at each end), ``"confidence"`` or
                ``"confidence_0.9"`` (Student-t interval); or a mapping from metrics to methods, with
                ``"other"`` for the rest.
            one_per_seed: whether of several completed runs with equal seed parameters only the newest counts;
                by default all do, and a warning is logged.
            where: selects runs as ``--where`` does, such as ``"seed<3 and not tag:bad"``; several have all to
                hold. The result of a part of the runs is returned, and not stored.

        Returns:
            by ``best_<metric>``, ``test_<metric>``, ``time`` and ``time_per_sample``: mean, std, n, nan,
            failed, interrupted, repeated, method, chosen (such as "last loss"), and the method's own fields;
            different_code where the runs do not all come from the same code.

        Raises:
            StateError: there is no completed run.
            SelectionError: ``where`` is not a selection; the message shows where it is wrong.
            ParameterError: the configuration does not have a parameter or value of the selection.
            MetricError: there is no such method or metric.
            NotSupported: the backend stores no aggregates.
        """
        from legm.analysis import summaries as analysis

        return analysis.summarize_results(
            self._client,
            self._current(),
            self._description,
            aggregation,
            one_per_seed=one_per_seed,
            where=where,
        )

    def plot(
        self,
        aggregation: Aggregation = "mean",
        groups: Mapping[str, Sequence[str]] | Sequence[Sequence[str]] | None = None,
        exclude: Iterable[str] | None = None,
        exclude_pattern: str | None = None,
        formats: str | Sequence[str] = ("png",),
        style: StyleSheets = None,
        title: str | None = None,
        *,
        one_per_seed: bool = False,
        statuses: str | Sequence[str] = (),
        where: str | Sequence[str] | None = None,
    ) -> list[str]:
        """Draw the aggregated curves of this configuration's dev metrics, with their spread.

        Args:
            aggregation: as for :meth:`aggregate_results`.
            groups: the metrics of each picture, in order; a mapping gives the pictures' names. Without
                groups each metric has its own picture.
            exclude: metrics to leave out.
            exclude_pattern: a regular expression; metrics in which it is found are left out.
            formats: of the files: "png", "pdf" (vector graphics, fonts embedded), "svg".
            style: a matplotlib style sheet over legm's own look: the path of one, the name of one of
                matplotlib's, or a mapping of settings; or several, of which the later ones win.
            title: above each picture, instead of the configuration's name; "" for none.
            one_per_seed: as for :meth:`aggregate_results`.
            statuses: of runs that are drawn too, each as a line of its own that is never averaged: "failed",
                "interrupted", "pruned", "running".
            where: as for :meth:`aggregate_results`; the pictures' names and captions say it.

        Returns:
            where each picture is, in order; of several formats, the first picture in each of them, then
            the second.

        Raises:
            LegmError: there is no such format or style.
            StateError: there is no completed run.
            SelectionError: ``where`` is not a selection; the message shows where it is wrong.
            ParameterError: the configuration does not have a parameter or value of the selection.
            MetricError: a metric of a group does not exist.
            NotSupported: the backend stores no pictures.
        """
        from legm.analysis import summaries as analysis

        return analysis.write_summary_curves(
            self._client,
            self._current(),
            self._description,
            aggregation,
            groups,
            [exclude] if isinstance(exclude, str) else exclude or (),
            exclude_pattern,
            formats,
            style,
            title,
            one_per_seed=one_per_seed,
            statuses=statuses,
            where=where,
        )

    @overload
    def get_best(
        self,
        metric: str,
        higher_better: bool | None = None,
        test: bool = False,
        *,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
        group_by: None = None,
        **constraints: Any,
    ) -> list[Ranked]: ...

    @overload
    def get_best(
        self,
        metric: str,
        higher_better: bool | None = None,
        test: bool = False,
        *,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
        group_by: str | Sequence[str],
        **constraints: Any,
    ) -> list[RankedGroup]: ...

    def get_best(
        self,
        metric: str,
        higher_better: bool | None = None,
        test: bool = False,
        *,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
        group_by: str | Sequence[str] | None = None,
        **constraints: Any,
    ) -> list[Ranked] | list[RankedGroup]:
        """Rank the experiment's configurations by the mean of a metric over their completed runs.

        What was decided (the direction, and how the runs chose the step of the values) is in each result, and
        logged; what may mislead, such as runs whose best rules conflict, is logged as a warning.

        Args:
            metric: a dev metric, at the best step, or a test metric.
            higher_better: whether higher is better. By default as the runs' best rules say
                (:meth:`set_best` with this metric); else lower if the metric's name has a word such as loss,
                error or perplexity, which ``legm.core.direction.LOWER_IS_BETTER`` lists; else higher.
            test: whether it is a test metric.
            one_per_seed: whether of several completed runs with equal seed parameters only the newest counts;
                by default all do.
            where: selects configurations and runs as ``--where`` does, such as ``"lr<0.1 and not tag:bad"``;
                of several texts all must hold. Only selected runs count.
            group_by: one parameter or several; configurations with equal values of these are one group, which
                is ranked by the mean over its configurations.
            **constraints: values that active parameters must have.

        Returns:
            the configurations, best first; those without the metric are left out. With ``group_by`` the
            groups, best first, each with its configurations.

        Raises:
            MetricError: no run has the metric.
            ParameterError: no configuration has a parameter of a constraint or group, or nothing is selected.
            SelectionError: ``where`` is not a selection; the message shows where it is wrong.
        """
        from legm.analysis import summaries as analysis
        from legm.analysis.grouping import group_ranked

        found = analysis.rank_summarized_results(
            self._client,
            self._experiment,
            self._description,
            metric,
            higher_better=higher_better,
            test=test,
            constraints=constraints,
            one_per_seed=one_per_seed,
            where=where,
        )
        return found if group_by is None else found.with_groups(group_ranked(found, group_by))

    @overload
    def compare(  # type: ignore[overload-overlap]  # a text is one, not a sequence
        self,
        a: Comparable,
        b: Comparable,
        metric: str,
        *,
        test: bool = False,
        seed: str | Sequence[str] | None = None,
        level: float = 0.95,
        higher_better: bool | None = None,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
    ) -> Comparison: ...

    @overload
    def compare(
        self,
        a: Comparable,
        b: Sequence[Comparable],
        metric: str,
        *,
        test: bool = False,
        seed: str | Sequence[str] | None = None,
        level: float = 0.95,
        higher_better: bool | None = None,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
    ) -> list[Comparison]: ...

    def compare(
        self,
        a: Comparable,
        b: Comparable | Sequence[Comparable],
        metric: str,
        *,
        test: bool = False,
        seed: str | Sequence[str] | None = None,
        level: float = 0.95,
        higher_better: bool | None = None,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
    ) -> Comparison | list[Comparison]:
        """Compare configurations of this experiment by a metric, with a significance test.

        Runs with the handler's description are compared, paired by seed where seeds are known.

        Args:
            a: a configuration: a handler, a result of :meth:`get_best`, or its name, folder or fingerprint.
            b: another one, or several, whose p-values are then adjusted by Holm's method.
            metric: a dev metric, at the best step, or a test metric; of ``time`` and ``time_per_sample``
                a run has the mean.
            test: whether it is a test metric.
            seed: the parameter whose value pairs the runs, or several; ``()`` for an unpaired comparison.
                Without it those whose name is ``seed`` or ``random_state``, begins with ``seed_`` or ends
                with ``_seed``.
            level: the coverage of the difference's confidence interval.
            higher_better: as for :meth:`get_best`; it decides which configuration is called better.
            one_per_seed: as for :meth:`get_best`; pairs compare the mean of each seed anyway.
            where: as for :meth:`get_best`; only selected runs are compared.

        Returns:
            the means, the difference a - b with its interval, and the p-value of a permutation test; a
            list of these where b is one.

        Raises:
            MetricError: a configuration does not have the metric, or it has one value per index.
            ParameterError: there is no such configuration, it was given twice, or no run has the seed.
            StateError: a configuration has no completed run.
            LegmError: the level is not between 0 and 1.
        """
        from legm.analysis import comparison
        from legm.analysis.notebook_views import NotebookComparison, NotebookComparisons
        from legm.core.selection import RunSelection

        others = b if isinstance(b, Sequence) and not isinstance(b, str) else None
        found = comparison.compare_results(
            *(self._client, self._experiment, self._description, metric),
            [self._named(one) for one in (a, *([b] if others is None else others))],
            test=test,
            seed=seed,
            level=level,
            higher_better=higher_better,
            one_per_seed=one_per_seed,
            selection=RunSelection.parse(where),
        )
        labels = comparison.labels_of_compared(self._client, found)
        shown = NotebookComparisons(NotebookComparison.of(one, labels) for one in found)
        return shown[0] if others is None else shown

    @staticmethod
    def _named(one: Comparable) -> Configuration | str | os.PathLike[str]:
        """What names a configuration for :func:`~legm.analysis.comparison.find_compared_configurations`."""
        if isinstance(one, ExperimentHandler):
            return one._current()  # noqa: SLF001 - another handler
        return one.configuration if isinstance(one, Ranked) else one

    def plot_comparison_bars(
        self,
        metrics: str | Sequence[str],
        higher_better: bool | None = None,
        test: bool = False,
        formats: str | Sequence[str] = ("png",),
        style: StyleSheets = None,
        title: str | None = None,
        *,
        one_per_seed: bool = False,
        where: str | Sequence[str] | None = None,
        **constraints: Any,
    ) -> list[str]:
        """Draw the configurations as bars with their deviations, a panel a metric.

        Args:
            metrics: one metric or several.
            higher_better: as for :meth:`get_best`; by default decided for each metric on its own.
            test: as for :meth:`get_best`.
            formats, style, title: as for :meth:`plot`.
            one_per_seed: as for :meth:`get_best`.
            where: as for :meth:`get_best`.
            **constraints: as for :meth:`get_best`.

        Returns:
            where the picture is in each format.

        Raises:
            LegmError: there is no such format or style.
            MetricError, ParameterError: as :meth:`get_best`.
            NotSupported: the backend stores no pictures.
        """
        from legm.analysis import summaries as analysis

        rankings = analysis.rank_summaries_by_metric(
            self._client,
            self._experiment,
            self._description,
            metrics,
            higher_better=higher_better,
            test=test,
            constraints=constraints,
            one_per_seed=one_per_seed,
            where=where,
        )
        return analysis.write_summary_bars(
            self._client, self._experiment, self._description, rankings, formats, style, title
        )


def _unrecorded_handler(
    cls: type[ExperimentHandler],
    root: Path,
    experiment: str,
    description: str,
    backends: list[Any],
    options: dict[str, dict[str, Any]],
    configuration: Configuration,
    values: dict[str, Any],
    run: Run | None,
) -> ExperimentHandler:
    """A handler as a copy has it: with the values of the parameters, and without a record."""
    handler = cls.__new__(cls)
    ExperimentHandler.__init__(
        handler,
        root,
        experiment,
        description,
        backend=backends,
        backend_options=options,
        main_process=False,
    )
    handler._begin_copy(configuration, values, run)  # noqa: SLF001 - it is made here
    return handler
