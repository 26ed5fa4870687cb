"""Fast writing and reading of a subset of YAML that is also JSON, except for NaN and infinities.

Strings are always quoted, and numbers are always in a form that YAML 1.1 reads as numbers, so that
``yaml.safe_load`` returns exactly what was written (PyYAML reads ``1e-07`` as a string, for example).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from legm.records import Plain

__all__ = [
    "ascii_yaml",
    "parse_yaml_block",
    "yaml_block",
    "yaml_flow",
    "yaml_flow_as_json",
    "yaml_flow_key",
    "yaml_numbers",
    "yaml_string",
]

# Characters that JSON does not escape and YAML forbids or reads as line breaks.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
)  # which YAML 1.1 reads as other values
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_MAX_KEY_LENGTH = (
    100  # YAML allows a longer one (1024 characters, each of which may be escaped) only after "? "
)
_ARRAY_PIECE = 1 << 12  # numbers
_EXPONENT_WITHOUT_POINT = re.compile(r"(?<![\d.])(\d+)e")


def yaml_string(text: str) -> str:
    """A quoted string on one line."""
    return _UNPRINTABLE.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False))


def ascii_yaml(text: str) -> str:
    """Flow text with its strings escaped, so that it can be split anywhere and stays UTF-8."""
    if text.isascii():
        return text
    return _NON_ASCII.sub(
        lambda m: f"\\u{ord(m[0]):04x}" if m[0] <= "\uffff" else f"\\U{ord(m[0]):08x}", text
    )


def yaml_key(text: str, indent: str = "") -> str:
    """A mapping's key with its colon, quoted if necessary."""
    if len(text) <= _MAX_KEY_LENGTH and _PLAIN_KEY.fullmatch(text) and text.lower() not in _WORDS:
        return f"{text}:"
    quoted = yaml_flow_key(text)
    return f"{quoted}\n{indent}:" if quoted.startswith("?") else f"{quoted}:"


def yaml_flow_key(text: str) -> str:
    """A mapping's key in flow text, without its colon."""
    quoted = yaml_string(text)
    return quoted if len(quoted) <= _MAX_KEY_LENGTH else f"? {quoted}"


def yaml_numbers(values: Iterable[float], comma: str = ", ") -> str:
    """Floats or ints, separated by commas, each in its shortest exact form."""
    text = comma.join(map(repr, values))
    if "e" in text:
        text = _EXPONENT_WITHOUT_POINT.sub(r"\1.0e", text)
    if "n" in text:
        text = text.replace("nan", ".nan").replace("inf", ".inf")
    return text


def yaml_array(values: Any, comma: str = ",") -> Iterator[str]:
    """A NumPy array of one dimension as a list on one line, in pieces that are made one at a time."""
    before = "["
    for start in range(0, len(values), _ARRAY_PIECE):
        yield before + yaml_numbers(values[start : start + _ARRAY_PIECE].tolist(), comma)
        before = comma
    yield "]" if len(values) else "[]"


def yaml_flow(value: Plain) -> str:
    """A plain value on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return yaml_numbers([value])
    if isinstance(value, str):
        return yaml_string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{yaml_flow_key(k)}: {yaml_flow(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(map(yaml_flow, value)) + "]"


def yaml_block(mapping: Mapping[str, Plain], indent: str = "") -> str:
    """A mapping over several lines, nested mappings indented."""
    lines = []
    for name, value in mapping.items():
        if isinstance(value, Mapping) and value:
            lines.append(f"{indent}{yaml_key(name, indent)}\n{yaml_block(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{yaml_key(name, indent)} {yaml_flow(value)}\n")
    return "".join(lines)


_LINE = re.compile(r'(?P<indent> *)(?P<key>[A-Za-z_]\w*|"(?:[^"\\]|\\.)*"):(?: (?P<value>.+))?\n', re.ASCII)
_PIECE = re.compile(r"[^ \n].*\n(?: .*\n)*")  # a line, and the indented lines after it
_NOT_JSON = re.compile(r"(?<![\w.])\d+[eE]|[\d.][eE]\d|NaN|Infinity")  # which YAML reads as strings


def parse_yaml_block(text: str, known: dict[str, Any]) -> dict[str, Plain] | None:
    """Parse the output of :func:`yaml_block`, much faster than a parser of all YAML.

    Args:
        text: the text.
        known: a cache of parsed values, by their text, so that equal values are shared.

    Returns:
        the mapping; None for a text that may be YAML but not the output of :func:`yaml_block`.
    """
    pieces = _PIECE.findall(text)
    if "".join(pieces) != text:
        return None
    mapping: dict[str, Plain] = {}
    for piece in pieces:
        try:
            found = known[piece]
        except KeyError:
            found = known[piece] = _parse_yaml_piece(piece, known)
        if found is None or found[0] in mapping:
            return None
        mapping[found[0]] = found[1]
    return mapping


def _parse_yaml_piece(piece: str, known: dict[str, Any]) -> tuple[str, Plain] | None:
    """A key with its value, which may be a mapping over several lines."""
    open_mappings: list[dict[str, Plain]] = [{}]
    opened = False  # whether the line before began a mapping
    for line in piece.splitlines(keepends=True):
        try:
            found = known[f" {line}"]
        except KeyError:
            found = known[f" {line}"] = _parse_yaml_line(line)
        if found is None:
            return None
        depth, name, value = found
        if depth != len(open_mappings) - 1 and (opened or depth >= len(open_mappings)):
            return None
        del open_mappings[depth + 1 :]
        if name in open_mappings[-1]:
            return None
        opened = value is ...
        if opened:
            inner: dict[str, Plain] = {}
            open_mappings[-1][name] = inner
            open_mappings.append(inner)
        else:
            open_mappings[-1][name] = value
    return None if opened else next(iter(open_mappings[0].items()))


def _parse_yaml_line(line: str) -> tuple[int, str, Plain] | None:
    """The depth of a line of a block, its key and its value; ``...`` if a mapping follows."""
    found = _LINE.fullmatch(line)
    if found is None or len(found["indent"]) % 2:
        return None
    name, value = found["key"], found["value"]
    try:
        if name[0] == '"':
            name = json.loads(yaml_flow_as_json(name))
        elif name.lower() in _WORDS:
            return None
        if value is None:
            return len(found["indent"]) // 2, name, ...
        if value[0] != '"' and _NOT_JSON.search(value):
            return None
        return len(found["indent"]) // 2, name, parse_yaml_flow(value)
    except ValueError:
        return None


_STRING_OR_SPECIAL = re.compile(r'"(?:[^"\\]|\\.)*"|-?\.(?:nan|inf)|\? (?="(?:[^"\\]|\\.)*":)')
_SPECIAL = {".nan": "NaN", ".inf": "Infinity", "-.inf": "-Infinity", "? ": ""}
_JSON = json.JSONDecoder()
_ESCAPE = re.compile(r"\\(?:U([0-9a-f]{8})|.)")


def yaml_flow_as_json(text: str) -> str:
    """The output of :func:`yaml_flow` as JSON text for :func:`json.loads`."""
    if ".nan" in text or ".inf" in text or ("?" in text and '? "' in text):  # one character is found quicker
        text = _STRING_OR_SPECIAL.sub(lambda m: _SPECIAL.get(m[0], m[0]), text)
    if "\\" in text and "\\U" in text:
        text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[0], text)
    return text


def parse_yaml_flow(text: str) -> Any:
    """The value of the output of :func:`yaml_flow`.

    Raises:
        ValueError, RecursionError: it is not that.
    """
    text = yaml_flow_as_json(text)
    value, end = _JSON.raw_decode(text)
    if end != len(text):
        raise ValueError(f"there is more behind a value: {text[end : end + 20]!r}")
    return value


def is_yaml_number(value: object) -> bool:
    """Whether a value is a float, or an int that a float may hold, but not a bool."""
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() < 1024
    return isinstance(value, float)
