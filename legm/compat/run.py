"""One run of a script that calls another tracker, as a run of legm's.

legm's parameters are fixed when a run begins; other trackers take them at any time. So a run begins a
moment after its first number, when parameters set beside it are known too, and without any number some
seconds after it was asked for. Parameters that come later count as well: when the run ends it is resumed as
another run, of the configuration that all of them make, with every number, step and time, and the first one
is deleted. Until then all of it is on disk as what was known at its beginning. A process that is killed
leaves it so.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from legm.compat.notices import Notices
from legm.compat.parameters import GivenParameters
from legm.compat.settings import Settings
from legm.compat.snapshot import NOTES, ORIGIN, Number, Snapshot, history
from legm.core.identity import check_text, plain
from legm.delivery.client import connect
from legm.delivery.session import RunSession, can_delete_runs, new_run, resume_as
from legm.errors import InvalidName, LegmError, MetricError, storage_error
from legm.hooks import Capability
from legm.records import BestRule, Display, Outcome, Plain, Run, Status
from legm.runlog.folder import artifacts_folder
from legm.runlog.recorder import to_number

__all__ = ["CompatRun"]

log = logging.getLogger("legm.compat")

_AFTER_NUMBERS, _WITHOUT = 0.5, 5.0  # seconds until a run begins: after its first number, or without one


class CompatRun:
    """A run that takes parameters, numbers and files at any time, from any thread.

    Args:
        settings: where it goes.
        notices: takes what cannot be recorded.
        kind: the other tracker's name.
        key: what the other tracker calls the run.
        experiment: the experiment's name.
        description: of the run; "" for none.
        earlier: a stored run that goes on.
        notes: its name, tags and the like.

    Raises:
        LegmError: the backend or the root directory cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        notices: Notices,
        kind: str,
        key: str,
        experiment: str,
        description: str = "",
        earlier: Snapshot | None = None,
        notes: Mapping[str, Plain] | None = None,
    ) -> None:
        self.key = key
        self.experiment = experiment
        self.status = Status.RUNNING
        self.started = time.time() if earlier is None else earlier.started
        self.ended: float | None = None
        self.best: tuple[str, bool] | None = None
        """The metric that chooses the best step, and whether its highest value is the best."""
        self._settings = settings
        self._notices = notices
        self._kind = kind
        self._description = description
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._parameters = GivenParameters(notices, {} if earlier is None else earlier.parameters)
        self._notes: dict[str, Plain] = {**({} if earlier is None else earlier.notes), **(notes or {})}
        self._notes.pop("renamed", None)
        self._latest: dict[str, Number] = {} if earlier is None else dict(earlier.latest)
        self._tests: dict[str, float] = {} if earlier is None else dict(earlier.tests)
        self._counts: dict[str, int] = {name: one.step + 1 for name, one in self._latest.items()}
        self._files: dict[str, Path] = {} if earlier is None else dict(earlier.files)
        self._waiting: list[Callable[[RunSession], object]] = []
        self._session: RunSession | None = None
        self._has_begun = False
        self._run: Run | None = None if earlier is None else earlier.run
        self._folder: Path | None = None if earlier is None else earlier.folder
        self._late_parameters = self._late_notes = self._completed = False
        self.changed = False
        """Whether anything came since the end."""
        self._timer: threading.Timer | None = None
        self._due = float("inf")
        check_text("experiment", experiment, InvalidName)
        if description:
            check_text("description", description, InvalidName)
        # A wrong backend is reported now, not in the middle of training.
        backend = settings.backend
        self._client = connect(settings.root, backend[0] if len(backend) == 1 else list(backend))
        try:
            settings.root.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("make the folder", settings.root, cause) from cause
        self._begin_within(_WITHOUT)

    # What the script says

    def set_parameters(self, values: Mapping[str, Any], *, instead: bool = False) -> None:
        """Set parameters: one that was set before gets the new value; or instead of all that were set."""
        with self._lock:
            self.changed = True
            if self._parameters.set(values, instead=instead) and self._has_begun:
                self._late_parameters = True

    def note(self, **notes: Plain) -> None:
        """Say something of the run: its name, tags and the like; the last word of each counts."""
        with self._lock:
            self.changed = True
            self._notes.update(notes)
            self._late_notes = self._late_notes or self._has_begun

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Set a value of each of several dev metrics; without a step at the next one of each."""
        if self._is_forked():
            return
        with self._lock:
            self.changed = True
            now = time.time()
            by_step: dict[int, dict[str, float]] = {}
            for name, value in values.items():
                try:
                    check_text("metric", name, MetricError)
                    number = to_number(name, value)
                except MetricError as error:
                    self._notices.report_unsupported(f"metric {str(name)[:40]!r}", str(error))
                    continue
                at = self._counts.get(name, 0) if step is None else int(step)
                self._counts[name] = self._counts.get(name, 0) + 1
                by_step.setdefault(at, {})[name] = number
                if name not in self._latest or at >= self._latest[name].step:
                    self._latest[name] = Number(number, at, now)
            for at, numbers in by_step.items():
                self._hand_on(partial(_log_values, values=numbers, step=at))
            if by_step:
                self._begin_within(_AFTER_NUMBERS)

    def set_test(self, name: str, value: Any) -> None:
        """Set a test value."""
        if self._is_forked():
            return
        with self._lock:
            self.changed = True
            try:
                check_text("metric", name, MetricError)
                number = self._tests[name] = to_number(name, value)
            except MetricError as error:
                self._notices.report_unsupported(f"metric {str(name)[:40]!r}", str(error))
                return
            self._hand_on(lambda session: session.recorder.set({name: number}, None, test=True))

    def show(self, name: str, text: str, step: int) -> None:
        """Put a text beside the run's numbers in TensorBoard."""
        if self._is_forked():
            return
        with self._lock:
            if not self._can(Capability.DISPLAYS, f"the text {name!r}"):
                return
            shown = Display(name, text, step, time.time())
            self._hand_on(lambda session: session.recorder.add(shown))
            self._begin_within(_AFTER_NUMBERS)

    def keep(self, path: Path, name: str) -> None:
        """Keep a copy of a file; the run begins with it."""
        if self._is_forked():
            return
        with self._lock:
            self.changed = True
            if not self._can(Capability.ARTIFACTS, f"the file {name!r}"):
                return
            session = self._begun()
            session.is_logged = False
            try:
                self._files[name] = session.keep_file(path, name)
            except LegmError as error:
                self._notices.report_unsupported(f"the file {name!r}", str(error))

    def keep_bytes(self, content: bytes, name: str) -> None:
        """Keep a file with this content."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "content")
            path.write_bytes(content)
            self.keep(path, name)

    def end(self, status: Status, error: str | None = None) -> None:
        """End the run; what comes later opens it again."""
        if os.getpid() != self._pid:
            return  # it is the parent's
        with self._lock:
            session = self._begun()
            if self._late_parameters or (self._completed and status is not Status.COMPLETED):
                session = self._moved()
            if self._late_notes:
                self._late_notes = False
                self._keep_notes()
            if status is Status.COMPLETED:
                if self.best is not None and self.best[0] in self._latest:
                    session.recorder.add(BestRule("early_stopping", None, *self.best))
                session.finish(Outcome(status, time.time()))
                session.is_logged = self._completed = True
            else:
                self._session = None
                session.is_logged = False
                session.end(Outcome(status, time.time(), error))
            self.status, self.ended, self.changed = status, time.time(), False

    def reopen(self) -> None:
        """Go on after the end."""
        self.status, self.ended = Status.RUNNING, None

    def release(self) -> None:
        """Let go of what an ended run holds open; it can still be opened again."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self.changed and self.status is not Status.RUNNING:
                self.end(self.status)
            if self._session is not None:
                session, self._session = self._session, None
                session.end(Outcome(Status.COMPLETED, time.time()))

    def _is_forked(self) -> bool:
        """Whether this is a forked process, and the run its parent's; the lock is the parent's too."""
        if os.getpid() == self._pid:
            return False
        self._notices.report_unsupported(
            "what a forked process logs", "the run belongs to the process that it was forked from"
        )
        return True

    # What is known

    def snapshot(self) -> Snapshot:
        """The run as it stands."""
        with self._lock:
            return Snapshot(
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

    def history(self) -> dict[str, list[Number]]:
        """Every value of every dev metric, in the order they were set."""
        with self._lock:
            self._begun().recorder.flush()
            assert self._folder is not None  # noqa: S101 - it has begun
            assert self._run is not None  # noqa: S101
            return history(self._folder, self._run.run_id)

    # The run of legm's

    def _can(self, capability: Capability, what: str) -> bool:
        if self._client.supports(capability):
            return True
        self._notices.report_unsupported(
            what, f"the backend {self._client.name!r} does not support {capability.value!r}"
        )
        return False

    def _begin_within(self, seconds: float) -> None:
        """See that the run begins soon, also while the script is busy."""
        due = time.monotonic() + seconds
        if self._has_begun or due >= self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = threading.Timer(seconds, self._begin_aside)
        self._timer.daemon = True
        self._timer.start()

    def _begin_aside(self) -> None:
        try:
            with self._lock:
                if not self._has_begun:  # it may have begun, and even ended, while this waited
                    self._begun()
        except LegmError as error:
            log.error("%s. It is tried again with the next call.", error)  # noqa: TRY400

    def _hand_on(self, call: Callable[[RunSession], object]) -> None:
        if not self._has_begun:
            self._waiting.append(call)
        else:
            session = self._begun()
            session.is_logged = False
            call(session)

    def _begun(self) -> RunSession:
        """The session of the run, which is running."""
        with self._lock:
            if not self._has_begun:
                self._session = self._begin()
                self._has_begun = True
                if self._timer is not None:
                    self._timer.cancel()
                waiting, self._waiting = self._waiting, []
                for call in waiting:
                    call(self._session)
            elif self._session is None:  # it was closed
                return self._moved()
            return self._session

    def _begin(self) -> RunSession:
        parameters, renamed = self._parameters.as_parameters(self._settings)
        origin = {"from": self._kind, "key": self.key, **self._notes}
        if renamed:
            origin["renamed"] = renamed
        run = new_run(
            parameters.configuration(self.experiment),
            self._description,
            parameters.uncompared(),
            self.started,
            {ORIGIN: plain("notes", origin)},
        )
        if self._run is None or self._folder is None:
            session = RunSession(self._client, run)
        else:
            session, problems = resume_as(self._client, run, self._run, self._folder, {NOTES})
            for name, why in problems.items():
                self._notices.report_unsupported(f"the file {name!r}", why)
            kept = artifacts_folder(session.folder, run.run_id)
            self._files.update({name: kept / path.name for name, path in self._files.items()})
            for name in problems:
                self._files.pop(name, None)
        self._run, self._folder = run, session.folder
        self._late_parameters = self._late_notes = self._completed = False
        return session

    def _moved(self) -> RunSession:
        """The session of a run with the parameters as they are now, which has all that this one had."""
        session, can_delete = self._session, can_delete_runs(self._client)
        if not can_delete and (session is None or session.is_logged):
            self._notices.report_unsupported(
                "what changes a run after its end", "its backend cannot delete runs"
            )
            self._late_parameters = False
            if session is not None:
                return session
        if session is not None:
            session.wait_until_written()
            if can_delete:
                session.release()
            else:
                why = "parameters came later: it was resumed as another run"
                session.end(Outcome(Status.INTERRUPTED, time.time(), why))
        self._session = self._begin()
        return self._session

    def _keep_notes(self) -> None:
        import yaml

        self.keep_bytes(yaml.safe_dump(plain("notes", self._notes), sort_keys=False).encode(), NOTES)
        self._files.pop(NOTES, None)


def _log_values(session: RunSession, values: Mapping[str, float], step: int) -> None:
    session.recorder.set(values, step, test=False)
