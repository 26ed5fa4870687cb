"""Following the console of a run that is being written: its lines as they come, in a terminal or a pipe."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from legm.cli.printing import say
from legm.errors import LegmError

if TYPE_CHECKING:
    from legm.console.console_reader import ConsoleLine, ConsoleTail
    from legm.records import Run

__all__ = ["FollowedRun", "follow_console"]

_PAUSE = 0.2  # seconds between two looks
_MOVING = 2.0  # seconds for which a run may be nowhere, since it is written anew
_UNCHANGED = 2.0  # seconds without a change after which a line that was printed is printed again
_CHANGING_LINES = 100  # at the end of a console


class FollowedRun:
    """A run that may be written, and that may move while it is: its parameters may be set late.

    Args:
        log: the run's log.
    """

    def __init__(self, log: Path) -> None:
        self._run = _run_of_log(log)
        self._set_log(log)

    def _set_log(self, log: Path) -> None:
        from legm.console.console_options import console_path
        from legm.runlog.log_folder import LogFolder

        self.run_id = log.stem
        self._logs = LogFolder.containing(log)
        self.folder = self._logs.folder.parent
        """The folder of its configuration."""
        self.console = console_path(self.folder, self.run_id)
        """The file of its console, which need not exist."""

    def is_written(self) -> bool:
        """Whether a process is writing the run, or its console, which may end later."""
        from legm.console.console_file import is_console_being_written
        from legm.runlog.log_writer import is_log_locked

        return is_log_locked(self._logs.pending_path(self.run_id)) or is_console_being_written(self.console)

    def is_there(self) -> bool:
        """Whether it is where it was found last."""
        return self._logs.find(self.run_id) is not None

    def has_moved(self) -> bool:
        """Look for it in the other configurations; returns whether it was found."""
        if self._run is None:
            return False
        log = _find_log_of_run(self._logs.folder.parent, self._run)
        if log is not None:
            self._set_log(log)
        return log is not None


def _find_log_of_run(folder: Path, run: Run) -> Path | None:
    """The log of a run that is no longer in its configuration's folder; None if it is nowhere.

    One that legm's stand-ins for wandb and mlflow record has another id then, and the same key in the script.
    """
    from legm.runlog.configuration_folders import subfolders
    from legm.runlog.log_folder import LogFolder

    others = [LogFolder.of(folder.parent / name) for name in subfolders(folder.parent)]
    for logs in others:
        found = logs.find(run.run_id)
        if found is not None:
            return found
    key, begin = _drop_in_key(run), run.run_id.rpartition("-")[0]
    candidates = [path for logs in others for path in logs.logs_except(()) if path.stem.startswith(begin)]
    for path in candidates if key is not None else ():
        other = _run_of_log(path)
        if other is not None and _drop_in_key(other) == key:
            return path
    return None


def _drop_in_key(run: Run) -> object:
    from legm.core.origins import DROP_IN

    origin = run.environment.get(DROP_IN)
    return (origin.get("from"), origin.get("key")) if isinstance(origin, dict) else None


def _run_of_log(log: Path) -> Run | None:
    """The run of a log; None where it cannot be read."""
    from legm.runlog.log_folder import LogFolder
    from legm.runlog.log_reader import read_log_head

    try:
        found = LogFolder.containing(log).follow(log, read_log_head)
    except LegmError:
        return None
    return None if found is None else found[0].run


def follow_console(run: FollowedRun, tail: ConsoleTail, text: Callable[[ConsoleLine], str]) -> None:
    """Show the lines of a run's console as they come, until the run and its console have ended.

    A terminal shows a line that changes in its place. Elsewhere a line is printed once it has ended, and
    again once it has changed and then stays so.

    Args:
        run: the run.
        tail: its console.
        text: how a line is shown.
    """
    output: _FollowingOutput = (
        _FollowingTerminalOutput(text) if sys.stdout.isatty() else _FollowingPlainOutput(text)
    )
    for replaced, lines, is_end in _followed_console_changes(run, tail):
        output.show(replaced, lines, is_end=is_end)
        sys.stdout.flush()


def _followed_console_changes(
    run: FollowedRun, tail: ConsoleTail
) -> Iterator[tuple[int, list[ConsoleLine], bool]]:
    """What changes, and whether everything has ended, until then."""
    last_seen = time.monotonic()
    while True:
        is_written = run.is_written()  # asked first: what is read afterwards is all there is
        if run.is_there():
            last_seen = time.monotonic()
        elif run.has_moved():
            tail.move(run.console, run.folder)
            is_written = True  # as far as is known: it was asked for where the run was before
        is_written = is_written or (not run.is_there() and time.monotonic() < last_seen + _MOVING)
        yield *tail.read(), not is_written
        if not is_written:
            return
        time.sleep(_PAUSE)


class _FollowingOutput(Protocol):
    def show(self, replaced: int, lines: list[ConsoleLine], *, is_end: bool) -> None:
        """Show that the last lines are replaced by others."""


class _FollowingTerminalOutput:
    """Shows a line that changes in its place."""

    def __init__(self, text: Callable[[ConsoleLine], str]) -> None:
        self._text = text

    def show(self, replaced: int, lines: list[ConsoleLine], *, is_end: bool) -> None:
        """Show that the last lines are replaced by others."""
        size = shutil.get_terminal_size()
        out_of_reach = max(0, replaced - (size.lines - 1))  # they have left the screen
        replaced -= out_of_reach
        if replaced:
            click.echo(f"\x1b[{replaced}A\x1b[J", nl=False, color=True)
        for line in lines[out_of_reach:]:
            text = self._text(line)
            say(text if is_end else text[: size.columns - 1])  # a line that is wrapped would be several


@dataclass(slots=True)
class _PlainLine:
    """A line of a console in a pipe or file.

    Args:
        line: as it is now.
        is_printed: whether it was printed so.
        changed: when it changed after it had been printed, in s; None if it has not.
    """

    line: ConsoleLine
    is_printed: bool = False
    changed: float | None = None


class _FollowingPlainOutput:
    """Prints each line once, and again once it has changed and then stays so."""

    def __init__(self, text: Callable[[ConsoleLine], str]) -> None:
        self._text = text
        self._window: list[_PlainLine] = []

    def show(self, replaced: int, lines: list[ConsoleLine], *, is_end: bool) -> None:
        """Print what is due after the last lines are replaced by others."""
        now = time.monotonic()
        kept = len(self._window) - replaced
        before = self._window[kept:]
        printed = {(one.line.text, one.line.time) for one in before if one.is_printed}
        self._window[kept:] = [
            _followed_replacement_line(line, before[at] if at < len(before) else None, printed, now)
            for at, line in enumerate(lines)
        ]
        for at, one in enumerate(self._window):
            is_last = at == len(self._window) - 1
            is_leaving = is_end or at < len(self._window) - _CHANGING_LINES
            if not one.is_printed and (is_leaving or _is_followed_line_due(one, is_last, now)):
                one.is_printed, one.changed = True, None
                say(self._text(one.line))
        del self._window[:-_CHANGING_LINES]


def _followed_replacement_line(
    line: ConsoleLine, before: _PlainLine | None, printed: set[tuple[str, float | None]], now: float
) -> _PlainLine:
    """A line, with what is known of the one that it replaces."""
    if (line.text, line.time) in printed or (before and before.is_printed and before.line.text == line.text):
        return _PlainLine(line, is_printed=True)
    was_printed = before is not None and (before.is_printed or before.changed is not None)
    return _PlainLine(line, changed=now if was_printed else None)


def _is_followed_line_due(one: _PlainLine, is_last: bool, now: float) -> bool:
    if one.changed is not None:
        return now >= one.changed + _UNCHANGED
    return one.line.is_ended or not is_last
