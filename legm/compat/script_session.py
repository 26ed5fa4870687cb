"""The runs of one process that calls another tracker's API, and what happens when the process ends.

wandb and mlflow have a current run for the whole process, so their stand-ins share one object: the session of
this module, created when the first stand-in is imported.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from legm.compat.joined_calls import JoinedCalls, joined_folder
from legm.compat.joined_run import JoinedRun, described_run
from legm.compat.run_owner import RunOwner, take_over_run
from legm.compat.run_snapshot import RunSnapshot, find_snapshot, stored_snapshots
from legm.compat.script_observation import OBSERVATION
from legm.compat.script_run import ScriptRun
from legm.compat.settings import Settings
from legm.compat.tracker_delivery import TrackerExportReminders, deliver_to_trackers, split_tracker_backends
from legm.compat.unrecorded_run import UnrecordedRun
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.core.plain_form import to_plain
from legm.core.texts import counted
from legm.delivery.process_end import at_process_end, status_at_process_end
from legm.delivery.resuming import RESUME, run_to_resume
from legm.delivery.script_runs import (
    FIRST,
    LAUNCH,
    EarlierScriptRun,
    earlier_script_runs,
    script_launch_digest,
)
from legm.errors import LegmError
from legm.provenance.collect import collect_started_environment
from legm.records import Plain, Status
from legm.util.process_exit import PROCESS_EXIT
from legm.util.process_rank import is_main_process

__all__ = ["SESSION", "ScriptSession", "kept_when_script_resumes"]

log = logging.getLogger("legm.compat")

_CALL_INTERVAL = 0.5  # seconds until what another process logs to a run of this one is in the run log
_MOST_HELD = 16  # ended runs whose logs stay open, so that they can be resumed at once


class ScriptSession:
    """The runs of this process, and how the process ends."""

    def __init__(self) -> None:
        self.notices = UnsupportedCalls(strict=Settings.of(os.environ).strict)
        self.runs: dict[str, ScriptRun] = {}
        """By their ids in the other tracker, in the order in which they began."""
        self.error: str | None = None
        """The error that ended the script; None if there was none."""
        self.before_closing: Callable[[], object] = lambda: None
        """Called before the runs are closed, so that a stand-in can finish its own work."""
        self.when_runs_have_ended: Callable[[], object] = lambda: None
        """Called when the runs of this process are no longer written."""
        self._settings: Settings | None = None
        self._trackers: tuple[str, ...] = ()  # backends that get the runs once the script has ended
        self._reminders: TrackerExportReminders | None = None
        self._pid = os.getpid()
        self._owners: dict[str, RunOwner] = {}
        self._begun: set[str] = set()  # the trackers of which this process has begun a run
        self._claimed: dict[str, JoinedCalls] = {}  # of runs that are about to be resumed, by their keys
        self._watching: threading.Thread | None = None
        self._is_closed = threading.Event()

    @property
    def settings(self) -> Settings:
        """The settings, read from the environment variables on first use."""
        if self._settings is None:
            self._settings, self._trackers = split_tracker_backends(Settings.of(os.environ))
            PROCESS_EXIT.watch()
            at_process_end(self._close_at_end)
        return self._settings

    def begin(
        self,
        kind: str,
        key: str,
        experiment: str,
        description: str = "",
        earlier: RunSnapshot | None = None,
        notes: Mapping[str, Plain] | None = None,
        scope: str = "",
    ) -> ScriptRun:
        """Begin a new run or resume a stored one; see :class:`~legm.compat.script_run.ScriptRun`.

        It joins the run of another process that has the same key.

        Args:
            kind, key, experiment, description, earlier, notes: as there.
            scope: within what the key is unique; "" for the whole root directory.
        """
        settings = self.settings
        experiment = settings.experiment or experiment
        if not is_main_process():
            run: ScriptRun = UnrecordedRun(
                settings, self.notices, kind, key, experiment, description, earlier, notes
            )
        else:
            if self._trackers:
                self._reminders = self._reminders or TrackerExportReminders(settings, self._trackers)
                self._reminders.write()
            calls = self._claimed.pop(key, None) or self._joined_calls(kind, scope, key)
            if kind not in self._begun and earlier is None:
                notes = {**(notes or {}), FIRST: True, LAUNCH: _script_session_launch()}
            self._begun.add(kind)
            run = self._begin_or_join(calls, kind, key, experiment, description, earlier, notes)
        self.runs[key] = run
        ended = [one for one in self.runs.values() if one.status is not Status.RUNNING]
        for one in ended[:-_MOST_HELD]:
            one.release()
        return run

    def earlier_run(
        self,
        kind: str,
        experiment: str,
        description: str = "",
        parameters: Mapping[str, Plain] | None = None,
        scope: str = "",
    ) -> RunSnapshot | None:
        """The stored run that this process continues, although the script does not say so.

        It is the one that ``LEGM_RESUME`` asks for; only the first run that a process begins is resumed. No
        other process can resume it from now on.

        Args:
            kind, experiment, description, scope: as for :meth:`begin`.
            parameters: those of the run that are known by now.
        """
        wanted = run_to_resume(None)
        if wanted is None or kind in self._begun or not is_main_process():
            return None
        settings = self.settings
        experiment = settings.experiment or experiment
        for found in earlier_script_runs(settings.root, kind, wanted, _script_session_launch()):
            problem = self._cannot_resume(found, experiment, description, parameters or {})
            if problem:
                log.warning("the run %s is not resumed: %s", found.run.run_id, problem)
                continue
            calls = self._joined_calls(kind, scope, found.key)
            if not calls.try_to_own({"kind": kind, "key": found.key, "experiment": experiment}):
                continue  # another process resumes it
            stored = find_snapshot(settings, found.key, [experiment])
            if stored is None or stored.status is Status.RUNNING:
                calls.release()
                continue
            self._claimed[found.key] = calls
            log.info("the run %s is resumed, as %s says", found.run.run_id, RESUME)
            return stored
        return None

    @staticmethod
    def _cannot_resume(
        found: EarlierScriptRun, experiment: str, description: str, parameters: Mapping[str, Plain]
    ) -> str:
        """Why a stored run is not the one that the script begins; "" where it is."""
        its = found.run
        if its.configuration.experiment != experiment:
            return f"it is of {its.configuration.experiment!r}, and the script's is of {experiment!r}"
        if its.description != description:
            return f"its description is {its.description!r}, and the script's is {description!r}"
        return found.contradiction(parameters)

    def _begin_or_join(
        self,
        calls: JoinedCalls,
        kind: str,
        key: str,
        experiment: str,
        description: str,
        earlier: RunSnapshot | None,
        notes: Mapping[str, Plain] | None,
    ) -> ScriptRun:
        """Begin or resume a run, or join it where another process owns it."""
        settings = self.settings
        known = {
            "kind": kind,
            "key": key,
            "backend": settings.backend[0],
            "experiment": experiment,
            "notes": to_plain("notes", dict(notes or {})),
            "started": time.time(),
        }
        if not calls.try_to_own(known):
            joined = self._join(kind, calls, earlier or described_run(key, known))
            joined.meet_owner()
            if notes:
                joined.note(**notes)
            return joined
        observed = OBSERVATION.of_next_run()
        try:
            run = ScriptRun(
                settings, self.notices, kind, key, experiment, description, earlier, notes, observed
            )
        except BaseException:
            observed.abandon()
            calls.release()
            raise
        self._owners[key] = RunOwner(
            run, calls, lambda state: self._join(kind, calls, state, is_attached=True)
        )
        self._owners[key].make_calls()
        self._watch_for_calls()
        return run

    def attach(self, kind: str, key: str, experiment: str, scope: str) -> ScriptRun:
        """A run whose object another process handed to this one.

        Args:
            kind: the other tracker's name.
            key: the run's id in the other tracker.
            experiment: the experiment's name.
            scope: as for :meth:`begin`.
        """
        if key not in self.runs:
            experiment = self.settings.experiment or experiment
            calls = self._joined_calls(kind, scope, key)
            known = calls.description() or {"experiment": experiment}
            earlier = find_snapshot(self.settings, key, [experiment]) or described_run(key, known)
            self.runs[key] = self._join(kind, calls, earlier, is_attached=True)
        return self.runs[key]

    def _joined_calls(self, kind: str, scope: str, key: str) -> JoinedCalls:
        """What processes log to one run."""
        return JoinedCalls(joined_folder(self.settings.root, f"{kind}\n{scope}\n{key}"))

    def _join(
        self, kind: str, calls: JoinedCalls, earlier: RunSnapshot, *, is_attached: bool = False
    ) -> JoinedRun:
        settings, notices = self.settings, self.notices

        def take_over(known: RunSnapshot) -> object:
            return take_over_run(settings, notices, kind, known, calls)

        return JoinedRun(settings, notices, kind, earlier, calls, take_over, is_attached=is_attached)

    def _watch_for_calls(self) -> None:
        """Make what other processes log to the runs of this one, soon after they do."""
        if self._watching is None:
            self._watching = threading.Thread(target=self._make_calls, name="legm-joined", daemon=True)
            self._watching.start()

    def _make_calls(self) -> None:
        while not self._is_closed.wait(_CALL_INTERVAL):
            for owner in [*self._owners.values()]:
                owner.make_calls()

    def snapshots(self, experiments: list[str] | None = None, *, latest: bool = True) -> list[RunSnapshot]:
        """Every run of this process and every stored run, oldest first; see :func:`stored_snapshots`."""
        if experiments is not None and self.settings.experiment:
            experiments = [self.settings.experiment]
        own_runs = [one.snapshot() for one in self.runs.values()]
        found = {one.key: one for one in stored_snapshots(self.settings, experiments, latest=latest)}
        found |= {one.key: one for one in own_runs if experiments is None or one.experiment in experiments}
        return sorted(found.values(), key=lambda one: one.started)

    def find(self, key: str) -> RunSnapshot | None:
        """The run with this id in the other tracker; None if there is none."""
        if key in self.runs:
            return self.runs[key].snapshot()
        known = self._joined_calls("mlflow", "", key).description()
        if known is None:
            return find_snapshot(self.settings, key)
        return find_snapshot(self.settings, key, [known["experiment"]]) or described_run(key, known)

    def close(self) -> None:
        """End every run that is still running, and report what was not recorded."""
        if os.getpid() != self._pid:
            return
        try:
            self.before_closing()
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
        self._is_closed.set()
        for run in self.runs.values():
            try:
                if run.status is Status.RUNNING:
                    _end_open_run(run, self.error)
                run.release()  # which ends it again, if more was logged since
            except LegmError as error:
                log.error("the run %s could not be ended: %s", run.key, error)  # noqa: TRY400
        OBSERVATION.end()
        try:
            self.when_runs_have_ended()
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
        if self.runs and self._reminders is not None:
            for problem in deliver_to_trackers(self.settings, self._trackers, self._reminders):
                log.error("%s", problem)
        if self.runs:
            log.info("%s in %s", counted(len(self.runs), "run is", "runs are"), self.settings.root)
        if summary := self.notices.summary():
            log.warning("%s", summary)
            self.notices.unsupported.clear()

    def _close_at_end(self) -> None:
        """End the runs as the process ends."""
        self.error = self.error or PROCESS_EXIT.error()
        self.close()


def _script_session_launch() -> str:
    """What distinguishes how this process was started."""
    known = collect_started_environment()
    command = known.get("command")
    return script_launch_digest(
        [str(one) for one in command] if isinstance(command, list) else [], str(known.get("folder", ""))
    )


def kept_when_script_resumes(earlier: RunSnapshot) -> Mapping[str, Plain]:
    """The parameters that a run keeps when ``LEGM_RESUME`` has it resumed, whatever the script says then.

    Args:
        earlier: the run.
    """
    return {} if earlier.run is None else EarlierScriptRun(earlier.run, earlier.key).distinguishing


def _end_open_run(run: ScriptRun, error: str | None) -> None:
    """End a run that the script did not end."""
    status = status_at_process_end(error)
    if status is Status.COMPLETED and run.status_unless_ended is not None:
        run.end(run.status_unless_ended, "the script did not end it")
    else:
        run.end(status, error)


SESSION = ScriptSession()
