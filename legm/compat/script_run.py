"""One run of a script that calls another tracker's API, recorded as a legm run.

legm fixes the parameters when a run begins; other trackers accept them at any time. So the legm run begins
shortly after the first number, when parameters set alongside it are known, or some seconds after the script
asked for the run if there is no number. Parameters set later count as well: when the script's run ends, its
records move to a new legm run whose configuration has all parameters, with every number, step and time, and
the first legm run is deleted. Until then everything is on disk under the parameters known at the beginning.
If the process is killed, the run stays that way.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from legm.compat.other_processes import OtherProcesses
from legm.compat.run_snapshot import (
    NAMES_OF_TESTS,
    LoggedNumber,
    RunSnapshot,
    names_of_tests,
    read_snapshot_history,
    read_snapshot_records,
)
from legm.compat.script_observation import ScriptRunObservation
from legm.compat.script_parameters import ScriptParameters
from legm.compat.settings import Settings
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.core.naming import check_name
from legm.core.origins import DROP_IN, IMPORTED
from legm.core.plain_form import to_plain
from legm.core.test_metrics import columns_with_tests, has_test_prefix
from legm.delivery.client import connect_client
from legm.delivery.run_session import RunSession, can_delete_runs, new_run, resume_session_as
from legm.errors import InvalidName, LegmError, MetricError, storage_error
from legm.hooks import Capability
from legm.media.pending_file import PendingFile
from legm.records import (
    BestRule,
    Display,
    MediaKind,
    Outcome,
    Plain,
    Points,
    Resumption,
    Run,
    Series,
    Split,
    Status,
)
from legm.runlog.configuration_folders import artifacts_folder
from legm.runlog.file_names import DROP_IN_NOTES_FILE
from legm.runlog.recorded_values import recorded_rounding_problem, to_recorded_value
from legm.util.locks import ReentrySafeLock

if TYPE_CHECKING:
    from legm.core.point_columns import Columns

__all__ = ["ScriptRun"]

log = logging.getLogger("legm.compat")

M = TypeVar("M", bound=Callable[..., None])


def _in_script_order(method: M) -> M:
    """Run a call to its end before the next one, even if a signal handler interrupts it to make that one."""

    @wraps(method)
    def call(self: ScriptRun, *args: Any, **kwargs: Any) -> None:
        run = self.of_this_process()
        if run is not None:
            run.calls.run(partial(run.make_call, method, *args, **kwargs))

    return call  # type: ignore[return-value]


# Seconds until a run begins.
_AFTER_NUMBERS, _WITHOUT_NUMBERS = 0.5, 5.0


class ScriptRun:
    """A run that accepts parameters, numbers and files at any time, from any thread.

    Args:
        settings: name the root directory and the backend.
        notices: receives what cannot be recorded.
        kind: the other tracker's name.
        key: the run's id in the other tracker.
        experiment: the experiment's name.
        description: the run's description; "" for none.
        earlier: the stored run to resume; None for a new run.
        notes: name, tags and other metadata.
        observed: where the run comes from, and what is printed; None where that is not recorded.

    Raises:
        LegmError: the backend or the root directory cannot be used.
    """

    is_attached = False
    """Whether this process has a copy of the object of the process that owns the run."""
    status_unless_ended: Status | None = None
    """The status of the run if the script does not end it; None for that of the process."""

    def __init__(
        self,
        settings: Settings,
        notices: UnsupportedCalls,
        kind: str,
        key: str,
        experiment: str,
        description: str = "",
        earlier: RunSnapshot | None = None,
        notes: Mapping[str, Plain] | None = None,
        observed: ScriptRunObservation | None = None,
    ) -> None:
        self._observed = observed
        self.key = key
        self.experiment = experiment
        self.status = Status.RUNNING
        self.started = time.time() if earlier is None else earlier.started
        self.ended: float | None = None
        self.best: tuple[str, bool] | None = None
        """The metric that chooses the best step, and whether higher is better."""
        self._settings = settings
        self._notices = notices
        self._kind = kind
        self._description = description
        self.calls = ReentrySafeLock()
        """Keeps the calls of the script in order."""
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._parameters = ScriptParameters(notices, {} if earlier is None else earlier.parameters)
        self._notes: dict[str, Plain] = {**({} if earlier is None else earlier.notes), **(notes or {})}
        self._notes.pop("renamed", None)
        self._latest: dict[str, LoggedNumber] = {} if earlier is None else dict(earlier.latest)
        self._tests: dict[str, float] = {} if earlier is None else dict(earlier.tests)
        self._counts: dict[str, int] = {name: one.step + 1 for name, one in self._latest.items()}
        self._rounded: set[str] = set()  # metrics of which it was said that a value lost digits
        self._files: dict[str, Path] = {} if earlier is None else dict(earlier.files)
        self._pending: list[Callable[[RunSession], object]] = []
        self._session: RunSession | None = None
        self._has_begun = False
        self._run: Run | None = None if earlier is None else earlier.run
        self._folder: Path | None = None if earlier is None else earlier.folder
        self._of_other_process = earlier is not None
        self._late_parameters = self._late_notes = self._completed = False
        self._corrected: Points | None = None
        self._deleted: set[str] = set()
        self.changed = False
        """Whether anything was logged since the run ended."""
        self.before_end: Callable[[], object] = lambda: None
        """Called before the run ends, with all that was logged."""
        self.others = OtherProcesses()
        """The processes that share the run."""
        self._timer: threading.Timer | None = None
        self._due = float("inf")
        check_name("experiment", experiment, InvalidName)
        if description:
            check_name("description", description, InvalidName)
        # A wrong backend is reported now, not in the middle of training.
        backend = settings.backend
        self._client = connect_client(settings.root, backend[0] if len(backend) == 1 else list(backend))
        self._prepare()

    def _prepare(self) -> None:
        """Begin the run soon, in a root directory that can be written."""
        try:
            self._settings.root.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("create the folder", self._settings.root, cause) from cause
        self._begin_within(_WITHOUT_NUMBERS)

    # Calls of the script

    def make_call(self, method: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Make a call of the script; the calls before it have been made."""
        method(self, *args, **kwargs)

    @_in_script_order
    def set_parameters(self, values: Mapping[str, Any], *, instead: bool = False) -> None:
        """Set parameters, which overwrite earlier values; ``instead`` drops all earlier parameters first."""
        with self._lock:
            self.changed = True
            if self._parameters.set(values, instead=instead) and self._has_begun:
                self._late_parameters = True

    @_in_script_order
    def join_parameters(self, values: Mapping[str, Plain]) -> None:
        """Set parameters that another process set."""
        with self._lock:
            self.changed = True
            if self._parameters.join(values) and self._has_begun:
                self._late_parameters = True

    @_in_script_order
    def note(self, **notes: Plain) -> None:
        """Set metadata of the run, such as its name and tags; the last value of each counts."""
        with self._lock:
            self.changed = True
            self._notes.update(notes)
            self._late_notes = self._late_notes or self._has_begun

    @_in_script_order
    def log(self, values: Mapping[str, Any], step: int | None = None, at_time: float | None = None) -> None:
        """Set one value of each dev metric: at its next step and now, unless a step and a time are given."""
        with self._lock:
            self.changed = True
            now = time.time() if at_time is None else at_time
            by_step: dict[int, dict[str, float]] = {}
            for name, value in values.items():
                try:
                    number = self._to_number(name, value)
                except MetricError as error:
                    self._notices.report_unsupported(f"metric {str(name)[:40]!r}", str(error))
                    continue
                at = self._counts.get(name, 0) if step is None else int(step)
                self._counts[name] = self._counts.get(name, 0) + 1
                by_step.setdefault(at, {})[name] = number
                if name not in self._latest or at >= self._latest[name].step:
                    self._latest[name] = LoggedNumber(number, at, now)
            for at, numbers in by_step.items():
                self._record(partial(_loggable_script_values, values=numbers, step=at, time=at_time))
            if by_step:
                self._begin_within(_AFTER_NUMBERS)

    def correct_steps(self, change: Callable[[Columns], Columns]) -> None:
        """Give numbers other steps than they were set at, before the run ends.

        Args:
            change: gives all numbers of the run at their steps.
        """
        self.others.make_calls()
        if not self.others.have_logged:
            self.calls.run(partial(self._correct_steps, change))

    def _correct_steps(self, change: Callable[[Columns], Columns]) -> None:
        from legm.core.point_columns import columns_by_series, points_from_columns

        with self._lock:
            session = self._open_session()
            session.wait_until_written()
            records = read_snapshot_records(session.folder, session.run.run_id)
            known = [one for one in records if isinstance(one, Points)]
            columns = columns_by_series(known if self._corrected is None else [self._corrected])
            changed = change(columns)
            if any(one not in changed or (changed[one][0] != columns[one][0]).any() for one in columns):
                self._corrected = points_from_columns(changed, lambda series: series)

    @_in_script_order
    def set_test(self, name: str, value: Any) -> None:
        """Set a test value."""
        with self._lock:
            self.changed = True
            try:
                number = self._tests[name] = self._to_number(name, value)
            except MetricError as error:
                self._notices.report_unsupported(f"metric {str(name)[:40]!r}", str(error))
                return
            self._record(lambda session: session.recorder.add_metrics({name: number}, None, test=True))

    @_in_script_order
    def delete_test(self, name: str) -> None:
        """Delete a test value, if there is one."""
        with self._lock:
            if self._tests.pop(name, None) is not None:
                self.changed = True
                self._deleted.add(name)

    def _leave_out_deleted(self) -> None:
        """Leave out the test values that were deleted and not set again."""
        names = {name for name in self._deleted if name not in self._tests}
        self._deleted.clear()
        if names:
            deleted = {Series(name, Split.TEST) for name in names}
            self._correct_steps(
                lambda columns: {series: one for series, one in columns.items() if series not in deleted}
            )

    def _name_test_metrics(self) -> None:
        """Make a single value of ``test_accuracy`` the test metric ``accuracy``, as an import does."""
        known = names_of_tests(self._notes)
        if not (known or any(map(has_test_prefix, self._latest))) or not can_delete_runs(self._client):
            return
        names: dict[str, Plain] = {}

        def change(columns: Columns) -> Columns:
            found, of_tests = columns_with_tests(columns, known)
            names.update(of_tests)
            return found

        self._correct_steps(change)
        if names != known and (names or known):
            self._notes[NAMES_OF_TESTS] = names
            self._late_notes = True

    def _to_number(self, name: str, value: Any) -> float:
        """A metric's value as a float; says once for each metric that it loses digits.

        Raises:
            MetricError: the name or the value is invalid.
        """
        check_name("metric", name, MetricError)
        number = to_recorded_value(name, value)
        problem = recorded_rounding_problem(name, value, number)
        if problem and name not in self._rounded:
            self._rounded.add(name)
            log.warning(problem)
        return number

    @_in_script_order
    def show(self, name: str, text: str, step: int) -> None:
        """Show a text with the run's numbers in TensorBoard."""
        with self._lock:
            if not self._supports(Capability.DISPLAYS, f"the text {name!r}"):
                return
            shown = Display(name, text, step, time.time())
            self._record(lambda session: session.recorder.add_record(shown))
            self._begin_within(_AFTER_NUMBERS)

    @_in_script_order
    def keep(self, path: Path, name: str) -> None:
        """Keep a copy of a file; the run begins if it has not yet."""
        self._keep(path, name)

    def _keep(self, path: Path, name: str) -> None:
        with self._lock:
            session = self._session_for_files(f"the file {name!r}")
            if session is None:
                return
            try:
                self._files[name] = session.keep_file(path, name)
            except LegmError as error:
                self._notices.report_unsupported(f"the file {name!r}", str(error))

    @_in_script_order
    def keep_bytes(self, content: bytes, name: str) -> None:
        """Keep a file with this content."""
        self._keep_bytes(content, name)

    def _keep_bytes(self, content: bytes, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "content")
            path.write_bytes(content)
            self._keep(path, name)

    @_in_script_order
    def log_media(self, name: str, kind: MediaKind, files: Sequence[PendingFile], step: int) -> None:
        """Keep a medium at a step; the run begins if it has not yet."""
        with self._lock:
            session = self._session_for_files(f"the {kind.value} {name!r}")
            if session is not None:
                session.media.add(name, kind, files, step)

    def _session_for_files(self, what: str) -> RunSession | None:
        """The session of the open run, which gets a file; None where the backend keeps no files."""
        self.changed = True
        if not self._supports(Capability.ARTIFACTS, what):
            return None
        session = self._open_session()
        session.is_logged = False
        return session

    def end(self, status: Status, error: str | None = None) -> None:
        """End the run; whatever is logged later reopens it."""
        if os.getpid() == self._pid:  # otherwise it belongs to the parent process
            cause = sys.exc_info()[1]
            self.before_end()
            self.others.make_calls()
            self.calls.run(partial(self._end, status, error, cause))

    def _end(self, status: Status, error: str | None = None, cause: BaseException | None = None) -> None:
        with self._lock:
            session = self._open_session()
            self._leave_out_deleted()
            self._name_test_metrics()
            if (
                self._late_parameters
                or self._corrected is not None
                or (self._completed and status is not Status.COMPLETED)
            ):
                session = self._move_to_new_run()
            if self._late_notes:
                self._late_notes = False
                self._store_notes()
            if status is Status.COMPLETED:
                tests = names_of_tests(self._notes).values()
                if self.best is not None and self.best[0] in self._latest and self.best[0] not in tests:
                    session.recorder.add_record(BestRule("early_stopping", None, *self.best))
                session.finish(Outcome(status, time.time()))
                session.is_logged = self._completed = True
            else:
                self._session = None
                session.is_logged = False
                if status is Status.FAILED and cause is not None:
                    session.note_error(cause)
                session.end(Outcome(status, time.time(), error))
            self.status, self.ended, self.changed = status, time.time(), False

    def reopen(self) -> None:
        """Resume the run after its end."""
        self.status, self.ended = Status.RUNNING, None

    def release(self) -> None:
        """Close the files that an ended run holds open; it can still be reopened."""
        if os.getpid() == self._pid:
            self.others.make_calls()
            self.calls.run(self._release)
            self.others.release()

    def _release(self) -> None:
        with self._lock:
            if self.changed and self.status is not Status.RUNNING:
                self._end(self.status)
            if self._session is not None:
                session, self._session = self._session, None
                session.end(Outcome(Status.COMPLETED, time.time()))

    def of_this_process(self) -> ScriptRun | None:
        """This run; in a fork, which has no part in its parent's log and locks, one that joins it."""
        if os.getpid() == self._pid:
            return self
        fork = self.others.in_fork()
        if fork is None:
            self._notices.report_unsupported(
                "what a forked process logs", "the run belongs to the process that it was forked from"
            )
        return fork

    def flush(self) -> None:
        """Write what was logged to the run log; the run begins if it has not yet."""
        self._open_session().recorder.flush()

    # Reading

    def snapshot(self) -> RunSnapshot:
        """The current state of the run, with what other processes have logged to it."""
        self.others.make_calls()
        with self._lock:
            return self.state()

    def state(self) -> RunSnapshot:
        """The state of the run as this process knows it."""
        return RunSnapshot(
            self.key,
            self.experiment,
            dict(self._parameters.values),
            dict(self._notes),
            dict(self._latest),
            dict(self._tests),
            self.status,
            self.started,
            self.ended,
            dict(self._files),
            self._run,
            self._folder,
        )

    @property
    def notes(self) -> dict[str, Plain]:
        """Name, tags and other metadata."""
        return dict(self._notes)

    def history(self) -> dict[str, list[LoggedNumber]]:
        """Every value of every dev metric, in the order in which they were set."""
        self.others.make_calls()
        with self._lock:
            self._open_session().recorder.flush()
            assert self._folder is not None  # noqa: S101 - it has begun
            assert self._run is not None  # noqa: S101
            return read_snapshot_history(self._folder, self._run.run_id, names_of_tests(self._notes))

    # The legm run

    def _supports(self, capability: Capability, what: str) -> bool:
        if self._client.supports(capability):
            return True
        self._notices.report_unsupported(
            what, f"the backend {self._client.name!r} does not support {capability.value!r}"
        )
        return False

    def _begin_within(self, seconds: float) -> None:
        """Begin the run in at most so many seconds, even while the script is busy."""
        due = time.monotonic() + seconds
        if self._has_begun or due >= self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = threading.Timer(seconds, self._begin_in_background)
        self._timer.name = "legm-begin"
        self._timer.daemon = True
        self._timer.start()

    def _begin_in_background(self) -> None:
        try:
            with self._lock:
                if not self._has_begun:  # it may have begun, and even ended, while this waited
                    self._open_session()
        except LegmError as error:
            log.error("%s. The next call tries again.", error)  # noqa: TRY400

    def _record(self, call: Callable[[RunSession], object]) -> None:
        if not self._has_begun:
            self._pending.append(call)
        else:
            session = self._open_session()
            session.is_logged = False
            call(session)

    def _open_session(self) -> RunSession:
        """The session of the open run; the run begins if it has not yet."""
        with self._lock:
            if not self._has_begun:
                self._session = self._begin()
                self._has_begun = True
                if self._timer is not None:
                    self._timer.cancel()
                pending, self._pending = self._pending, []
                for call in pending:
                    call(self._session)
            elif self._session is None:  # it was closed
                return self._move_to_new_run()
            return self._session

    def _begin(self) -> RunSession:
        parameters, renamed = self._parameters.to_parameters(self._settings, self.started)
        origin = {"from": self._kind, "key": self.key, **self._notes}
        if renamed:
            origin["renamed"] = renamed
        run = new_run(
            parameters.configuration(self.experiment),
            self._description,
            parameters.uncompared(),
            self.started,
            {DROP_IN: to_plain("notes", origin)},
        )
        secrets, here = parameters.hidden_texts(), dict(run.environment)
        drop_in = {DROP_IN: here.pop(DROP_IN)}
        if self._observed is not None:
            here = self._observed.environment(here, secrets)
        of_run = dict(here if self._run is None else self._run.environment)
        of_run.pop(IMPORTED, None)  # how earlier versions marked it
        run = replace(run, environment=of_run | drop_in)
        if self._run is None or self._folder is None:
            session = RunSession(self._client, run)
        else:
            left_out = {DROP_IN_NOTES_FILE}
            session, problems = resume_session_as(
                self._client, run, self._run, self._folder, left_out, self._corrected
            )
            self._corrected = None
            for name, why in problems.items():
                self._notices.report_unsupported(f"the file {name!r}", why)
            kept = artifacts_folder(session.folder, run.run_id)
            self._files.update({name: kept / path.name for name, path in self._files.items()})
            for name in problems:
                self._files.pop(name, None)
        session.mark_by_environment()
        if self._of_other_process:
            session.recorder.add_record(Resumption(time.time(), here))
        if self._observed is not None:
            root = self._settings.root
            self._observed.begin(session, root, secrets, is_resumed=self._of_other_process)
        self._of_other_process = False
        self._run, self._folder = run, session.folder
        self._late_parameters = self._late_notes = self._completed = False
        return session

    def _move_to_new_run(self) -> RunSession:
        """Move the records to a new run with the current parameters, and return its session."""
        session, can_delete = self._session, can_delete_runs(self._client)
        if not can_delete and (session is None or session.is_logged):
            self._notices.report_unsupported(
                "a change of a run after its end", "no run is deleted from its tracker"
            )
            self._late_parameters = False
            if session is not None:
                return session
        if session is not None:
            if self._observed is not None:
                self._observed.leave(session)
            session.wait_until_written()
            if can_delete:
                session.release()
            else:
                why = "parameters were set later: it was resumed as another run"
                session.end(Outcome(Status.INTERRUPTED, time.time(), why))
        self._session = self._begin()
        return self._session

    def _store_notes(self) -> None:
        import yaml

        self._keep_bytes(
            yaml.safe_dump(to_plain("notes", self._notes), sort_keys=False).encode(), DROP_IN_NOTES_FILE
        )
        self._files.pop(DROP_IN_NOTES_FILE, None)


def _loggable_script_values(
    session: RunSession, values: Mapping[str, float], step: int, time: float | None
) -> None:
    if time is None:
        session.recorder.add_metrics(values, step, test=False)
    else:
        import numpy as np

        from legm.core.point_columns import points_from_blocks

        series = tuple(map(Series, values))
        numbers = np.array([[*values.values()]], np.float64)
        row = series, np.array([step], np.int64), np.array([time]), numbers
        session.recorder.add_records([points_from_blocks([row])])
