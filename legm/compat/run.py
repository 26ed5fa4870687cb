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
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from legm.compat.notices import Notices
from legm.compat.parameters import GivenParameters
from legm.compat.settings import Settings
from legm.compat.snapshot import NOTES, ORIGIN, Number, Snapshot, history, records_of
from legm.core.identity import check_text, plain
from legm.errors import LegmError, MetricError
from legm.handler import ExperimentHandler
from legm.hooks import Capability
from legm.records import Artifact, Outcome, Plain, Run, Status
from legm.runlog.folder import LogFolder
from legm.runlog.recorder import to_number

__all__ = ["CompatRun"]

log = logging.getLogger("legm.compat")

_AFTER_NUMBERS, _WITHOUT = 0.5, 5.0  # seconds until a run begins, after its first number or without any


class CompatRun:
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
        """The metric that chooses the best step, and whether higher is better."""
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
        self._waiting: list[Callable[[ExperimentHandler], object]] = []
        self._handler: ExperimentHandler | None = None
        self._run: Run | None = None if earlier is None else earlier.run
        self._folder: Path | None = None if earlier is None else earlier.folder
        self._late_parameters = self._late_notes = self._completed = False
        self.changed = False
        """Whether anything was logged since the run ended."""
        self._timer: threading.Timer | None = None
        self._due = float("inf")
        self._made()  # a wrong backend is reported now, not in the middle of training
        try:
            settings.root.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            from legm.errors import storage_error

            raise storage_error("make the folder", settings.root, cause) from cause
        self._begin_within(_WITHOUT)

    # Calls of the script

    def set_parameters(self, values: Mapping[str, Any], *, instead: bool = False) -> None:
        """Set parameters, which overwrite earlier values; ``instead`` drops all earlier parameters first."""
        with self._lock:
            self.changed = True
            if self._parameters.set(values, instead=instead) and self._handler is not None:
                self._late_parameters = True

    def note(self, **notes: Plain) -> None:
        """Set metadata of the run, such as its name and tags; the last value of each counts."""
        with self._lock:
            self.changed = True
            self._notes.update(notes)
            self._late_notes = self._late_notes or self._handler is not None

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Set one value of each dev metric; without a step, at each metric's next step."""
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
                self._hand_on(partial(ExperimentHandler.set_dict_metrics, metrics=numbers, step=at))
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
            self._hand_on(lambda handler: handler.set_metric(name, number, test=True))

    def show(self, name: str, text: str, step: int) -> None:
        """Show a text with the run's numbers in TensorBoard."""
        if self._is_forked():
            return
        with self._lock:
            if not self._can(Capability.DISPLAYS, f"the text {name!r}"):
                return
            self._hand_on(lambda handler: handler.tensorboard_write(name, text, step))
            self._begin_within(_AFTER_NUMBERS)

    def keep(self, path: Path, name: str) -> None:
        """Keep a copy of a file; the run begins if it has not yet."""
        if self._is_forked():
            return
        with self._lock:
            self.changed = True
            if not self._can(Capability.ARTIFACTS, f"the file {name!r}"):
                return
            handler = self._begun()
            try:
                self._files[name] = Path(handler.log_artifact(path, name))
            except LegmError as error:
                self._notices.report_unsupported(f"the file {name!r}", str(error))

    def keep_bytes(self, content: bytes, name: str) -> None:
        """Keep a file with this content."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "content")
            path.write_bytes(content)
            self.keep(path, name)

    def end(self, status: Status, error: str | None = None) -> None:
        """End the run; whatever is logged later reopens it."""
        if os.getpid() != self._pid:
            return  # the run belongs to the parent process
        with self._lock:
            handler = self._begun()
            if self._late_parameters or (self._completed and status is not Status.COMPLETED):
                handler = self._moved()
            if self._late_notes:
                self._late_notes = False
                self._keep_notes()
            if status is Status.COMPLETED:
                if self.best is not None and self.best[0] in self._latest:
                    handler.set_best("early_stopping", metric=self.best[0], higher_better=self.best[1])
                handler.log()
                self._completed = True
            elif handler._live is not None:
                handler._live.logged = False
                handler._leave(Outcome(status, time.time(), error))
            self.status, self.ended, self.changed = status, time.time(), False

    def reopen(self) -> None:
        """Resume the run after its end."""
        self.status, self.ended = Status.RUNNING, None

    def release(self) -> None:
        """Close the files that an ended run holds open; it can still be reopened."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self.changed and self.status is not Status.RUNNING:
                self.end(self.status)
            if self._handler is not None and self._handler._live is not None:
                self._handler.__exit__(None, None, None)

    def _is_forked(self) -> bool:
        """Whether this process is a fork, so that both the run and the lock belong to its parent."""
        if os.getpid() == self._pid:
            return False
        self._notices.report_unsupported(
            "what a forked process logs", "the run belongs to the process that it was forked from"
        )
        return True

    # Reading

    def snapshot(self) -> Snapshot:
        """The current state of the run."""
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
        """Every value of every dev metric, in the order in which they were set."""
        with self._lock:
            handler = self._begun()
            if handler._live is not None:
                handler._live.recorder.flush()
            assert self._folder is not None  # noqa: S101 - it has begun
            assert self._run is not None  # noqa: S101
            return history(self._folder, self._run.run_id)

    # The legm run

    def _made(self) -> ExperimentHandler:
        backend = self._settings.backend
        return ExperimentHandler(
            self._settings.root,
            self.experiment,
            self._description or None,
            backend=backend[0] if len(backend) == 1 else list(backend),
        )

    def _can(self, capability: Capability, what: str) -> bool:
        handler = self._handler or self._made()
        if capability in handler._client.backend.capabilities:
            return True
        self._notices.report_unsupported(
            what, f"the backend {handler._client.name!r} has not the capability {capability.value!r}"
        )
        return False

    def _begin_within(self, seconds: float) -> None:
        """Begin the run in at most so many seconds, even while the script is busy."""
        due = time.monotonic() + seconds
        if self._handler is not None or due >= self._due:
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
                if self._handler is None:  # it may have begun, and even ended, while this waited
                    self._begun()
        except LegmError as error:
            log.error("%s. The next call tries again.", error)  # noqa: TRY400

    def _hand_on(self, call: Callable[[ExperimentHandler], object]) -> None:
        if self._handler is None:
            self._waiting.append(call)
        else:
            call(self._begun())

    def _begun(self) -> ExperimentHandler:
        """The handler, whose run is open; it begins if it has not yet."""
        with self._lock:
            if self._handler is None:
                self._handler = self._begin()
                if self._timer is not None:
                    self._timer.cancel()
                waiting, self._waiting = self._waiting, []
                for call in waiting:
                    call(self._handler)
            elif self._handler._live is None:  # it was closed
                return self._moved()
            return self._handler

    def _begin(self) -> ExperimentHandler:
        handler = self._made()
        renamed = self._parameters.hand_to(handler, self._settings)
        origin = {"from": self._kind, "key": self.key, **self._notes}
        if renamed:
            origin["renamed"] = renamed
        run, folder = self._run, self._folder
        handler._start(self.started, {ORIGIN: plain("notes", origin)})
        assert handler._live is not None  # noqa: S101 - it was started
        self._run, self._folder = handler._live.run, handler.configuration_folder
        self._late_parameters = self._late_notes = self._completed = False
        if run is not None and folder is not None:
            self._take_over(handler, run, folder)
        return handler

    def _moved(self) -> ExperimentHandler:
        """The handler of a run with the parameters as they are now, which has all that this one had."""
        old = self._handler
        assert old is not None  # noqa: S101 - it has begun
        if not _discards(old) and (old._live is None or old._live.logged):
            self._notices.report_unsupported(
                "what changes a run after its end",
                "its backend cannot take a run out",
            )
            self._late_parameters = False
            if old._live is not None:
                return old
        if old._live is not None:
            with old._live.recorder.settled():
                pass
            if _discards(old):
                old._live.finalizer()
                old._live = None
            else:
                old._leave(
                    Outcome(
                        Status.INTERRUPTED, time.time(), "parameters came later: it went on as another run"
                    )
                )
        self._handler = self._begin()
        return self._handler

    def _take_over(self, handler: ExperimentHandler, run: Run, folder: Path) -> None:
        """Take what an earlier run had, and take that one out."""
        live = handler._live
        assert live is not None  # noqa: S101 - it was started
        records = [
            one
            for one in records_of(folder, run.run_id)
            if not isinstance(one, Outcome) and not (isinstance(one, Artifact) and one.name == NOTES)
        ]
        for at, record in enumerate(records):
            if isinstance(record, Artifact):
                try:
                    path = live.files.keep(Path(record.path), record.name)
                except LegmError as error:
                    self._notices.report_unsupported(f"the file {record.name!r}", str(error))
                    continue
                records[at] = replace(record, path=str(path))
                self._files[record.name] = path
        live.recorder.take(records)
        live.recorder.flush()
        if _discards(handler):
            for client in (handler._client, *handler._client.mirrors):
                client.call("legm_discard_run", run=run)
            LogFolder(folder / "runs").remove(run.run_id)

    def _keep_notes(self) -> None:
        import yaml

        self.keep_bytes(yaml.safe_dump(plain("notes", self._notes), sort_keys=False).encode(), NOTES)
        self._files.pop(NOTES, None)


def _discards(handler: ExperimentHandler) -> bool:
    """Whether every backend can take a run out."""
    clients = (handler._client, *handler._client.mirrors)
    return all(hasattr(client.backend, "legm_discard_run") for client in clients)
