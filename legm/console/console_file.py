"""The file of a run's console: a line is ``2026-07-28T16:20:31.123Z text``, with the time of its last change.

The last lines, which a program may still change, are written at once and written again when they change. So
whatever a killed process printed is in the file, as far as the process that writes it got. The file ends
without a newline while the last line has not been ended. It is locked while more may come.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from pathlib import Path

from legm.console.terminal_lines import TerminalLine, TerminalLines
from legm.core.credentials import REDACTED, redact_text

__all__ = [
    "ConsoleFile",
    "console_stamp",
    "end_last_console_line",
    "is_console_being_written",
    "open_console",
]

_NOTE = re.compile(rb"^\[\.\.\.\] ([\d,]+) bytes left out[^\n]*\n", re.MULTILINE)
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
_LONGEST_KEY = 200  # lines
_MOST_UNWRITTEN = 100_000  # lines in memory, where the file cannot be written


class ConsoleFile:
    """Writes a console to a file, which it locks; it continues where an earlier process of the run ended.

    Args:
        path: the file, which may exist.
        limit: its size in bytes. When it is reached, the first half and the newest quarter are kept, and how
            much was left out between them is said.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._fd = open_console(path)
        self._limit = limit
        self._lines = TerminalLines()
        self._starts: list[int] = []  # where each line of the window is
        self._keys: list[int] = []  # after each line, how many more lines may be of a private key
        self._key_before = 0  # the same after the last line that left the window
        self._lost = 0  # bytes that could not be stored
        self._end = end_last_console_line(self._fd)
        self._is_end_open = False  # whether the last line in the file has no newline

    def move(self, path: Path) -> None:
        """Continue in another file, behind what is in that; the old one is not deleted.

        Raises:
            OSError: it cannot be written; then nothing has changed.
        """
        old, self._fd = self._fd, open_console(path)
        try:
            begin = end_last_console_line(self._fd)
            for at in range(0, self._end, 1 << 20):
                os.lseek(old, at, os.SEEK_SET)
                self._put(begin + at, os.read(old, min(1 << 20, self._end - at)))
        except OSError:
            os.close(self._fd)
            self._fd = old
            raise
        os.close(old)
        self._end += begin
        self._starts = [begin + start for start in self._starts]

    def feed(self, stream: int, data: bytes, when: float) -> None:
        """Take what was printed; :meth:`write` stores it."""
        self._lines.feed(stream, data, when)
        if len(self._lines.window) > _MOST_UNWRITTEN:  # the file cannot be written
            unwritten = self._lines.window[len(self._starts) :]
            self._lost += sum(len(line.text) + 1 for line in unwritten)
            self._forget_window()

    def note_lost(self, size: int) -> None:
        """Say, behind what was taken so far, that bytes were printed faster than they could be stored."""
        try:
            self.write()
        finally:
            self._lost += size
        self.write()

    def write(self) -> None:
        """Write the lines that are new or have changed.

        Raises:
            OSError: they cannot be written; the next call tries again.
        """
        if self._lost:
            self._write_note()
        self._write_lines()
        if self._end > self._limit:
            self._cut()

    def _write_lines(self) -> None:
        lines = self._lines
        changed = lines.changed_from
        is_end_open = lines.is_last_line_open
        if self._is_end_open and (changed < len(lines.window) or not is_end_open):
            changed = min(changed, len(self._starts) - 1)  # the last line gets its newline
        if changed >= max(len(lines.window), len(self._starts)):
            return
        at = self._starts[changed] if changed < len(self._starts) else self._end
        key = self._keys[changed - 1] if changed else self._key_before
        starts, keys, texts, position = self._starts[:changed], self._keys[:changed], [], at
        for line in lines.window[changed:]:
            text, key = self._shown(line, key)
            if is_end_open and line is lines.window[-1]:
                text = text[:-1]
            starts.append(position)
            keys.append(key)
            texts.append(text)
            position += len(text)
        self._put(at, b"".join(texts))
        if position < self._end:
            os.ftruncate(self._fd, position)
        self._end = position
        self._is_end_open = is_end_open and bool(texts)
        dropped = lines.finalize()
        if dropped:
            self._key_before = keys[dropped - 1]
        self._starts, self._keys = starts[dropped:], keys[dropped:]

    def close(self) -> None:
        """Write what is left, and close the file.

        Raises:
            OSError: it could not be written.
        """
        try:
            self.write()
            self._end_last_line()
        finally:
            os.close(self._fd)

    def _shown(self, line: TerminalLine, key: int) -> tuple[bytes, int]:
        """A line as it is stored, and how many more lines after it may be of a private key."""
        text = line.text.rstrip()
        if key:
            key = 0 if _KEY_ENDS.search(text) else key - 1
            text = REDACTED if key == _LONGEST_KEY - 1 else ""
        else:
            if _KEY_BEGINS.search(text) and not _KEY_ENDS.search(text):
                key = _LONGEST_KEY
            text = redact_text(text)
        if line.cut > 0:
            text += f" [... {line.cut:,} characters left out]"
        return f"{console_stamp(line.time)} {text}\n".encode(errors="backslashreplace"), key

    def _end_last_line(self) -> None:
        if self._is_end_open:
            self._put(self._end, b"\n")
            self._end += 1
            self._is_end_open = False

    def _put(self, at: int, data: bytes) -> None:
        os.lseek(self._fd, at, os.SEEK_SET)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _cut(self) -> None:
        """Leave out what is between the first half and the newest quarter.

        It is done in the file itself, which a user may have moved, so a process that is killed meanwhile
        leaves some lines twice.
        """
        self._end_last_line()
        head = self._line_after(self._limit // 2)
        tail = self._line_after(self._end - self._limit // 4)
        if tail <= head:
            return
        newest = os.pread(self._fd, self._end - tail, tail) if hasattr(os, "pread") else self._read(tail)
        left_out = tail - head + self._said_left_out(head, tail)
        self._forget_window()
        note = _console_note(left_out, f"a console is kept up to {self._limit:,} bytes")
        self._put(head, note + newest)
        self._end = head + len(note) + len(newest)
        os.ftruncate(self._fd, self._end)

    def _said_left_out(self, begin: int, end: int) -> int:
        """The bytes that earlier notes between two positions speak of, without the notes themselves."""
        said, known = 0, b""
        while begin < end:
            os.lseek(self._fd, begin, os.SEEK_SET)
            part = os.read(self._fd, min(1 << 20, end - begin))
            begin += len(part)
            known += part
            used = 0
            for found in _NOTE.finditer(known):
                said += int(found[1].replace(b",", b"")) - len(found[0])
                used = found.end()
            known = known[max(used, len(known) - 200) :]
        return said

    def _read(self, at: int) -> bytes:
        os.lseek(self._fd, at, os.SEEK_SET)
        parts = []
        while part := os.read(self._fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)

    def _line_after(self, position: int) -> int:
        """Where the first line begins at or after a position."""
        if position <= 0:
            return 0
        position -= 1
        os.lseek(self._fd, position, os.SEEK_SET)
        while part := os.read(self._fd, 1 << 16):
            at = part.find(b"\n")
            if at >= 0:
                return position + at + 1
            position += len(part)
        return self._end

    def _write_note(self) -> None:
        """Say how much could not be stored, before what is stored now."""
        if self._starts:  # the note stands after them
            self._write_lines()
            self._forget_window()
        self._end_last_line()
        note = _console_note(self._lost, "they were printed faster than they could be stored")
        self._put(self._end, note)
        self._end += len(note)
        self._lost = 0

    def _forget_window(self) -> None:
        if self._keys:
            self._key_before = self._keys[-1]
        self._lines.end_all()
        self._starts, self._keys = [], []


def console_stamp(when: float) -> str:
    """How the file says a time, in s since 1970: later ones sort behind earlier ones."""
    return f"{_console_second_text(int(when))}.{int(when % 1 * 1000):03}Z"


@functools.lru_cache(maxsize=4)
def _console_second_text(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def open_console(path: Path) -> int:
    """Open a console's file for writing, which others then see as being written.

    Raises:
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, flags, 0o666)
    with contextlib.suppress(ImportError):  # Windows
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def is_console_being_written(path: Path) -> bool:
    """Whether a process has a console's file open for writing; False where there is none, or are no locks."""
    try:
        import fcntl

        fd = os.open(path, os.O_RDONLY)
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(fd)
    return False


def end_last_console_line(fd: int) -> int:
    """End the last line of a file, which an earlier process may have left open; returns the file's size."""
    size = os.fstat(fd).st_size
    if size:
        os.lseek(fd, size - 1, os.SEEK_SET)
        if os.read(fd, 1) != b"\n":
            os.lseek(fd, size, os.SEEK_SET)
            os.write(fd, b"\n")
            return size + 1
    return size


def _console_note(size: int, why: str) -> bytes:
    return f"[...] {size:,} bytes left out: {why}\n".encode()
