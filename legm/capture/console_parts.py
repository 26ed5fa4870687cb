"""Which part of what a script prints belongs to each of its runs."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from legm.console.console_file import console_stamp

__all__ = ["ConsolePart", "ScriptLine", "console_parts", "script_console_lines"]

_LATE = 0.01  # seconds by which what was printed before a run began may arrive after it
_MARGIN = 0.05  # seconds by which what was printed by a run may arrive after its end
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_FIRST, _LAST = b"", b"~"  # sort before and behind every stamp

Key = TypeVar("Key", bound=Hashable)


class ScriptLine(NamedTuple):
    """A line of a script's console.

    Args:
        stamp: when it was printed.
        text: the stored line, with its newline.
    """

    stamp: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class ConsolePart:
    """The part of a script's console that belongs to a run: the lines with a time between two.

    Args:
        begin: a stamp that each one is behind; nothing for all from the first one on.
        end: the stamp of the last one; one behind every stamp where more may come.
    """

    begin: bytes
    end: bytes

    def is_behind(self, when: float) -> bool:
        """Whether what was printed at a time, in s since 1970, no longer belongs to it."""
        return _console_part_stamp(when) > self.end

    def choose(self, lines: Sequence[ScriptLine]) -> list[ScriptLine]:
        """Those of some lines that belong to the run."""
        if (self.begin, self.end) == (_FIRST, _LAST):
            return list(lines)
        begin, end = self.begin, self.end
        return [line for line in lines if (not begin or begin < line.stamp) and line.stamp <= end]


def console_parts(runs: Mapping[Key, tuple[float, float | None]], begun: float) -> dict[Key, ConsolePart]:
    """By key, the part of each run: what was printed until it ended and another one began.

    The run that started first has what was printed before too, and the one that ended last what was printed
    after. A run that ended before the script began has none.

    Args:
        runs: by key, when each started and ended, in s since 1970; no end while it is running.
        begun: when the script began.
    """
    spans = {key: span for key, span in runs.items() if span[1] is None or span[1] >= begun - _MARGIN}
    if not spans:
        return {}
    starts = sorted(started for started, _ in spans.values())
    ends = [ended for _, ended in spans.values()]
    last = None if None in ends else max(ended for ended in ends if ended is not None)
    found = {}
    for key, (started, ended) in spans.items():
        begin = _FIRST if started == starts[0] else _console_part_stamp(started + _LATE)
        end = _LAST
        if ended is not None and ended != last:
            following = starts[bisect_right(starts, started) :][:1]
            is_alone = bool(following) and ended <= following[0]  # then each line belongs to one of both
            end = _console_part_stamp(following[0] + _LATE if is_alone else ended + _MARGIN)
        found[key] = ConsolePart(begin, end)
    return found


def _console_part_stamp(when: float) -> bytes:
    return console_stamp(when).encode()


def script_console_lines(content: bytes, before: bytes = _FIRST) -> list[ScriptLine]:
    """The lines of a console; one without a stamp, such as a note, has that of the line before.

    Args:
        content: of the file.
        before: the stamp of the line before the first.
    """
    lines = []
    for text in _LINE.findall(content):
        found = _STAMP.match(text)
        before = found[0] if found else before
        lines.append(ScriptLine(before, text))
    return lines
