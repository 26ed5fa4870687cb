"""Live consoles: each run's part of what a script prints, in the run's folder while the script is running.

What the script prints is in one file, whose last lines may still change, and of whose middle something is
left out once it is too long. Lines that are final are copied once, and what may still change again whenever
it has. A run's file is locked as long as more may come, so that ``legm logs -f`` waits for it.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from legm.capture.console_parts import ConsolePart, ScriptLine, console_parts, script_console_lines
from legm.console.console_file import open_console
from legm.errors import LegmError
from legm.runlog.configuration_folders import refuse_folder_links

__all__ = ["LiveConsoles"]

log = logging.getLogger("legm.capture")

_CHANGING_LINES = 100  # at the end of a console's file
_DELAY = 1.0  # seconds until what a run printed last is in the script's file

_Key = tuple[str, str]


class LiveConsoles:
    """The consoles of a script's runs.

    Args:
        console: the file with what the script prints; it need not exist.
        begun: when the script began, in s since 1970.
    """

    def __init__(self, console: Path, begun: float) -> None:
        self._script = _LiveConsoleLines(console)
        self._begun = begun
        self._runs: dict[_Key, tuple[float, float | None]] = {}
        self._copies: dict[_Key, _LiveConsoleCopy] = {}
        self._replaced: list[int] = []  # descriptors of the files in other folders before
        self._failed: set[_Key] = set()

    def set_run(self, at: _Key, started: float, ended: float | None) -> None:
        """Set when a run started and ended, by its tracker and its key; no end while it is running."""
        self._runs[at] = started, ended

    def show(self, at: _Key, path: Path) -> None:
        """Keep the console of a run in a new file: from the next :meth:`write` on, or now if it had one."""
        if at in self._failed or path.exists():  # it is this run's, or is left as it is
            return
        if at not in self._copies:
            self._copies[at] = _LiveConsoleCopy(path)
            return
        try:
            before = self._copies[at].move(path)
        except (LegmError, OSError) as error:
            self._report(at, error)
        else:
            self._replaced += [before] if before is not None else []

    def forget(self, at: _Key) -> None:
        """Forget a run that was deleted."""
        self._runs.pop(at, None)
        self._end(at)

    def read(self) -> None:
        """Read what the script has printed; which runs have begun must be set afterwards."""
        self._script.read()

    def write(self) -> None:
        """Write what was read into the files of the runs; where one cannot be written, the log says it."""
        for at, part in self._parts().items():
            copy = self._copies.get(at)
            if copy is None:
                continue
            try:
                copy.update(self._script, part)
            except (LegmError, OSError) as error:
                self._report(at, error)
            if at in self._failed or part.is_behind(self._script.read_at - _DELAY):
                self._end(at)
        self._script.finalize()
        self._close_replaced()

    def _parts(self) -> dict[_Key, ConsolePart]:
        """The part of each run; runs of different trackers may have the same lines."""
        found: dict[_Key, ConsolePart] = {}
        for kind in {kind for kind, _ in self._runs}:
            found |= console_parts({at: run for at, run in self._runs.items() if at[0] == kind}, self._begun)
        return found

    def _report(self, at: _Key, error: Exception) -> None:
        log.warning("the console of the run %s is kept when the script has ended: %s", at[1], error)
        self._failed.add(at)

    def _end(self, at: _Key) -> None:
        copy = self._copies.pop(at, None)
        if copy is not None:
            copy.close()

    def _close_replaced(self) -> None:
        """Close what files in other folders were: whoever follows one finds the new one by now."""
        for fd in self._replaced:
            os.close(fd)
        self._replaced.clear()

    def close(self) -> None:
        """Release the files."""
        self._close_replaced()
        for at in list(self._copies):
            self._end(at)


class _LiveConsoleLines:
    """The lines of the script's console that are not known to be final.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = ScriptLine(b"", b"")  # the last final line before them
        self.begin = 0
        """Where the lines begin in the file; 0 again where something in its middle was left out."""
        self.lines: list[ScriptLine] = []
        self.read_at = 0.0
        """When they were read, in s since 1970."""

    @property
    def final(self) -> list[ScriptLine]:
        """Those that can no longer change."""
        return self.lines[:-_CHANGING_LINES]

    @property
    def changing(self) -> list[ScriptLine]:
        """The others."""
        return self.lines[-_CHANGING_LINES:]

    @property
    def final_end(self) -> int:
        """Where the final ones end in the file."""
        return self.begin + sum(len(line.text) for line in self.final)

    def read(self) -> None:
        """Read what is there now."""
        self.read_at = time.time()
        self.lines = []
        try:
            with self._path.open("rb") as file:
                file.seek(self.begin - len(self._last.text))
                if file.read(len(self._last.text)) != self._last.text:
                    self.begin, self._last = 0, ScriptLine(b"", b"")
                    file.seek(0)
                self.lines = script_console_lines(file.read(), self._last.stamp)
        except OSError:  # it is not kept
            return

    def before(self) -> list[ScriptLine]:
        """The lines before them, from the beginning of the file.

        Raises:
            OSError: they cannot be read.
        """
        if not self.begin:
            return []
        with self._path.open("rb") as file:
            return script_console_lines(file.read(self.begin))

    def finalize(self) -> None:
        """Let the next :meth:`read` begin behind the final ones."""
        if self.final:
            self.begin, self._last = self.final_end, self.final[-1]
            self.lines = self.changing


class _LiveConsoleCopy:
    """The file with a run's part.

    Args:
        path: the file, which does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._part: ConsolePart | None = None
        self._built_to = 0  # where in the script's file what has final here ends
        self._size = 0  # bytes of final lines
        self._latest = b""  # stamp among them
        self._changing = b""  # what follows them

    def update(self, script: _LiveConsoleLines, part: ConsolePart) -> None:
        """Write what is new or has changed.

        Raises:
            LegmError, OSError: it cannot be written.
        """
        final = part.choose(script.final)
        is_new = not self._continues(script, part)
        if is_new:
            final = [*part.choose(script.before()), *final]
            self._size, self._latest, self._changing = 0, b"", b""
        final_content, changing = (
            _live_console_content(final),
            _live_console_content(part.choose(script.changing)),
        )
        content = final_content + changing
        if content != self._changing or (is_new and self._fd is not None):
            if self._fd is None:
                self._fd = self._open()
            _write_live_console_end(self._fd, self._size, content)
        self._part, self._built_to = part, script.final_end
        self._size += len(final_content)
        self._changing = changing
        self._latest = max([self._latest, *(line.stamp for line in final)])

    def move(self, path: Path) -> int | None:
        """Continue in another file, which does not exist, with all that is in this one.

        Returns:
            the open descriptor of this one; None where there was none.

        Raises:
            LegmError, OSError: the other one cannot be written.
        """
        before, self._path = self._fd, path
        if before is not None:
            self._fd = self._open()
            with open(before, "rb", closefd=False) as file:
                file.seek(0)
                _write_live_console_end(self._fd, 0, file.read())
        return before

    def _open(self) -> int:
        refuse_folder_links(self._path.parent.parent, self._path.parent, self._path)
        return open_console(self._path)

    def _continues(self, script: _LiveConsoleLines, part: ConsolePart) -> bool:
        """Whether the final lines stay: the others follow them, and they still belong to the run."""
        return (
            self._part is not None
            and self._part.begin == part.begin
            and self._latest <= part.end
            and self._built_to == script.begin
        )

    def close(self) -> None:
        """Release the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _live_console_content(lines: list[ScriptLine]) -> bytes:
    return b"".join(line.text for line in lines)


def _write_live_console_end(fd: int, at: int, content: bytes) -> None:
    """Replace the end of a file. A reader sees no line shorter than before, unless it is."""
    os.lseek(fd, at, os.SEEK_SET)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.ftruncate(fd, at + len(content))
