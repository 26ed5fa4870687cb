"""What stands in a table: columns with a type, and values as that type."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Column", "typed"]

_LARGEST = 2**63
_EXACT = 2**53  # the whole numbers that a float has


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Args:
        name: its name.
        kind: of its values: bool, int (64 bits), float or str; any may be missing.
    """

    name: str
    kind: type

    def cell(self, value: Any) -> Any:
        """A plain value as one of this column."""
        if value is None:
            return None
        return _text(value) if self.kind is str else self.kind(value)


def typed(name: str, values: Iterable[Any]) -> Column:
    """The column that plain values make: of text, unless all of them are of one kind of number.

    Args:
        name: its name.
        values: what is to stand in it; None where something is missing.
    """
    kinds, largest = set(), 0
    for value in values:
        if value is not None:
            kinds.add(type(value))
            if type(value) is int:
                largest = max(largest, value + 1, -value)
    if len(kinds) == 1 and kinds <= {bool, float}:
        return Column(name, *kinds)
    if kinds == {int} and largest <= _LARGEST:
        return Column(name, int)
    if kinds == {int, float} and largest <= _EXACT:
        return Column(name, float)
    return Column(name, str)


def _text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    return str(value).encode(errors="backslashreplace").decode()  # half a character is in no encoding
