"""The runs that are running, followed in a thread, and what open pages are sent of them."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Sequence

from legm.analysis.run_tailer import RunTailer, TailedLog
from legm.errors import LegmError
from legm.records import Plain, Series, Split, Status
from legm.report.number_encoding import encode_numbers_exactly, encode_numbers_for_drawing
from legm.ui.folder_changes import FolderChanges
from legm.ui.stored_runs import StoredRuns
from legm.ui.subscribers import Subscribers

__all__ = ["RunningRuns"]

log = logging.getLogger(__name__)

_PAUSE = 0.2  # seconds between two looks at the logs, or as long as a look takes,
_SHARE = 6.0  # or so many times its time of a processor
_LONGEST_FIRST_PAUSE = 2.0
_IDLE_PAUSE = 2.0  # while no page is open


class RunningRuns:
    """Follows what is written below a root directory, and reports it to the open pages.

    Args:
        stored: what is read again where it has changed.
        subscribers: the open pages.
    """

    def __init__(self, stored: StoredRuns, subscribers: Subscribers) -> None:
        self._stored = stored
        self._subscribers = subscribers
        self._tailer = RunTailer(stored.root)
        self._changes = FolderChanges(stored.root, time.time())
        self._lock = threading.Lock()
        self._statuses: dict[str, Status] = {}
        self._experiment_of: dict[str, str] = {}
        self._wanted = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="legm-ui-follow", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once, since a page was opened."""
        self._wanted.set()

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._wanted.set()
        self._thread.join(10)
        with self._lock:
            self._tailer.close()

    # What a page asks for

    def states(self) -> dict[str, Plain]:
        """By id, the state of every run that is followed."""
        with self._lock:
            now = time.time()
            return {run_id: _running_run_state(one, now) for run_id, one in self._tailer.runs.items()}

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[dict[str, Plain]]:
        """The curves of runs so far, in the form of a report's, each with its steps.

        Args:
            run_ids: the runs'; one that is not followed has none.
            metrics: dev metrics.
        """
        found: list[dict[str, Plain]] = []
        with self._lock:
            for run_id in run_ids:
                one = self._tailer.runs.get(run_id)
                for metric in metrics:
                    series = None if one is None else one.live.series.get(Series(metric))
                    if series is not None:
                        curve = series.curve()
                        found.append(
                            {
                                "id": run_id,
                                "metric": metric,
                                "steps": encode_numbers_exactly(curve.steps),
                                "center": encode_numbers_for_drawing(curve.center),
                                "runs": 1,
                                "fewer": False,
                            }
                        )
        return found

    # Following

    def _follow(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(LegmError):  # reported to the page that asks for it first
            self._stored.cards()  # so that it does not wait
        self._end.wait(
            min(time.monotonic() - began, _LONGEST_FIRST_PAUSE)
        )  # first the page that is opened now
        while not self._end.is_set():
            began, computed = time.monotonic(), time.thread_time()
            try:
                self._poll()
            except LegmError as error:
                log.error("%s", error)  # noqa: TRY400
            except Exception:  # the page lives longer than one odd file
                log.exception("the runs could not be followed")
            took, computed = time.monotonic() - began, time.thread_time() - computed
            if len(self._subscribers):
                self._end.wait(max(_PAUSE, took, _SHARE * computed))
            else:
                self._wanted.wait(_IDLE_PAUSE)
            self._wanted.clear()

    def _poll(self) -> None:
        with self._lock:
            changed = self._tailer.poll()
            now = time.time()
            followed = self._tailer.runs
            states = {
                run_id: _running_run_state(followed[run_id], now) if run_id in followed else None
                for run_id in changed
            }
            experiments = {
                name for run_id in changed if (name := self._experiment_if_other_status(run_id)) is not None
            }
        if states:  # at once: whatever else has changed takes longer
            self._subscribers.put(states, {})
        experiments |= self._names_of_folders(self._changes.poll())
        versions = {name: self._stored.expire(name) for name in experiments}
        if versions:
            self._subscribers.put({}, versions)

    def _experiment_if_other_status(self, run_id: str) -> str | None:
        """The experiment of a run that begins, ends or is deleted; None for one that only has more values."""
        one = self._tailer.runs.get(run_id)
        if one is None:
            self._statuses.pop(run_id, None)
            return self._experiment_of.pop(run_id, None)
        status = one.live.status
        if self._statuses.get(run_id) is status:
            return None
        self._statuses[run_id] = status
        self._experiment_of[run_id] = one.live.run.configuration.experiment
        return self._experiment_of[run_id]

    def _names_of_folders(self, folders: set[str]) -> set[str]:
        """The names of the experiments in folders; of one that was deleted, the folder's."""
        return {self._stored.name_of_folder(folder) for folder in folders}


def _running_run_state(one: TailedLog, now: float) -> dict[str, Plain]:
    """A run as its row shows it, ready for JSON."""
    live = one.live
    progress = live.progress(now)
    dev = [series for series in live.series.values() if series.series.split is Split.DEV]
    main = live.main_metric()
    return {
        "id": live.run.run_id,
        "experiment": live.run.configuration.experiment,
        "fingerprint": live.run.configuration.fingerprint,
        "description": live.run.description,
        "status": live.status.value,
        "started": live.run.started,
        "unit": progress.unit,
        "done": _finite_running_value(progress.done),
        "total": _finite_running_value(progress.total),
        "seconds_left": _finite_running_value(progress.seconds_left),
        "silent": None if live.last_time is None else max(0.0, now - live.last_time),
        "metric": main,
        "metrics": [of.series.name for of in dev],
        "last": encode_numbers_exactly([of.last for of in dev]),
        "error": live.error,
    }


def _finite_running_value(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
