"""Follows the run logs of a root directory: what is appended to each, and the logs that come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from legm.analysis.live_runs import LiveRun
from legm.errors import LegmError
from legm.records import Status
from legm.runlog.configuration_folders import configuration_paths, experiment_paths
from legm.runlog.file_names import OWN_FOLDER, RUNS
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import LogTail, read_log, read_log_head
from legm.runlog.log_writer import is_log_locked

__all__ = ["RunTailer", "TailedLog"]

log = logging.getLogger(__name__)

_PIECE = 1 << 20  # bytes that are read of a log at once
_SCAN_PAUSE = 1.0  # seconds between two looks for new logs, at least,
_SCAN_SHARE = 20.0  # and so many times as long as a look takes
_TIMESTAMP_RESOLUTION = 2.5  # seconds: file systems note times to two seconds at the worst
_SILENCE = 2.0  # seconds without a record after which it is asked whether a process still writes


@dataclass(slots=True)
class TailedLog:
    """A run with its log.

    Args:
        path: the log.
        tail: reads what is appended.
        live: the run.
        asked: when it was asked last whether a process writes it.
        grown: when something came last.
        is_closed: whether it is not read any more, since the run has ended, until it is resumed.
    """

    path: Path
    tail: LogTail
    live: LiveRun
    asked: float = 0.0
    grown: float = field(default_factory=time.monotonic)
    is_closed: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the run's configuration."""
        return LogFolder.containing(self.path).folder.parent


class RunTailer:
    """The runs below a root directory that are running, or that ended lately; nothing is written there.

    Each log is read once, and then what is appended to it. One is read again where its run was rewound.

    Args:
        root: the root directory.
        experiment: the folder of the only experiment that is wanted; None for all.
        ended_within: seconds; of the runs that have ended before, those that ended since then are there too.
        total_name: the parameter that says how many steps a run has.
        backend: the name of a backend, of which only the runs that go to it are wanted; None for all.
    """

    def __init__(
        self,
        root: Path,
        experiment: str | None = None,
        ended_within: float = 0.0,
        total_name: str | None = None,
        backend: str | None = None,
    ) -> None:
        self._root = root
        self._backend = backend
        self._others: set[Path] = set()  # logs of runs that go to other backends only
        self._experiment = experiment
        self._since = time.time() - ended_within
        self._total_name = total_name
        self._folders: dict[Path, int] = {}  # of logs, each with its time of change
        self._unreadable: set[Path] = set()
        self._next_scan = 0.0
        self.runs: dict[str, TailedLog] = {}

    def poll(self) -> set[str]:
        """Read what has come.

        Returns:
            the ids of the runs that have changed.
        """
        changed: set[str] = set()
        now = time.monotonic()
        if now >= self._next_scan:
            changed |= self._scan()
            took = time.monotonic() - now
            self._next_scan = time.monotonic() + max(_SCAN_PAUSE, _SCAN_SHARE * took)
        for run_id, one in list(self.runs.items()):
            try:
                if self._read(one):
                    changed.add(run_id)
            except LegmError as error:
                log.error("%s", error)  # noqa: TRY400
                self._drop(run_id)
                changed.add(run_id)
        return changed

    def close(self) -> None:
        """Close all logs."""
        for run_id in list(self.runs):
            self._drop(run_id)

    def _drop(self, run_id: str) -> None:
        self.runs.pop(run_id).tail.close()

    # New logs

    def _scan(self) -> set[str]:
        """Look for logs in the folders that have changed since the last look."""
        changed = set()
        oldest = (self._since - _TIMESTAMP_RESOLUTION) * 1e9
        for folder in self._log_folders():
            try:
                stamp = folder.stat().st_mtime_ns
            except OSError:  # no run yet
                continue
            if self._folders.get(folder) != stamp:
                self._folders[folder] = stamp
                logs = LogFolder(folder)
                if stamp < oldest and not logs.has_pending_logs():
                    continue  # a log that is finalized is moved here, so none was since then
                changed |= {run_id for path in logs.logs_except(()) if (run_id := self._add(path))}
        for run_id, one in list(self.runs.items()):
            if not one.path.exists() and self._is_deleted(one):
                self._drop(run_id)
                changed.add(run_id)
        return changed

    def _log_folders(self) -> Iterator[Path]:
        """The folders of logs, of backends with and without folders."""
        own = self._root / OWN_FOLDER
        for experiment in experiment_paths(self._root):
            if self._experiment in {None, experiment}:
                for name in configuration_paths(self._root / experiment):
                    yield self._root / experiment / name / RUNS
        yield from own.glob(f"{self._experiment or '*'}/*/{RUNS}")

    def _add(self, path: Path) -> str | None:
        """Begin to follow a log, or follow it to where it was moved; returns the run's id if that is new."""
        run_id = path.stem
        known = self.runs.get(run_id)
        if known is not None:
            if known.path == path or known.path.exists():
                return None
            known.path = path
            known.live.run = read_log_head(path).run
            if known.is_closed:  # it is resumed
                known.tail, known.is_closed = LogTail(path, known.tail.position), False
            return run_id
        if path in self._unreadable or path in self._others or not self._is_wanted(path):
            return None
        try:
            head = read_log_head(path)
            if self._backend is not None and self._backend not in head.backends:
                self._others.add(path)
                return None
            live = LiveRun(head.run, self._total_name)
            live.is_written = is_log_locked(path)
            self.runs[run_id] = TailedLog(path, LogTail(path), live)
        except LegmError as error:
            if path.exists():
                self._unreadable.add(path)
                log.error("%s", error)  # noqa: TRY400
            return None
        return run_id

    def _is_wanted(self, path: Path) -> bool:
        """Whether a log is pending, or has changed lately."""
        if LogFolder.containing(path).is_open(path):
            return True
        try:
            return path.stat().st_mtime >= self._since
        except OSError:
            return False

    def _is_deleted(self, one: TailedLog) -> bool:
        """Whether a run was deleted; where its log was moved within its configuration, that is followed."""
        found = LogFolder.containing(one.path).find(one.path.stem)
        if found is not None:
            one.path = found
        return found is None

    # What is appended

    def _read(self, one: TailedLog) -> bool:
        """Read what is appended to a log; returns whether something has changed."""
        now = time.monotonic()
        status = one.live.status
        if one.is_closed:
            return False
        if one.live.outcome is not None and now - one.grown > _SILENCE:
            one.tail.close()
            one.is_closed = True
            return False
        is_due = status is Status.RUNNING and now - max(one.grown, one.asked) > _SILENCE
        if is_due:  # asked before reading: of a log whose writer has ended, everything is there
            one.asked = now
            path = one.path if one.path.exists() else LogFolder.containing(one.path).find(one.path.stem)
            one.live.is_written = path is not None and is_log_locked(path)
        has_come = False
        while True:
            position = one.tail.position
            records = one.tail.read(_PIECE)
            if one.tail.position == position:
                damage = one.tail.skip_damage()
                if damage is None:
                    break
                log.error("%s What is intact of it is shown.", damage)
            has_come = True
            if not one.live.add(records):
                self._restart(one)
        if has_come:
            one.grown = now
            if status is Status.INTERRUPTED:  # another process may continue it
                one.live.is_written = is_log_locked(one.path)
        return has_come or one.live.status is not status

    def _restart(self, one: TailedLog) -> None:
        """Read a log again, since some of its values are void now."""
        found = LogFolder.containing(one.path).follow(one.path, read_log)
        if found is not None:
            one.live.restart(found[0].records)
            one.tail.close()
            one.tail = LogTail(found[1], found[0].end)
