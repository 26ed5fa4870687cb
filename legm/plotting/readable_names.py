"""Names of metrics, made readable, and texts in lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from legm.core.display_names import truncate_display_name

__all__ = ["axis_name_with_unit", "readable_names", "wrap_name"]


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


def axis_name_with_unit(name: str, metric: str) -> str:
    """The readable name of a metric's values for an axis, with the unit if it is known.

    Args:
        name: what the values are, such as ``"last accuracy"``.
        metric: the metric's name.
    """
    return readable_names([name])[0] + (" (s)" if metric in {"time", "time_per_sample"} else "")


def wrap_name(text: str, max_width: float, width: Callable[[str], float]) -> list[str]:
    """The text in lines of a width; single words that are wider are truncated.

    Args:
        text: the text.
        max_width: the available width.
        width: returns the width of a text, in the same unit.
    """
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer) <= max_width:
            lines[-1] = longer
        else:
            lines.append(truncate_display_name(word, max_width, width))
    return lines
