"""Names of metrics and configurations: readable, and short without becoming equal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["cut", "labels_of", "readable", "width_of", "with_unit"]


def readable(names: Sequence[str]) -> list[str]:
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


def with_unit(name: str) -> str:
    """An axis' name: the readable one, with the unit where it is known."""
    base = name.removeprefix("best_").removeprefix("test_")
    return readable([name])[0] + (" (s)" if base in {"time", "time_per_sample"} else "")


def labels_of(names: Sequence[str], width: int) -> list[str]:
    """Names cut to a width; those that would then be equal lose what they share at both ends first."""
    short = [cut(name, width) for name in names]
    for label in {label for label in short if short.count(label) > 1}:
        same = [i for i, one in enumerate(short) if one == label]
        start = _shared(names[i] for i in same)
        end = _shared(names[i][start:][::-1] for i in same)
        for i in same if len({names[i] for i in same}) > 1 else ():
            middle = names[i][max(start - 8, 0) : len(names[i]) - max(end - 8, 0)]
            short[i] = cut(f"…{middle}…", width)
    return short


def _shared(names: Iterable[str]) -> int:
    """How many characters several names have in common at their start."""
    first, *_, last = sorted(names)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def width_of(text: str) -> int:
    """How wide a text is, in Latin letters."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def cut(text: str, width: int) -> str:
    """A text with "…" for its middle where it is too wide; its ends tell most names apart."""
    text = " ".join(text.split())
    if width_of(text) <= width:
        return text
    return f"{_fill(text, width // 2)}…{_fill(text[::-1], (width - 1) // 2)[::-1]}"


def _fill(text: Iterable[str], width: int) -> str:
    """As much of a text's start as is not wider than asked."""
    kept: list[str] = []
    for c in text:
        width -= width_of(c)
        if width < 0:
            break
        kept.append(c)
    return "".join(kept)
