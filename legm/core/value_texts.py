"""Values as users type them: ``0.1``, ``[64, 32]``, ``true``, ``adam``."""

from __future__ import annotations

import itertools
import json
from typing import Any

__all__ = ["parse_value_text"]

_NOT_PLAIN = ("&", "*", "!", "<<")  # YAML's anchors, aliases, tags and merges
_MAX_OPEN_BRACKETS = 100  # at once: the time that YAML takes grows with their square


def parse_value_text(text: str) -> Any:
    """The value of a text: a number, a list, true, null; anything else is text.

    Args:
        text: as a user typed it.

    Returns:
        what JSON or else YAML reads in it; the text itself where it is neither, is more than plain values,
        or has very many brackets inside one another that JSON does not know.
    """
    try:
        return json.loads(text)  # also 1e-3, which is text in YAML
    except (ValueError, RecursionError):
        pass
    if any(sign in text for sign in _NOT_PLAIN) or _brackets_in_value_text(text) > _MAX_OPEN_BRACKETS:
        return text
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: 2024-13-45 is no date
        return text


def _brackets_in_value_text(text: str) -> int:
    """How many brackets are open at once, at most."""
    steps = (1 if sign in "[{" else -1 for sign in text if sign in "[]{}")
    return max(itertools.accumulate(steps, lambda before, step: max(0, before + step)), default=0)
