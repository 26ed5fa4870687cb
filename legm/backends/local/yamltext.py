"""YAML as legm writes it, fast and in a subset that is also JSON but for NaN and infinities.

Strings are always quoted and numbers always in a form that YAML 1.1 reads as what they are, so that
``yaml.safe_load`` gives back just what was written (PyYAML reads ``1e-07`` as text, for one).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from legm.records import Plain

__all__ = ["as_json", "block", "flow", "numbers", "string"]

# What JSON leaves as it is and YAML forbids, or takes for a line break.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset("y n yes no on off true false null".split())  # which YAML 1.1 takes for values
_NO_POINT = re.compile(r"(?<![\d.])(\d+)e")


def string(text: str) -> str:
    """A quoted string on one line."""
    return _UNPRINTABLE.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False))


def key(text: str) -> str:
    """A mapping's key, quoted where it has to be."""
    return text if _PLAIN_KEY.fullmatch(text) and text.lower() not in _WORDS else string(text)


def numbers(values: Iterable[float]) -> str:
    """Floats or ints, separated by commas, each in its shortest exact form."""
    text = ", ".join(map(repr, values))
    if "e" in text:
        text = _NO_POINT.sub(r"\1.0e", text)
    if "n" in text:
        text = text.replace("nan", ".nan").replace("inf", ".inf")
    return text


def flow(value: Plain) -> str:
    """A plain value on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return numbers([value])
    if isinstance(value, str):
        return string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{string(k)}: {flow(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(map(flow, value)) + "]"


def block(mapping: Mapping[str, Plain], indent: str = "") -> str:
    """A mapping over several lines, nested mappings indented."""
    lines = []
    for name, value in mapping.items():
        if isinstance(value, Mapping) and value:
            lines.append(f"{indent}{key(name)}:\n{block(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{key(name)}: {flow(value)}\n")
    return "".join(lines)


_STRING_OR_SPECIAL = re.compile(r'"(?:[^"\\]|\\.)*"|-?\.(?:nan|inf)')
_SPECIAL = {".nan": "NaN", ".inf": "Infinity", "-.inf": "-Infinity"}


def as_json(text: str) -> str:
    """What :func:`flow` wrote, as :func:`json.loads` takes it."""
    if ".nan" in text or ".inf" in text:
        return _STRING_OR_SPECIAL.sub(lambda m: _SPECIAL.get(m[0], m[0]), text)
    return text


def is_number(value: object) -> bool:
    """Whether a value that was read is a number: a float or an int, but no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
