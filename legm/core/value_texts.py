"""Values as users type them: ``0.1``, ``[64, 32]``, ``true``, ``adam``."""

from __future__ import annotations

import datetime
import itertools
import json
import math
from typing import Any

__all__ = ["parse_value_text"]

_NOT_PLAIN = ("&", "*", "!", "<<")  # YAML's anchors, aliases, tags and merges
_NOT_FINITE = {
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
}  # as they are shown, unknown to JSON and YAML
_OTHER_NUMBERS = ("0x", "0b", ".inf", ".nan")  # what YAML reads as a number, and float() does not
_MAX_OPEN_BRACKETS = 100  # at once: the time that YAML takes grows with their square


def parse_value_text(text: str) -> Any:
    """The value of a text: a number, a list, true, null; anything else is text.

    A text that only YAML 1.1 takes for a number or a date stays text: ``12:30`` would be 750, ``010`` 8.

    Args:
        text: as a user typed it.

    Returns:
        what JSON or else YAML reads in it; the text itself where it is neither, is more than plain values,
        or has very many brackets inside one another that JSON does not know.
    """
    if text in _NOT_FINITE:
        return _NOT_FINITE[text]
    try:
        return json.loads(text)  # also 1e-3, which is text in YAML
    except (ValueError, RecursionError):
        pass
    if any(sign in text for sign in _NOT_PLAIN) or _brackets_in_value_text(text) > _MAX_OPEN_BRACKETS:
        return text
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: 2024-13-45 is no date
        return text
    return text if _is_read_by_yaml_alone(text, value) else value


def _is_read_by_yaml_alone(text: str, value: Any) -> bool:
    """Whether what YAML reads is a date, or another number than anybody else reads there."""
    if isinstance(value, datetime.date):
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return float(text) != value
    except ValueError:
        return not text.lower().lstrip("+-").startswith(_OTHER_NUMBERS)


def _brackets_in_value_text(text: str) -> int:
    """How many brackets are open at once, at most."""
    steps = (1 if sign in "[{" else -1 for sign in text if sign in "[]{}")
    return max(itertools.accumulate(steps, lambda before, step: max(0, before + step)), default=0)
