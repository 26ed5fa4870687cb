"""The columns of a table: each has a type, a description, and values of which some may be missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Column",
    "column_kind",
    "column_of",
    "column_text",
    "label_column",
    "number_column",
    "repeated_label_column",
]

_LARGEST = 2**63
_EXACT = 2**53  # up to here a float represents every integer
_NUMPY_KINDS: dict[type, Any] = {bool: np.bool_, int: np.int64, float: np.float64, str: object}


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of a table.

    Args:
        name: the column's name.
        kind: what its values are: bool, int (64 bits), float or str.
        about: what they mean, with their unit.
        data: shape (n,); where a value is missing NaN, 0, False or None. For a column of labels, the index
            of each label, -1 for a missing one.
        missing: shape (n,), whether each value is missing; None where all are there.
        labels: the texts of a column of text that repeats a few, such as the names of metrics; else None.
    """

    name: str
    kind: type
    about: str
    data: NDArray[Any]
    missing: NDArray[np.bool_] | None = None
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"Column({self.name!r}, {self.kind.__name__}, {self.about!r})"

    def array(self) -> NDArray[Any]:
        """The values as a NumPy array of shape (n,).

        Returns:
            float64 with NaN, and object (text) with None, where values are missing; bool and int64 where none
            is, else a masked array of them.
        """
        if self.labels is not None:
            texts: NDArray[Any] = np.array([*self.labels, None], object)[self.data]
            return texts
        if self.missing is None or self.kind in {float, str}:
            return self.data
        masked: NDArray[Any] = np.ma.MaskedArray(self.data, self.missing)
        return masked

    def cells(self, start: int = 0, stop: int | None = None) -> list[Any]:
        """The values of some rows as Python's own, None for a missing one.

        Args:
            start: the first row.
            stop: the row after the last one; None for all.

        Returns:
            bool, int, float or str, or None.
        """
        rows = slice(start, stop)
        if self.labels is not None:
            texts = (*self.labels, None)
            return [texts[code] for code in self.data[rows].tolist()]
        found: list[Any] = self.data[rows].tolist()
        if self.missing is None:
            return found
        missing = self.missing[rows].tolist()
        return [None if is_missing else value for value, is_missing in zip(found, missing, strict=True)]


def column_of(name: str, values: Iterable[Any], about: str, kind: type | None = None) -> Column:
    """A column of plain values; None for a missing one.

    Args:
        name: the column's name.
        values: its values.
        about: what they mean.
        kind: their type; None for that of :func:`column_kind`.
    """
    given = list(values)
    kind = column_kind(given) if kind is None else kind
    missing = [value is None for value in given]
    empty: Any = {bool: False, int: 0, float: float("nan"), str: None}[kind]
    convert: Any = column_text if kind is str else kind
    array = np.empty(len(given), _NUMPY_KINDS[kind])
    array[:] = [empty if value is None else convert(value) for value in given]
    return Column(column_text(name), kind, about, array, np.array(missing) if any(missing) else None)


def column_kind(values: Iterable[Any]) -> type:
    """The type of a column of plain values: text, unless all of them have one type of number.

    Args:
        values: None for a missing one.
    """
    kinds, largest = set(), 0
    for value in values:
        if value is not None:
            kinds.add(type(value))
            if type(value) is int:
                largest = max(largest, value + 1, -value)
    if len(kinds) == 1 and kinds <= {bool, float}:
        (kind,) = kinds
        return kind
    if kinds == {int} and largest <= _LARGEST:
        return int
    return float if kinds == {int, float} and largest <= _EXACT else str


def column_text(value: Any) -> str:
    """A plain value as the text of a cell: lists and mappings as JSON."""
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    return str(value).encode(errors="backslashreplace").decode()  # a lone surrogate cannot be encoded


def number_column(name: str, values: NDArray[Any], about: str, missing: NDArray[np.bool_] | None) -> Column:
    """A column of numbers that are an array already.

    Args:
        name: the column's name.
        values: shape (n,), int64 or float64.
        about: what they mean.
        missing: shape (n,), which of them are missing.
    """
    kind = int if values.dtype.kind == "i" else float
    return Column(name, kind, about, values, missing if missing is not None and missing.any() else None)


def label_column(name: str, texts: Sequence[str | None], about: str) -> Column:
    """A column of texts of which many are equal, with each text once.

    Args:
        name: the column's name.
        texts: None for a missing one.
        about: what they mean.
    """
    return repeated_label_column(name, texts, None, about)


def repeated_label_column(
    name: str, texts: Sequence[str | None], lengths: NDArray[np.int64] | None, about: str
) -> Column:
    """A column of labels that are each repeated in the rows of a block.

    Args:
        name: the column's name.
        texts: the label of each block; None for a missing one.
        lengths: the number of rows of each block; None for one row each.
        about: what they mean.
    """
    known: dict[str, int] = {}
    numbers = [-1 if text is None else known.setdefault(column_text(text), len(known)) for text in texts]
    kind = next(one for one in (np.int8, np.int16, np.int32) if len(known) <= np.iinfo(one).max)
    codes: NDArray[Any] = np.array(numbers, kind)
    codes = codes if lengths is None else np.repeat(codes, lengths)
    missing: NDArray[np.bool_] | None = np.less(codes, 0) if -1 in numbers else None
    return Column(name, str, about, codes, missing, tuple(known))
