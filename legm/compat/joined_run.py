"""A run that another process owns: what this process logs gets to its owner, and nothing of it is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.compat.joined_calls import CallFile, JoinedCalls
from legm.compat.run_snapshot import (
    LoggedNumber,
    RunSnapshot,
    find_snapshot,
    names_of_tests,
    read_snapshot_history,
)
from legm.compat.script_run import ScriptRun
from legm.compat.settings import Settings
from legm.compat.unsupported_calls import UnsupportedCalls
from legm.delivery.run_session import RunSession
from legm.errors import LegmError
from legm.media.pending_file import PendingFile
from legm.records import MediaKind, Plain, Status

if TYPE_CHECKING:
    from legm.core.point_columns import Columns

__all__ = ["JoinedRun", "changed_joined_note", "described_run", "description_of_run"]

_MAX_WAIT = 5.0  # seconds that the end of a joined run waits for the owner to make its calls
_POLL_INTERVAL = 0.02


class JoinedRun(ScriptRun):
    """A :class:`~legm.compat.script_run.ScriptRun` that another process owns.

    Args:
        settings: name the root directory and the backend.
        notices: receives what cannot be recorded.
        kind: the other tracker's name.
        earlier: the run as it is stored, or as its owner describes it.
        calls: what processes that joined the run log to it.
        take_over: called where the owner has gone, so that this process makes what calls are left.
        is_attached: whether this process has a copy of the owner's object: rows without a step are the
            owner's next ones, and it is the owner that ends the run.
    """

    def __init__(
        self,
        settings: Settings,
        notices: UnsupportedCalls,
        kind: str,
        earlier: RunSnapshot,
        calls: JoinedCalls,
        take_over: Callable[[RunSnapshot], object],
        *,
        is_attached: bool = False,
    ) -> None:
        super().__init__(settings, notices, kind, earlier.key, earlier.experiment, earlier=earlier)
        self.is_attached = is_attached
        self._earlier = earlier
        self._joined_calls = calls
        self._take_over = take_over
        self._file = CallFile(calls.folder)
        self._has_written = False

    def _prepare(self) -> None:
        pass

    def _begin_within(self, seconds: float) -> None:
        pass

    def _record(self, call: Callable[[RunSession], object]) -> None:
        pass

    def meet_owner(self) -> None:
        """Learn from the owner what the run has, which may not be stored yet."""
        self._write("join")
        self._wait_for_owner()
        known = described_run(self.key, self._joined_calls.description() or {"experiment": self.experiment})
        self._parameters.values |= known.parameters
        self._notes |= known.notes
        self._latest |= known.latest
        self._counts |= {name: one.step + 1 for name, one in known.latest.items()}
        self._tests |= known.tests
        self.started = known.started
        self._earlier = self.state()

    # Calls of the script

    def make_call(self, method: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Write a call of the script for the owner of the run."""
        try:
            getattr(self, f"_write_{method.__name__}")(method, *args, **kwargs)
        except LegmError as error:
            self._notices.report_unsupported(f"what this process logs to the run {self.key}", str(error))

    def _write(self, call: str, **arguments: Any) -> None:
        self._file.write(call, time.time(), arguments)
        self._has_written = True

    def _write_set_parameters(self, method: Callable[..., None], values: Mapping[str, Any], **_: Any) -> None:
        before = dict(self._parameters.values)
        method(self, values)
        new = {
            name: value
            for name, value in self._parameters.values.items()
            if name not in before or before[name] != value
        }
        if new:
            self._write("join_parameters", values=new)

    def _write_note(self, method: Callable[..., None], **notes: Plain) -> None:
        before = dict(self._notes)
        method(self, **notes)
        changes = {name: _joined_note_change(before.get(name), new) for name, new in notes.items()}
        self._write("join_notes", changes=changes)

    def _write_log(
        self, method: Callable[..., None], values: Mapping[str, Any], step: int | None = None
    ) -> None:
        method(self, values, step)
        numbers = {name: self._number_of(name, value) for name, value in values.items()}
        known = {name: number for name, number in numbers.items() if number is not None}
        self._write("log", values=known, step=step)

    def _number_of(self, name: str, value: Any) -> float | None:
        try:
            return self._to_number(name, value)
        except LegmError:
            return None  # which was reported

    def _write_set_test(self, method: Callable[..., None], name: str, value: Any) -> None:
        method(self, name, value)
        if name in self._tests:
            self._write("set_test", name=name, value=self._tests[name])

    def _write_delete_test(self, method: Callable[..., None], name: str) -> None:
        method(self, name)
        self._write("delete_test", name=name)

    def _write_show(self, method: Callable[..., None], name: str, text: str, step: int) -> None:
        self._write("show", name=name, text=text, step=step)

    def _write_keep(self, method: Callable[..., None], path: Path, name: str) -> None:
        self._write_file(path, name)

    def _write_keep_bytes(self, method: Callable[..., None], content: bytes, name: str) -> None:
        self._write_file(content, name)

    def _write_file(self, content: bytes | Path, name: str) -> None:
        kept = self._file.keep(content)
        self._files[name] = kept
        self._write("keep", name=name, file=kept.name)

    def _write_log_media(
        self, method: Callable[..., None], name: str, kind: MediaKind, files: Sequence[PendingFile], step: int
    ) -> None:
        described = [
            {
                "file": self._file.keep(one.encode()).name,
                "extension": one.extension,
                "caption": one.caption,
                "details": dict(one.details),
            }
            for one in files
        ]
        self._write("log_media", name=name, kind=kind.value, files=described, step=step)

    def correct_steps(self, change: Callable[[Columns], Columns]) -> None:
        """The owner has the numbers of all processes: they stay at their steps."""

    def end(self, status: Status, error: str | None = None) -> None:
        """End the run for this process; it ends with its owner, or now where that has gone."""
        if os.getpid() != self._pid or (self.status is not Status.RUNNING and not self._has_written):
            return
        self.status, self.ended, self.changed = status, time.time(), False
        if not self.is_attached:
            self._write("end", status=status.value, error=error)
        self._wait_for_owner()

    def release(self) -> None:
        """Leave the run to its owner, or end it where that has gone."""
        if os.getpid() == self._pid and self._has_written:
            self._wait_for_owner()

    def _wait_for_owner(self) -> None:
        """Wait until the owner has made the calls of this process; where it has gone, make them."""
        until = time.monotonic() + _MAX_WAIT
        while not self._file.is_read() and time.monotonic() < until:
            if not self._joined_calls.is_owned:
                self._take_over(self._earlier)
                break
            time.sleep(_POLL_INTERVAL)
        self._has_written = False

    # Reading

    def snapshot(self) -> RunSnapshot:
        """The state of the run: what is stored, and what this process logged."""
        own, stored = super().snapshot(), find_snapshot(self._settings, self.key, [self.experiment])
        if stored is None:
            return own
        new = {name: one for name, one in own.latest.items() if one is not self._earlier.latest.get(name)}
        files = {name: path for name, path in own.files.items() if name not in stored.files}
        return RunSnapshot(
            self.key,
            stored.experiment,
            {**stored.parameters, **own.parameters},
            {**stored.notes, **own.notes},
            {**stored.latest, **new},
            {**stored.tests, **own.tests},
            self.status,
            stored.started,
            self.ended,
            {**stored.files, **files},
            stored.run,
            stored.folder,
        )

    def history(self) -> dict[str, list[LoggedNumber]]:
        """Every value of every dev metric that is stored."""
        self._wait_for_owner()
        stored = find_snapshot(self._settings, self.key, [self.experiment])
        if stored is None or stored.run is None or stored.folder is None:
            return {}
        return read_snapshot_history(stored.folder, stored.run.run_id, names_of_tests(stored.notes))


def _joined_note_change(old: Plain, new: Plain) -> list[Any]:
    """How a note changes, so that what another process notes meanwhile stays."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
        return ["update", changed, [name for name in old if name not in new]]
    if isinstance(old, list) and isinstance(new, list) and new[: len(old)] == old:
        return ["extend", new[len(old) :]]
    return ["set", new]


def changed_joined_note(old: Plain, change: Sequence[Any]) -> Any:
    """A note after a change that another process made to it.

    Args:
        old: the note before.
        change: how it changes.
    """
    how, *given = change
    if how == "update":
        known = old if isinstance(old, Mapping) else {}
        return {**{name: value for name, value in known.items() if name not in given[1]}, **given[0]}
    if how == "extend":
        return [*(old if isinstance(old, list) else ()), *given[0]]
    return given[0]


def described_run(key: str, known: Mapping[str, Any]) -> RunSnapshot:
    """A run as its owner describes it, which may not have stored it yet.

    Args:
        key: the run's id in the other tracker.
        known: the description, as :func:`description_of_run` makes it.
    """
    return RunSnapshot(
        key,
        str(known.get("experiment")),
        known.get("parameters") or {},
        known.get("notes") or {},
        {name: LoggedNumber(*one) for name, one in (known.get("latest") or {}).items()},
        known.get("tests") or {},
        Status.RUNNING,
        float(known.get("started") or time.time()),
    )


def description_of_run(run: RunSnapshot) -> dict[str, Any]:
    """What the owner of a run tells the processes that join it.

    Args:
        run: the run's state.
    """
    return {
        "experiment": run.experiment,
        "parameters": dict(run.parameters),
        "notes": dict(run.notes),
        "latest": {name: list(one) for name, one in run.latest.items()},
        "tests": dict(run.tests),
        "started": run.started,
    }
