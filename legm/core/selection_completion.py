"""What a selection may continue with, for a shell that completes one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from legm.core.selection_grammar import FIELDS, quoted_selection_name, quoted_selection_value

__all__ = ["selection_completions"]

_QUOTED = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`"
_BOUNDARY = re.compile(
    rf"{_QUOTED}|(?P<keyword>(?<=[\s)'\"])(?:and|or|AND|OR)\s+)|(?P<before>(?:not|NOT)\s+|\(\s*)", re.DOTALL
)
_HEAD = re.compile(
    rf"(?:(?P<field>{'|'.join(FIELDS)}):|(?:`(?P<quoted>(?:``|[^`])*)`|(?P<name>[^=!<>~`]+?))\s*"
    r"(?:!=|<=|>=|==?|<|>|~|\s(?:not\s+)?in\s*[(\[]))\s*",
    re.DOTALL,
)


def selection_completions(
    text: str, parameters: Mapping[str, Sequence[str]], fields: Mapping[str, Sequence[str]]
) -> list[str]:
    """The texts that a begun selection may become.

    Args:
        text: what was typed of it.
        parameters: by name, the values that a parameter has, as texts.
        fields: by name, the values of a field of the runs; none for a field whose values are not known.

    Returns:
        whole selections: with a name and ``=`` behind what was typed, or after an operator, and each comma,
        with a value. What could be read otherwise is in quotes.
    """
    start = _condition_to_complete_start(text)
    before, begun = text[:start], text[start:]
    head = _HEAD.match(begun)
    if head is None:
        names = [f"{quoted_selection_name(name)}=" for name in sorted(parameters)]
        return [before + one for one in (*names, *(f"{field}:" for field in fields))]
    if head["field"]:
        values = fields.get(head["field"], ())
    else:
        name = head["name"] if head["quoted"] is None else head["quoted"].replace("``", "`")
        values = parameters.get(name.strip(), ())
    stem, rest = before + head[0], begun[head.end() :]
    listed, comma, last = rest.rpartition(",")
    starts = dict.fromkeys((stem, f"{stem}{listed}{comma}"))
    quote = last.lstrip()[:1]
    texts = [
        quoted_selection_value(one, quote if quote in {"'", '"'} else "")
        for one in dict.fromkeys(sorted(values))
    ]
    return [start + one for start in starts for one in texts]


def _condition_to_complete_start(text: str) -> int:
    """Where the last condition of a begun selection starts."""
    start = 0
    for found in _BOUNDARY.finditer(text):
        if found["keyword"] or (found["before"] and not text[start : found.start()].strip()):
            start = found.end()
    return start
