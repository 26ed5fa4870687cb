"""Names of metrics and configurations: readable, and short without becoming equal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

__all__ = ["axis_name_with_unit", "readable_names", "truncate_distinct", "truncate_middle", "wrap_text"]

_MAX_LETTERS = 400  # more than any picture has room for
_PARTS = re.compile(r"([,/])")  # between the values in a configuration's name, or the levels of a metric's


def readable_names(names: Sequence[str]) -> list[str]:
    """Names with spaces for underscores, but for those that this would make unclear or equal."""
    spaced = [
        name
        if name != name.strip("_") or "__" in name or set(name) & set("${}^\\")
        else name.replace("_", " ")
        for name in names
    ]
    return [
        name if spaced.count(new) > names.count(name) else new
        for name, new in zip(names, spaced, strict=True)
    ]


def axis_name_with_unit(name: str) -> str:
    """An axis' name: the readable one, with the unit where it is known."""
    base = name.removeprefix("best_").removeprefix("test_")
    return readable_names([name])[0] + (" (s)" if base in {"time", "time_per_sample"} else "")


def truncate_middle(text: str, room: float, width: Callable[[str], float]) -> str:
    """A text with "…" for its middle where it is too wide; its ends tell most names apart.

    Args:
        text: spaces and line breaks in it count as one space.
        room: how wide it may be.
        width: what tells how wide a text is.
    """
    text = " ".join(text.split())
    if len(text) <= _MAX_LETTERS and width(text) <= room:
        return text

    def shortened(letters: int) -> str:
        return text[: letters - letters // 2] + "…" + text[len(text) - letters // 2 :]

    low, high = 0, min(len(text) - 1, _MAX_LETTERS)
    while low < high:
        letters = (low + high + 1) // 2
        low, high = (letters, high) if width(shortened(letters)) <= room else (low, letters - 1)
    return shortened(low)


def truncate_distinct(names: Sequence[str], room: float, width: Callable[[str], float]) -> list[str]:
    """Names cut to a width such that different ones stay different.

    Those that would become equal lose the parts that all of them have first, then what they share at both
    ends; a number tells apart those that are equal even then.

    Args:
        names: one of them twice is equal in the result, too.
        room, width: as for :func:`truncate_middle`.
    """
    short = dict(zip(names, (truncate_middle(name, room, width) for name in names), strict=True))
    for shorten in (_without_common_parts, _without_common_ends):
        for same in _groups_of_equals(short):
            for name, rest in zip(same, shorten(same), strict=True):
                short[name] = truncate_middle(rest, room, width)
    for number, name in enumerate((name for same in _groups_of_equals(short) for name in same), 1):
        end = f" ({number})"
        short[name] = truncate_middle(name, room - width(end), width) + end
    return [short[name] for name in names]


def _groups_of_equals(short: dict[str, str]) -> list[list[str]]:
    """The names whose short forms are equal, together."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, label in short.items():
        groups[label].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _without_common_parts(names: Sequence[str]) -> list[str]:
    """Names with "…" for their parts that are the same in all, where all have as many."""
    split = [_PARTS.split(name) for name in names]
    if len({len(parts) for parts in split}) > 1:
        return list(names)
    common = [len(set(column)) == 1 for column in zip(*split, strict=True)]
    kept = []
    for parts in split:
        marked = ["…" if same else part for part, same in zip(parts, common, strict=True)]
        kept.append(re.sub("…{2,}", "…", "".join(marked)))
    return kept


def _without_common_ends(names: Sequence[str]) -> list[str]:
    """Names with "…" for most of what all share at their start and end."""
    start = _common_prefix_length(names)
    end = _common_prefix_length([name[start:][::-1] for name in names])
    before, after = max(start - 8, 0), max(end - 8, 0)
    return ["…" * bool(before) + name[before : len(name) - after] + "…" * bool(after) for name in names]


def _common_prefix_length(names: Iterable[str]) -> int:
    """How many characters several names have in common at their start."""
    first, *_, last = sorted(names)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def wrap_text(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """A text in lines of a width; a single word that is wider is cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(truncate_middle(word, room, width))
    return lines
