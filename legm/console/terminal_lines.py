"""What a terminal shows in the end of what was printed: progress bars in their last state, without colors."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

__all__ = ["TerminalLine", "TerminalLines"]

_WINDOW = 100  # lines that a program may still change by moving the cursor up
_LONGEST_LINE = 10_000
_LONGEST_SEQUENCE = 4_096  # an escape sequence that is longer is none

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x08\x0a-\x1f\x7f]+)"
    r"|(?P<control>[\n\r\x08])"
    r"|\x1b\[(?P<arguments>[0-?]*)[ -/]*(?P<command>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links and other texts for the terminal
    r"|\x1b[()*+#%][ -~]|\x1b[0-Z\\\]^_`-~]"
    r"|[\x00-\x1f\x7f]",
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[()*+#%]?)\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(slots=True, eq=False)
class TerminalLine:
    """A line as it is shown now.

    Args:
        text: what it says.
        time: when it changed last, in s since 1970.
        cut: how many characters it has beyond the longest line that is kept.
    """

    text: str
    time: float
    cut: int = 0


class _Stream:
    """The cursor of one stream, among the lines that it printed."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.held = ""  # the beginning of an escape sequence
        self.lines: list[TerminalLine] = []
        self.row = 0
        self.column = 0


class TerminalLines:
    """The last lines of one or several streams, which may still change.

    Streams that lead to one terminal are one stream here. Lines of different streams are never mixed, and are
    in the order in which they were begun.
    """

    def __init__(self) -> None:
        self.window: list[TerminalLine] = []
        """The lines that may still change, oldest first."""
        self.changed_from = 0
        """The index in the window of the first line that changed since the last :meth:`finalize`."""
        self._streams: dict[int, _Stream] = {}

    def feed(self, stream: int, data: bytes, time: float) -> None:
        """Take what was printed.

        Args:
            stream: the number of the stream.
            data: the bytes, in which a character or an escape sequence may be incomplete.
            time: when, in s since 1970.
        """
        one = self._streams.setdefault(stream, _Stream())
        text = one.held + one.decoder.decode(data)
        one.held = ""
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _LONGEST_SEQUENCE))
        if unfinished is not None:
            one.held = text[unfinished.start() :]
            text = text[: unfinished.start()]
        if _CONTROL.search(text) is None:  # plain lines, the most frequent ones
            *whole, rest = text.split("\n")
            for line in whole:
                self._write(one, line, time)
                self._newline(one, time)
            self._write(one, rest, time)
            return
        for token in _TOKEN.finditer(text):
            if token["text"] is not None:
                self._write(one, token["text"], time)
            elif token["control"] == "\n":
                self._newline(one, time)
            elif token["control"] == "\r":
                one.column = 0
            elif token["control"] == "\b":
                one.column = max(0, one.column - 1)
            elif token["command"] is not None:
                self._command(one, token["command"], token["arguments"], time)

    def finalize(self) -> int:
        """Drop the oldest lines, which can no longer change.

        Returns:
            how many left the window.
        """
        dropped_count = max(0, len(self.window) - _WINDOW)
        self._drop(dropped_count)
        self.changed_from = len(self.window)
        return dropped_count

    @property
    def is_last_line_open(self) -> bool:
        """Whether nothing has ended the last line yet."""
        return bool(self.window) and any(
            stream.row < len(stream.lines) and stream.lines[stream.row] is self.window[-1]
            for stream in self._streams.values()
        )

    def end_all(self) -> None:
        """End every line: what comes next begins new ones."""
        self._drop(len(self.window))
        self.changed_from = 0

    def _drop(self, count: int) -> None:
        dropped = set(map(id, self.window[:count]))
        del self.window[:count]
        for stream in self._streams.values() if count else ():
            before = len(stream.lines)
            stream.lines = [line for line in stream.lines if id(line) not in dropped]
            lost = before - len(stream.lines)
            if stream.row < lost:
                stream.column = 0
            stream.row = max(0, stream.row - lost)

    def _changed(self, line: TerminalLine, time: float) -> None:
        line.time = time
        if self.changed_from < len(self.window) and self.window[self.changed_from] is line:
            return
        for at in range(len(self.window) - 1, -1, -1):
            if self.window[at] is line:
                self.changed_from = min(self.changed_from, at)
                return

    def _line(self, stream: _Stream, time: float) -> TerminalLine:
        while stream.row >= len(stream.lines):
            line = TerminalLine("", time)
            stream.lines.append(line)
            self.window.append(line)
            self.changed_from = min(self.changed_from, len(self.window) - 1)
        return stream.lines[stream.row]

    def _write(self, stream: _Stream, text: str, time: float) -> None:
        if not text:
            return
        line = self._line(stream, time)
        begin, stream.column = stream.column, stream.column + len(text)
        line.cut = max(line.cut, stream.column - _LONGEST_LINE)
        if begin < _LONGEST_LINE:
            before = line.text.ljust(begin)
            line.text = (before[:begin] + text + before[stream.column :])[:_LONGEST_LINE]
        self._changed(line, time)

    def _newline(self, stream: _Stream, time: float) -> None:
        self._line(stream, time)
        stream.row += 1
        stream.column = 0

    def _command(self, stream: _Stream, command: str, arguments: str, time: float) -> None:
        numbers = [int(number) for number in re.findall(r"\d+", arguments)]
        first = min(numbers[0], _LONGEST_LINE) if numbers else 0
        count = max(1, first)
        if command in "AF":
            stream.row = max(0, stream.row - count)
        elif command in "BE":
            stream.row = min(stream.row + count, len(stream.lines))
        elif command == "C":
            stream.column = min(stream.column + count, _LONGEST_LINE)
        elif command == "D":
            stream.column = max(0, stream.column - count)
        elif command == "G":
            stream.column = count - 1
        elif command == "K":
            self._erase(stream, first, time)
        elif command == "J" and first == 0:
            self._erase(stream, 0, time)
            for line in stream.lines[stream.row + 1 :]:
                self._changed(line, time)
                self.window.remove(line)
            del stream.lines[stream.row + 1 :]
        elif command in "HJ":  # a cleared screen: what was on it stays above
            stream.row = len(stream.lines)
            stream.column = 0
        if command in "EF":
            stream.column = 0

    def _erase(self, stream: _Stream, what: int, time: float) -> None:
        """Erase from the cursor on (0), up to the cursor (1), or the whole line (2)."""
        if stream.row >= len(stream.lines):
            return
        line = stream.lines[stream.row]
        if what == 0:
            shown = line.text[: stream.column]
        elif what == 1:
            shown = " " * min(stream.column + 1, len(line.text)) + line.text[stream.column + 1 :]
        else:
            shown = ""
        line.cut = 0 if len(shown) < _LONGEST_LINE else line.cut
        if shown != line.text:
            line.text = shown
            self._changed(line, time)
