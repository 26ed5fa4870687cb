"""The runs of one process that calls another tracker's API, and what happens when the process ends.

wandb and mlflow have a current run for the whole process, so their stand-ins share one object: the session of
this module, created when the first stand-in is imported.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping

from legm.compat.run_snapshot import RunSnapshot, find_snapshot, stored_snapshots
from legm.compat.script_observation import OBSERVATION
from legm.compat.script_run import ScriptRun
from legm.compat.settings import Settings
from legm.compat.tracker_delivery import ExportReminders, deliver_to_trackers, split_tracker_backends
from legm.compat.unrecorded_run import UnrecordedRun
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.core.texts import counted
from legm.delivery.process_end import at_process_end, status_at_process_end
from legm.errors import LegmError
from legm.records import Plain, Status
from legm.util.process_exit import PROCESS_EXIT
from legm.util.process_rank import is_main_process

__all__ = ["SESSION", "ScriptSession"]

log = logging.getLogger("legm.compat")

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
        self._settings: Settings | None = None
        self._trackers: tuple[str, ...] = ()  # backends that get the runs once the script has ended
        self._reminders: ExportReminders | None = None
        self._pid = os.getpid()

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
    ) -> ScriptRun:
        """Begin a new run or resume a stored one; see :class:`~legm.compat.script_run.ScriptRun`."""
        settings = self.settings
        experiment = settings.experiment or experiment
        is_recorded = is_main_process()
        observed = OBSERVATION.of_next_run() if is_recorded else None
        made = ScriptRun if is_recorded else UnrecordedRun
        if self._trackers and is_recorded:
            self._reminders = self._reminders or ExportReminders(settings, self._trackers)
            self._reminders.write()
        try:
            run = made(settings, self.notices, kind, key, experiment, description, earlier, notes, observed)
        except BaseException:
            if observed is not None:
                observed.abandon()
            raise
        self.runs[key] = run
        ended = [one for one in self.runs.values() if one.status is not Status.RUNNING]
        for one in ended[:-_MOST_HELD]:
            one.release()
        return run

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
        return find_snapshot(self.settings, key)

    def close(self) -> None:
        """End every run that is still running, and report what was not recorded."""
        if os.getpid() != self._pid:
            return
        try:
            self.before_closing()
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
        for run in self.runs.values():
            try:
                if run.status is Status.RUNNING:
                    run.end(status_at_process_end(self.error), self.error)
                run.release()  # which ends it again, if more was logged since
            except LegmError as error:
                log.error("the run %s could not be ended: %s", run.key, error)  # noqa: TRY400
        OBSERVATION.end()
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


SESSION = ScriptSession()
