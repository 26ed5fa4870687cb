"""Values as users type them: ``0.1``, ``[64, 32]``, ``true``, ``adam``."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_value_text"]

_NOT_PLAIN = ("&", "*", "!", "<<")  # YAML's anchors, aliases, tags and merges


def parse_value_text(text: str) -> Any:
    """The value of a text: a number, a list, true, null; anything else is text.

    Args:
        text: as a user typed it.

    Returns:
        what JSON or else YAML reads in it; the text itself where it is neither, or more than plain values.
    """
    try:
        return json.loads(text)  # also 1e-3, which is text in YAML
    except (ValueError, RecursionError):
        pass
    if any(sign in text for sign in _NOT_PLAIN):
        return text
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: 2024-13-45 is no date
        return text
