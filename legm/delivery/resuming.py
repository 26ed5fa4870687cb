"""Finds a run that another process began, and takes over its log."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.core.identity import configuration_differences
from legm.core.record_sequences import LazyRecords
from legm.core.rewinding import rewind_behind
from legm.core.seeds import looks_like_seed, seed_key
from legm.delivery.backlog import dead_run_outcome
from legm.errors import CorruptFile, LegmError, LogInUse, ParameterError, StateError, StorageError, closest
from legm.records import Outcome, Plain, Record, Resumption, Run, Status
from legm.runlog import log_frames, log_reader, log_writer
from legm.runlog.log_folder import LogFolder, find_logs
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.recorded_values import to_recorded_step
from legm.runlog.trashed import in_trash_text

__all__ = [
    "RESUME",
    "ResumableRun",
    "ResumedLog",
    "WantedRun",
    "run_to_resume",
    "step_to_resume_at",
    "unfinished_runs_to_resume",
]

log = logging.getLogger(__name__)

RESUME = "LEGM_RESUME"
"""The environment variable for scripts that do not ask: ``auto``, or the id of the run to resume."""

_UNFINISHED = frozenset({Status.INTERRUPTED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class WantedRun:
    """Which run is to be resumed.

    Args:
        run_id: its id, or the end of it; None for the newest that is unfinished.
        is_required: whether it is an error that the run with the id cannot be resumed.
    """

    run_id: str | None = None
    is_required: bool = True


def run_to_resume(resume: bool | str | None) -> WantedRun | None:
    """Which run ``start(resume=…)`` asks for, or the environment variable where it says nothing.

    Returns:
        None for a new run.

    Raises:
        ParameterError: it is neither a truth value nor a text, or an empty text.
    """
    if resume is None:
        text = os.environ.get(RESUME, "").strip()
        if text.lower() in {"", "0", "false", "no", "off"}:
            return None
        is_newest = text.lower() in {"auto", "1", "true", "yes", "on"}
        return WantedRun() if is_newest else WantedRun(text, is_required=False)
    if isinstance(resume, bool):
        return WantedRun() if resume else None
    if not isinstance(resume, str) or not resume:
        raise ParameterError(f"start(resume={resume!r}): it must be True, False, or the id of a run")
    return WantedRun(resume)


def step_to_resume_at(rewind_to: Any, wanted: WantedRun | None) -> int | None:
    """The step that a resumed run goes back to, as ``start(rewind_to=…)`` is given it.

    Raises:
        MetricError: it is not a whole number.
        ParameterError: no run is to be resumed.
    """
    if rewind_to is None:
        return None
    step = to_recorded_step("rewind_to", rewind_to)
    if wanted is None:
        raise ParameterError("start(rewind_to=…) goes back in an earlier run: pass resume=True too")
    return step


def unfinished_runs_to_resume(logs: LogFolder, new: Run) -> list[str]:
    """The runs of a configuration that did not complete, and have the description and seeds of another one.

    Args:
        logs: of the configuration.
        new: the other run.

    Returns:
        their ids, newest first. One that a process is writing is among them.
    """
    found, seed = [], seed_key(new.parameters)
    for path in logs.logs_except(())[::-1]:
        try:
            known = logs.read_run_status(path)
        except StorageError as error:
            log.warning("the run %s cannot be read: %s", path.stem, error)
            continue
        if known is None or known[1] not in {*_UNFINISHED, Status.RUNNING}:
            continue
        if known[0].description == new.description and seed_key(known[0].parameters) == seed:
            found.append(known[0].run_id)
    return found


@dataclass(slots=True)
class ResumedLog:
    """The log of a run that this process resumes.

    Args:
        writer: of the log.
        content: what is in it.
    """

    writer: log_writer.LogWriter
    content: log_reader.Log


@dataclass(frozen=True, slots=True)
class _OpenedLog:
    """A log that this process has locked and may write.

    Args:
        writer: of the log.
        content: what is in it.
        ended: the outcome of its run, where it has none.
    """

    writer: log_writer.LogWriter
    content: log_reader.Log
    ended: Outcome


class ResumableRun:
    """The run of a configuration to resume.

    Without an id it is the newest one with this description and the same seeds that ended without ``log()``
    and that no process holds; where there is none, a new run begins.

    Args:
        root: the root directory.
        run: the new run that would begin otherwise.
        wanted: which run it is.
        rewind_to: the step that training goes back to; None for none.
    """

    def __init__(self, root: Path, run: Run, wanted: WantedRun, rewind_to: int | None = None) -> None:
        self._root = root
        self._new = run
        self._wanted = wanted
        self._rewind_to = rewind_to

    def take_over(self, logs: LogFolder, backends: Mapping[str, Mapping[str, Plain]]) -> ResumedLog | None:
        """Lock the run's log, and note in it that this process resumes the run.

        Args:
            logs: the logs of the configuration.
            backends: by name, the options of each backend that the run is delivered to from now on.

        Returns:
            the log; None where there is no such run, and a new one is to begin.

        Raises:
            ParameterError: no run has the id, or it is one of another configuration, description or seed.
            StateError: a process is writing that run.
            StorageError: its log is damaged, or cannot be written.
        """
        try:
            found = self._open_newest(logs) if self._wanted.run_id is None else self._open_wanted(logs)
        except LegmError as error:
            if self._wanted.is_required:
                raise
            log.warning("%s. A new run begins instead.", error)
            return None
        if found is None:
            return None
        try:
            self._begin_stretch(logs, found, backends)
        except BaseException:
            found.writer.close()
            raise
        return ResumedLog(found.writer, found.content)

    def _open_newest(self, logs: LogFolder) -> _OpenedLog | None:
        """Open the newest unfinished run with the same description and seeds that no process writes."""
        for path in logs.logs_except(())[::-1]:
            if log_writer.logs_being_written([path]):
                continue
            try:
                head = logs.follow(path, log_reader.read_log_head)
                if head is None or self._differences(head[0].run):
                    continue
                found = self._try_to_open(logs, head[1], _UNFINISHED)
            except StorageError as error:  # damaged, or not writable: an older one may do
                log.warning("the run %s cannot be resumed: %s", path.stem, error)
            else:
                if found is not None:
                    return found
        return None

    def _open_wanted(self, logs: LogFolder) -> _OpenedLog:
        """Open the run with the id, whatever its status."""
        path = self._find(logs, self._wanted.run_id or "")
        found = self._try_to_open(logs, path, frozenset(Status))
        if found is None:
            raise StateError(
                f"the run {path.stem} cannot be resumed while a process is writing it: end that process"
            )
        return found

    def _differences(self, run: Run) -> list[str]:
        """What keeps a run of the configuration from being the same as the new one, in words."""
        new, problems = self._new, []
        if run.description != new.description:
            problems.append(
                f"its description is {run.description!r}, and this handler's is {new.description!r}"
            )
        if seed_key(run.parameters) != seed_key(new.parameters):
            problems.append(
                "its seed is another one: " + _resumed_seed_difference(run.parameters, new.parameters)
            )
        return problems

    def _find(self, logs: LogFolder, run_id: str) -> Path:
        """The log of the run with an id."""
        here = {path.stem: path for path in logs.logs_except(())}
        found = [one for one in here if run_id and one.endswith(run_id)]
        if run_id in here or len(found) == 1:
            path = here.get(run_id) or here[found[0]]
            head = logs.follow(path, log_reader.read_log_head)
            if head is None:
                raise ParameterError(f"the run {path.stem} was deleted just now")
            problems = self._differences(head[0].run)
            if problems:
                raise ParameterError(f"the run {path.stem} cannot be resumed: {'; '.join(problems)}")
            return path
        elsewhere = {path.stem: path for path in find_logs(self._root)}
        others = [one for one in elsewhere if run_id and one.endswith(run_id)]
        if len(others) == 1 and others[0] not in here:
            its = log_reader.read_log_head(elsewhere[others[0]]).run.configuration
            parts = list(map(str, configuration_differences(its, self._new.configuration)))
            more = f"; and {len(parts) - 5} more" if len(parts) > 5 else ""
            raise ParameterError(
                f"the run {others[0]} is of another configuration (its value | this handler's): "
                f"{'; '.join(parts[:5])}{more}"
            )
        if len(found) > 1 or len(others) > 1:
            raise ParameterError(
                f"several runs have ids that end in {run_id!r}: {', '.join(found or others)}"
            )
        if trashed := in_trash_text(self._root / run_id):
            raise ParameterError(f"there is no run {run_id!r}: {trashed}")
        raise ParameterError(f"there is no run {run_id!r}; {closest(run_id, here or elsewhere)}")

    def _try_to_open(self, logs: LogFolder, path: Path, statuses: frozenset[Status]) -> _OpenedLog | None:
        """Open a log for writing; None where a process writes it, or its run has none of the statuses."""
        known = logs.follow(path)
        if known is None or _resumable_run_status(known[0]) not in statuses:
            return None
        path = known[1]
        try:
            ended = dead_run_outcome(path)  # before it is opened for writing, which is noted as a change
            writer = log_writer.LogWriter(path, create=False)
        except LogInUse:  # another process was first, or finalizes it
            there = logs.find(path.stem)
            return None if there in {None, path} else self._try_to_open(logs, there, statuses)
        except (StorageError, FileNotFoundError):
            there = logs.find(path.stem)
            if there == path:
                raise
            return None if there is None else self._try_to_open(logs, there, statuses)
        try:
            content = read_log_in_pieces(writer.path)
            if content.has_loss:
                raise CorruptFile(
                    writer.path,
                    "a repaired part",
                    "some of its records are missing, so that new ones could not be understood",
                    "Begin a new run.",
                )
        except BaseException:
            writer.close()
            raise
        if _resumable_run_status(content) not in statuses:
            writer.close()
            return None
        return _OpenedLog(writer, content, ended)

    def _begin_stretch(
        self,
        logs: LogFolder,
        opened: _OpenedLog,
        backends: Mapping[str, Mapping[str, Plain]],
    ) -> None:
        """Write to the log, at once, that the run is resumed, and where."""
        from legm.core.results import result_outcome  # needs NumPy, as reading the log does

        writer, content, now = opened.writer, opened.content, time.time()
        changed = {
            name: value
            for name, value in self._new.parameters.items()
            if name not in content.run.parameters or content.run.parameters[name] != value
        }
        environment = {**self._new.environment, **({"parameters": changed} if changed else {})}
        records: list[Record] = [] if result_outcome(content.records) is not None else [opened.ended]
        records.append(Resumption(now, environment))
        if self._rewind_to is not None:
            records.append(rewind_behind(content.records, self._rewind_to, now))
        options = {name: dict(one) for name, one in backends.items() if content.backends.get(name) != one}
        others = {name: 0 for name in options if name in content.cursors}  # another store of that backend
        logs.create_folders()
        if not logs.is_open(writer.path):
            logs.reopen_log(writer)
        writer.append(
            *([log_frames.backends_frame(options)] if options else []),
            *([log_frames.cursors_frame(others)] if others else []),
            *(log_frames.record_frame(record) for record in records),  # type: ignore[arg-type]
        )
        content.path = writer.path
        content.set_backends(options)
        content.cursors.update(others)
        content.records = LazyRecords.chained(content.records, records)


def _resumable_run_status(content: log_reader.Log) -> Status:
    from legm.core.results import result_outcome  # needs NumPy, as reading the log does

    outcome = result_outcome(content.records)
    return Status.INTERRUPTED if outcome is None else outcome.status


def _resumed_seed_difference(its: Mapping[str, Plain], own: Mapping[str, Plain]) -> str:
    names = sorted(name for name in {*its, *own} if looks_like_seed(name) and its.get(name) != own.get(name))
    return ", ".join(f"{name} was {its.get(name)!r} and is {own.get(name)!r}" for name in names)
