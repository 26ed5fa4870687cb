"""What the owner of a run does for the processes that join it: it makes their calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from legm.compat.joined_calls import JoinedCall, JoinedCalls, abandoned_calls
from legm.compat.joined_run import changed_joined_note, described_run, description_of_run
from legm.compat.other_processes import OtherProcesses
from legm.compat.run_snapshot import RunSnapshot, find_snapshot
from legm.compat.script_run import ScriptRun
from legm.compat.settings import Settings
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.errors import LegmError
from legm.media.pending_file import PendingFile
from legm.records import MediaKind, Status

__all__ = ["RunOwner", "take_over_abandoned_runs", "take_over_run"]

log = logging.getLogger("legm.compat")


class RunOwner(OtherProcesses):
    """Makes the calls of other processes on a run of this one.

    Args:
        run: the run.
        calls: what other processes log to it.
        joining: makes a run that joins this one, for a fork of this process.
    """

    def __init__(
        self, run: ScriptRun, calls: JoinedCalls, joining: Callable[[RunSnapshot], ScriptRun]
    ) -> None:
        super().__init__()
        self._run = run
        self._calls = calls
        self._joining = joining
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, int], int] = {}
        self._fork: ScriptRun | None = None
        self.last_end: tuple[Status, str | None] | None = None
        """How the last process that joined the run ended it."""
        run.others = self

    def make_calls(self) -> None:
        """Make the calls that other processes have written since the last time."""
        if not self._calls.has_new() or not self._lock.acquire(blocking=False):
            return  # else another thread makes them, or this interrupts it
        try:
            for call in self._calls.new():
                self.have_logged = True
                try:
                    getattr(self, f"_make_{call.name}")(call, **call.arguments)
                except (LegmError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
                    log.error("%s of another process is not recorded: %s", call.name, error)  # noqa: TRY400
            self._run.flush()
            self._calls.note_read()
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400
        finally:
            self._lock.release()

    def _step_of(self, call: JoinedCall, step: int | None) -> int | None:
        """The step of a value; a negative one counts the rows of a process that has no steps of its own."""
        if step is None or step >= 0 or self.next_row is None:
            return step
        row = call.process, step
        if row not in self._rows:
            self._rows[row] = self.next_row()
        return self._rows[row]

    def _make_join(self, _: JoinedCall) -> None:
        known = self._calls.description() or {}
        self._calls.describe({**known, **description_of_run(self._run.state())})

    def _make_join_parameters(self, _: JoinedCall, values: Mapping[str, Any]) -> None:
        self._run.join_parameters(values)

    def _make_join_notes(self, _: JoinedCall, changes: Mapping[str, Any]) -> None:
        known = self._run.notes
        self._run.note(
            **{name: changed_joined_note(known.get(name), change) for name, change in changes.items()}
        )

    def _make_log(self, call: JoinedCall, values: Mapping[str, float], step: int | None) -> None:
        self._run.log(values, self._step_of(call, step), call.time)

    def _make_set_test(self, _: JoinedCall, name: str, value: float) -> None:
        self._run.set_test(name, value)

    def _make_delete_test(self, _: JoinedCall, name: str) -> None:
        self._run.delete_test(name)

    def _make_show(self, call: JoinedCall, name: str, text: str, step: int) -> None:
        self._run.show(name, text, self._step_of(call, step) or 0)

    def _make_keep(self, call: JoinedCall, name: str, file: str) -> None:
        self._run.keep(call.folder / file, name)

    def _make_log_media(
        self, call: JoinedCall, name: str, kind: str, files: list[dict[str, Any]], step: int
    ) -> None:
        pending = [
            PendingFile(
                (call.folder / one["file"]).read_bytes, one["extension"], 0, one["caption"], one["details"]
            )
            for one in files
        ]
        self._run.log_media(name, MediaKind(kind), pending, self._step_of(call, step) or 0)

    def _make_end(self, _: JoinedCall, status: str, error: str | None) -> None:
        self.last_end = Status(status), error
        if self._run.status is not Status.RUNNING:
            self._run.status, self._run.changed = self.last_end[0], True  # as which it ends again

    def release(self) -> None:
        """Let another process own the run."""
        self._calls.release()

    def in_fork(self) -> ScriptRun:
        """The run that joins this one in a fork of this process."""
        if self._fork is None:
            self._fork = self._joining(self._run.state())
        return self._fork


def take_over_run(
    settings: Settings,
    notices: UnsupportedCalls,
    kind: str,
    earlier: RunSnapshot,
    calls: JoinedCalls,
) -> bool:
    """Make the calls that are left of a run whose owner has gone, and end it as the last process ended it.

    Args:
        settings: name the root directory and the backend.
        notices: receives what cannot be recorded.
        kind: the other tracker's name.
        earlier: the run as it is known, where it is not stored.
        calls: what processes that joined the run logged to it.

    Returns:
        whether this process did it; False where another one owns the run.

    Raises:
        LegmError: the run cannot be read or written.
    """
    if not calls.try_to_own(calls.description() or {}):
        return False
    try:
        key, experiment, notes = earlier.key, earlier.experiment, dict(earlier.notes)
        stored = find_snapshot(settings, key, [experiment])
        description = str(notes.get("job_type") or "")
        run = ScriptRun(
            settings, notices, kind, key, experiment, description, stored, notes if stored is None else None
        )
        owner = RunOwner(run, calls, lambda _: run)
        owner.make_calls()
        status, error = owner.last_end or (Status.INTERRUPTED, "its process ended before")
        if stored is not None and owner.last_end is None:
            status = stored.status if stored.status is not Status.RUNNING else status
        run.end(status, error)
        run.release()
    finally:
        calls.release()
    return True


def take_over_abandoned_runs(root: Path) -> list[str]:
    """Record what processes logged to runs whose owners were killed, as they were themselves.

    Args:
        root: the root directory.

    Returns:
        What was done, as texts.

    Raises:
        LegmError: a run cannot be read or written.
    """
    done = []
    for calls in abandoned_calls(root):
        known = calls.description() or {}
        key, kind, backend = known.get("key"), known.get("kind"), known.get("backend")
        if not (isinstance(key, str) and isinstance(kind, str) and isinstance(backend, str)):
            continue
        settings, notices = Settings(root, (backend,)), UnsupportedCalls()
        if take_over_run(settings, notices, kind, described_run(key, known), calls):
            done.append(f"the run {key} of {kind} got what other processes had logged to it")
    return done
