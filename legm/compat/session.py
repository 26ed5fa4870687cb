"""The runs of one process that calls another tracker, and what happens when it ends.

wandb and mlflow have a current run for the whole process, so their stand-ins have one too: the one object of
this module, which is made when the first of them is imported.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from legm.compat.notices import Notices
from legm.compat.run import CompatRun
from legm.compat.settings import Settings
from legm.compat.snapshot import Snapshot, find_stored, stored
from legm.errors import LegmError
from legm.records import Plain, Status

__all__ = ["SESSION", "Session"]

log = logging.getLogger("legm.compat")

_MOST_HELD = 16  # ended runs whose logs are held open, to go on with at once


class Session:
    """The runs of this process."""

    def __init__(self) -> None:
        self.notices = Notices(strict=Settings.of(os.environ).strict)
        self.runs: dict[str, CompatRun] = {}
        """By the other tracker's name of them, in their order."""
        self.error: str | None = None
        """What ended the script, if it was an error."""
        self.before_closing: Callable[[], object] = lambda: None
        """Ends what a stand-in has of its own."""
        self._settings: Settings | None = None
        self._pid = os.getpid()

    @property
    def settings(self) -> Settings:
        """What the environment said when it was first asked."""
        if self._settings is None:
            self._settings = Settings.of(os.environ)
            _at_exit(self.close)
            self._watch_errors()
        return self._settings

    def begin(
        self,
        kind: str,
        key: str,
        experiment: str,
        description: str = "",
        earlier: Snapshot | None = None,
        notes: Mapping[str, Plain] | None = None,
    ) -> CompatRun:
        """A new run, or a stored one that goes on; see :class:`~legm.compat.run.CompatRun`."""
        run = CompatRun(self.settings, self.notices, kind, key, experiment, description, earlier, notes)
        self.runs[key] = run
        ended = [one for one in self.runs.values() if one.status is not Status.RUNNING]
        for one in ended[:-_MOST_HELD]:
            one.release()
        return run

    def snapshots(self, experiments: list[str] | None = None, *, latest: bool = True) -> list[Snapshot]:
        """Every run of this process and of the backend, oldest first; see :func:`stored`."""
        mine = [one.snapshot() for one in self.runs.values()]
        found = {one.key: one for one in stored(self.settings, experiments, latest=latest)}
        found |= {one.key: one for one in mine if experiments is None or one.experiment in experiments}
        return sorted(found.values(), key=lambda one: one.started)

    def find(self, key: str) -> Snapshot | None:
        """The run that the other tracker calls so; None where there is none."""
        if key in self.runs:
            return self.runs[key].snapshot()
        return find_stored(self.settings, key)

    def close(self) -> None:
        """End every run that is going on, and say what was not recorded."""
        if os.getpid() != self._pid:
            return
        try:
            self.before_closing()
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
        for run in self.runs.values():
            try:
                if run.status is Status.RUNNING:
                    run.end(Status.COMPLETED if self.error is None else Status.FAILED, self.error)
                run.release()  # which ends it again, if more came since
            except LegmError as error:
                log.error("the run %s could not be ended: %s", run.key, error)  # noqa: TRY400
        if self.runs:
            log.info("%d runs are in %s", len(self.runs), self.settings.root)
        if summary := self.notices.summary():
            log.warning("%s", summary)
            self.notices.unsupported.clear()

    def _watch_errors(self) -> None:
        """Note the error that ends the script, before it is shown as ever."""
        shown = sys.excepthook

        def note(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
            self.error = f"{kind.__name__}: {error}"
            shown(kind, error, traceback)

        sys.excepthook = note


def _at_exit(call: Callable[[], None]) -> None:
    """Call at the end of the process while threads can still begin: atexit is too late for it since 3.12."""
    register = getattr(threading, "_register_atexit", atexit.register)
    register(call)


SESSION = Session()
