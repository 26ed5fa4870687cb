"""Reads the console of a run, also while it is written."""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass, replace
from operator import eq
from pathlib import Path
from time import strptime
from typing import BinaryIO

from legm.console.terminal_lines import TerminalLines
from legm.errors import storage_error
from legm.util.own_files import open_own_file

__all__ = ["ConsoleLine", "ConsoleTail", "read_console_line"]

_STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z ?(.*)", re.DOTALL)
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_WINDOW = 100  # lines at the end that may still change
_LONGEST_READ = 1 << 26


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """A line of a console.

    Args:
        text: what it says.
        time: when it changed last, in s since 1970; None where the file does not say it.
        is_ended: whether the program has ended it, or has begun another one after it.
    """

    text: str
    time: float | None = None
    is_ended: bool = True


def read_console_line(text: str) -> ConsoleLine:
    """A line of a console's file, of legm's own or of another tracker's, without its newline."""
    found = _STAMPED.fullmatch(text)
    if found is None:
        lines = TerminalLines()
        lines.feed(0, text.encode(), 0.0)
        return ConsoleLine(lines.window[-1].text if lines.window else "")
    try:
        return ConsoleLine(found[3], timegm(strptime(found[1], "%Y-%m-%dT%H:%M:%S")) + int(found[2]) / 1000)
    except ValueError:
        return ConsoleLine(text)


class ConsoleTail:
    """The lines of a console's file as they come, and those of the last ones that change.

    Args:
        path: the file, which need not exist yet, and which may be moved meanwhile.
        last: how many of the lines that are there at first are read; None for all.
        folder: the configuration's, from which no link is followed to the file; None to follow any.
    """

    def __init__(self, path: Path, last: int | None = None, *, folder: Path | None = None) -> None:
        self.path = path
        self._folder = folder
        self._last = last
        self._start = 0  # where the first of the lines is that may still change
        self._shown: list[str] = []  # these lines, as they were read

    def move(self, path: Path, folder: Path) -> None:
        """Read on where the file was moved to.

        Args:
            path: the file.
            folder: of the configuration that it is in now.
        """
        self.path, self._folder = path, folder

    def read(self) -> tuple[int, list[ConsoleLine]]:
        """What is new.

        Returns:
            how many of the lines that were read last are replaced, and the lines that follow the others.

        Raises:
            StorageError: the file cannot be read, or a link leads to it.
        """
        try:
            with self._open() as file:
                lines = self._lines_from(file, self._start)
                if self._last is not None and lines:
                    self._start += sum(map(len, lines[: max(0, len(lines) - self._last)]))
                    lines, self._last = lines[max(0, len(lines) - self._last) :], None
                texts = list(map(_console_line_text, lines))
                if self._shown and not any(map(eq, texts, self._shown)):
                    lines = self._lines_after_moved(file) or lines
                    texts = list(map(_console_line_text, lines))
        except FileNotFoundError:
            return 0, []
        except OSError as cause:
            raise storage_error("read the console", self.path, cause) from cause
        equal = 0
        while equal < min(len(texts), len(self._shown)) and texts[equal] == self._shown[equal]:
            equal += 1
        replaced, new = len(self._shown) - equal, texts[equal:]
        final_count = max(0, len(lines) - _WINDOW)
        self._start += sum(map(len, lines[:final_count]))
        self._shown = texts[final_count:]
        return replaced, list(map(_console_line, new))

    def _open(self) -> BinaryIO:
        return self.path.open("rb") if self._folder is None else open_own_file(self._folder, self.path)

    def _lines_from(self, file: BinaryIO, start: int) -> list[bytes]:
        file.seek(start)
        return _LINE.findall(file.read(_LONGEST_READ))

    def _lines_after_moved(self, file: BinaryIO) -> list[bytes]:
        """The lines from a known one on, where something before it was left out meanwhile."""
        start = max(0, file.seek(0, 2) - _LONGEST_READ)
        lines = self._lines_from(file, start)
        last_positions = {text: at for at, text in enumerate(map(_console_line_text, lines))}
        for known in range(len(self._shown) - 1, -1, -1):
            at = last_positions.get(self._shown[known])
            if at is not None:
                self._start = start + sum(map(len, lines[:at]))
                self._shown = self._shown[known:]
                return lines[at:]
        return []


def _console_line_text(line: bytes) -> str:
    return line.decode(errors="replace")


def _console_line(text: str) -> ConsoleLine:
    ended = text.rstrip("\r\n")
    return replace(read_console_line(ended), is_ended=ended != text)
