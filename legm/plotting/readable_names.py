"""Names of metrics and configurations, made readable, and shortened without becoming equal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

__all__ = ["axis_name_with_unit", "readable_names", "truncate_distinct_names", "truncate_name", "wrap_name"]

_MAX_LETTERS = 400  # more than fit into any figure
_PARTS = re.compile(r"([,/])")  # between the values in a configuration's name, or the levels of a metric's


def readable_names(names: Sequence[str]) -> list[str]:
    """The names with spaces instead of underscores, unless that makes a name ambiguous."""
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
    """The readable name of a metric for an axis, with the unit if it is known."""
    base = name.removeprefix("best_").removeprefix("test_")
    return readable_names([name])[0] + (" (s)" if base in {"time", "time_per_sample"} else "")


def truncate_name(text: str, room: float, width: Callable[[str], float]) -> str:
    """The text with "…" in its middle if it is too wide; the ends of names distinguish most of them.

    Args:
        text: the text, in which spaces and line breaks become single spaces.
        room: the available width.
        width: returns the width of a text, in the same unit.
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


def truncate_distinct_names(names: Sequence[str], room: float, width: Callable[[str], float]) -> list[str]:
    """Truncate names to a width so that different names stay different.

    Names that would become equal first lose the parts that they have in common, then their common start and
    end; those that are still equal get a number.

    Args:
        names: the names; equal names stay equal.
        room: the available width.
        width: returns the width of a text, in the same unit.
    """
    short = dict(zip(names, (truncate_name(name, room, width) for name in names), strict=True))
    for shorten in (_names_without_common_parts, _names_without_common_ends):
        for same in _groups_of_equal_names(short):
            for name, rest in zip(same, shorten(same), strict=True):
                short[name] = truncate_name(rest, room, width)
    for number, name in enumerate((name for same in _groups_of_equal_names(short) for name in same), 1):
        end = f" ({number})"
        short[name] = truncate_name(name, room - width(end), width) + end
    return [short[name] for name in names]


def _groups_of_equal_names(short: dict[str, str]) -> list[list[str]]:
    """The groups of names with equal short forms."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, label in short.items():
        groups[label].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _names_without_common_parts(names: Sequence[str]) -> list[str]:
    """The names with "…" for the parts that are equal in all of them, if all have equally many."""
    split = [_PARTS.split(name) for name in names]
    if len({len(parts) for parts in split}) > 1:
        return list(names)
    common = [len(set(column)) == 1 for column in zip(*split, strict=True)]
    kept = []
    for parts in split:
        marked = ["…" if same else part for part, same in zip(parts, common, strict=True)]
        kept.append(re.sub("…{2,}", "…", "".join(marked)))
    return kept


def _names_without_common_ends(names: Sequence[str]) -> list[str]:
    """The names with "…" for most of their common start and end."""
    start = _common_prefix_length(names)
    end = _common_prefix_length([name[start:][::-1] for name in names])
    before, after = max(start - 8, 0), max(end - 8, 0)
    return ["…" * bool(before) + name[before : len(name) - after] + "…" * bool(after) for name in names]


def _common_prefix_length(names: Iterable[str]) -> int:
    """The length of the names' common prefix."""
    first, *_, last = sorted(names)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def wrap_name(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """The text in lines of a width; single words that are wider are truncated.

    Args:
        text: the text.
        room: the available width.
        width: returns the width of a text, in the same unit.
    """
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(truncate_name(word, room, width))
    return lines
