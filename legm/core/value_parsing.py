"""Values from their texts: a pure function.

Some stores keep every parameter as a text. A text becomes a value if ``str()`` of that value gives back
exactly this text. So nothing is lost, and what looks like a number but is not written the way Python writes
it (``007``, ``1.50``, ``1e5``) stays a text.
"""

from __future__ import annotations

import ast
from typing import Any

__all__ = ["parse_value_text"]

_CONSTANTS = {"True": True, "False": False, "None": None}
_MAX_LENGTH = 2000  # characters; longer ones are texts
_DIGITS = frozenset("0123456789")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}


def parse_value_text(text: str) -> Any:
    """A number, a boolean, None, or a list, tuple or mapping of these and of texts; else the text itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not text or len(text) > _MAX_LENGTH:
        return text
    if text[-1] in _DIGITS or text in {"nan", "inf", "-inf"}:
        for kind in (int, float):
            try:
                value = kind(text)
            except ValueError:
                continue
            if str(value) == text:
                return value
        return text
    if _BRACKETS.get(text[0]) == text[-1]:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return text
        if _is_parsed_plain(value) and str(value) == text:
            return value
    return text


def _is_parsed_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_parsed_plain, value))
    if isinstance(value, dict):
        return all(type(key) is str for key in value) and all(map(_is_parsed_plain, value.values()))
    return value is None or type(value) in (bool, int, float, str)
