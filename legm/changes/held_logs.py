"""The run logs that a step changes: held while it does, so that no process resumes their runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from legm.changes.steps import Step
from legm.errors import CorruptFile, StateError
from legm.records import Amendment
from legm.runlog.file_names import OPEN
from legm.runlog.log_amending import append_log_amendment, locked_log
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_frames import encoded_configuration
from legm.runlog.log_writer import logs_being_written

__all__ = ["MOST_HELD", "AppendedAmendments", "HeldLogs", "append_to_held_logs", "most_held"]

MOST_HELD = 100
"""Runs whose logs are open at the same time, where a process may have few files open."""
_MOST_HELD_OF_MANY = 500
_OTHER_FILES = 200  # that a process may have open besides


def most_held() -> int:
    """How many runs' logs may be open at the same time."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_HELD
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return _MOST_HELD_OF_MANY
    return max(MOST_HELD, min(_MOST_HELD_OF_MANY, most - _OTHER_FILES))


class HeldLogs:
    """The logs of a step's runs, locked: at most so many that a process may have as many files open.

    Args:
        held: releases them.
        logs: the logs of the configuration.
        run_ids: the step's runs.
        most: how many at most; of others it is only known whether a process writes them.
    """

    def __init__(
        self, held: contextlib.ExitStack, logs: LogFolder, run_ids: Iterable[str], most: int = MOST_HELD
    ) -> None:
        paths = {path.stem: path for path in logs.logs_except(())}
        self.known = frozenset(paths)
        """The runs that have a log, those of other steps too."""
        self.files: dict[str, tuple[Path, BinaryIO]] = {}
        self.running: list[str] = []
        """The runs that a process writes."""
        rest = []
        for run_id in run_ids:
            if (path := paths.get(run_id)) is None:
                continue
            if len(self.files) >= most:
                rest.append(path)
                continue
            try:
                self.files[run_id] = path, held.enter_context(locked_log(path))
            except StateError:
                self.running.append(run_id)
        self.running += [path.stem for path in logs_being_written(rest)] if rest else []


@dataclass(frozen=True, slots=True)
class AppendedAmendments:
    """What became of the logs of a step's runs.

    Args:
        resumed: the runs that were resumed meanwhile, and are left as they are.
        damaged: the runs whose logs are damaged, and were not amended.
        notes: what a user should know, in a sentence each.
    """

    resumed: list[str] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def append_to_held_logs(
    step: Step,
    logs: LogFolder,
    files: Mapping[str, tuple[Path, BinaryIO]],
    without: Iterable[str],
    time: float,
) -> AppendedAmendments:
    """Append to the log of each run what it is now.

    Args:
        step: what changes.
        logs: where the logs are now.
        files: by run, the log where it was, and the file, locked; other logs are locked one at a time.
        without: the runs that are left as they are.
        time: when, in seconds since 1970.
    """
    done, configuration = AppendedAmendments(), encoded_configuration(step.after)

    def append(run_id: str, path: Path, file: BinaryIO) -> None:
        run = step.runs[run_id]
        try:
            amendment = Amendment(step.after, run.after, time, run.backends, run.description_after)
            append_log_amendment(path, file, amendment, configuration)
        except CorruptFile as error:  # what is stored of the run beside the log changes all the same
            done.damaged.add(run_id)
            others = f", and {', '.join(run.backends)} has the run as it was" if run.backends else ""
            done.notes.append(f"{error} The log was not amended{others}.")

    for run_id, (path, file) in files.items():
        folder = logs.open_folder if path.parent.name == OPEN else logs.folder
        append(run_id, folder / path.name, file)
    for run_id in (step.runs.keys() - files.keys()).difference(without):
        log = logs.find(run_id)
        if log is None:
            continue
        try:
            with locked_log(log) as file:
                append(run_id, log, file)
        except StateError:
            done.resumed.append(run_id)
    return done
