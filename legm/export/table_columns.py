"""The columns of a table: each has a type, to which its values are converted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["TypedColumn", "typed_column"]

_LARGEST = 2**63
_EXACT = 2**53  # up to here a float represents every integer


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column.

    Args:
        name: its name.
        kind: of its values: bool, int (64 bits), float or str; any may be missing.
    """

    name: str
    kind: type

    def cell(self, value: Any) -> Any:
        """A plain value, converted to the column's type."""
        if value is None:
            return None
        return _column_text(value) if self.kind is str else self.kind(value)


def typed_column(name: str, values: Iterable[Any]) -> TypedColumn:
    """The column for plain values: of text, unless all of them have one type of number.

    Args:
        name: its name.
        values: its values; None for a missing one.
    """
    kinds, largest = set(), 0
    for value in values:
        if value is not None:
            kinds.add(type(value))
            if type(value) is int:
                largest = max(largest, value + 1, -value)
    if len(kinds) == 1 and kinds <= {bool, float}:
        return TypedColumn(name, *kinds)
    if kinds == {int} and largest <= _LARGEST:
        return TypedColumn(name, int)
    if kinds == {int, float} and largest <= _EXACT:
        return TypedColumn(name, float)
    return TypedColumn(name, str)


def _column_text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    return str(value).encode(errors="backslashreplace").decode()  # a lone surrogate cannot be encoded
