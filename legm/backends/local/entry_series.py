"""Reads the series of an entry from its text, which is never in memory as a whole.

The text is that of :func:`~legm.util.yaml_text.yaml_flow` without its first brace: ``"loss": [0.5,0.25]``,
or ``"loss": {"a": [0.5],"b": [0.25]}`` for an indexed metric, joined by ``, `` and ended by a brace. A list
that several series have is there once, with an anchor, and an alias for each of the others:
``"loss": &s1 [0,1], "acc": *s1``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from legm.util import yaml_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[Any]

__all__ = ["read_entry_series"]

_KEY = re.compile(
    r'(?:, |[{,])?(?:\? )?("(?:[^"\\]|\\.)*"): '
    r"(?:(?P<open>[\[{])|&(?P<anchor>\w+) \[|\*(?P<alias>\w+)(?=[,}]))"
)
_END = re.compile("}")


def read_entry_series(
    pieces: Iterator[str], names: frozenset[str] | None
) -> dict[str, Numbers | dict[str, Numbers]]:
    """The arrays of an entry, by key, those of an indexed metric by index.

    Args:
        pieces: the text after the entry's head.
        names: the keys to return; None for all.

    Raises:
        ValueError: it is another text.
    """
    text = _EntrySeriesText(pieces)
    found: dict[str, Numbers | dict[str, Numbers]] = {}
    shared: dict[str, Numbers] = {}
    while (key := text.match(_KEY)) is not None:
        name = _entry_series_name(key)
        is_wanted = names is None or name in names
        value = (
            _indexed_series_numbers(text, shared, is_wanted)
            if key["open"] == "{"
            else _series_numbers(text, key, shared, is_wanted)
        )
        if is_wanted:
            found[name] = value
    if text.match(_END) is None:
        raise ValueError("it does not end where it should")
    return found


def _entry_series_name(key: re.Match[str]) -> str:
    return str(json.loads(yaml_text.yaml_flow_as_json(key[1])))


def _indexed_series_numbers(
    text: _EntrySeriesText, shared: dict[str, Numbers], is_wanted: bool
) -> dict[str, Numbers]:
    found: dict[str, Numbers] = {}
    while text.match(_END) is None:
        key = text.match(_KEY)
        if key is None or key["open"] == "{":
            raise ValueError("a value of an indexed metric is not a list")
        found[_entry_series_name(key)] = _series_numbers(text, key, shared, is_wanted)
    return found


def _series_numbers(
    text: _EntrySeriesText, key: re.Match[str], shared: dict[str, Numbers], is_wanted: bool
) -> Numbers:
    """The numbers after a key; those with an anchor are kept for its aliases, whether wanted or not."""
    if key["alias"] is not None:
        if key["alias"] not in shared:
            raise ValueError(f"the alias *{key['alias']} has no anchor before it")
        return shared[key["alias"]]
    if key["anchor"] is None:
        return _bracketed_series_numbers(text, is_wanted)
    numbers = shared[key["anchor"]] = _bracketed_series_numbers(text, True)
    return numbers


def _bracketed_series_numbers(text: _EntrySeriesText, is_wanted: bool) -> Numbers:
    """The numbers up to the bracket that ends them, which are skipped if they are not wanted."""
    import numpy as np

    from legm.core.growing_columns import GrowingColumn

    whole, column = True, GrowingColumn(np.int64)
    for part in text.until_bracket():
        numbers = np.array(json.loads(f"[{yaml_text.yaml_flow_as_json(part)}]")) if is_wanted else np.zeros(0)
        if numbers.dtype.kind not in "if":
            raise ValueError("it is not a list of numbers")
        if whole and numbers.dtype.kind == "f":
            before, column, whole = column, GrowingColumn(np.float64), False
            column.extend(before.whole())
        column.extend(numbers)
    return column.whole()


class _EntrySeriesText:
    """A text that comes in pieces, read from its beginning to its end."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Pass over what is next, if a pattern matches it."""
        while (found := pattern.match(self._text, self._at)) is None:
            is_end = self._text[self._at : self._at + 1] == "}"
            if is_end or not self._add_piece():
                return None
        self._at = found.end()
        return found

    def until_bracket(self) -> Iterator[str]:
        """Pass over what comes before the next closing bracket, and over it: in parts, cut at commas.

        Raises:
            ValueError: there is none.
        """
        while (end := self._text.find("]", self._at)) < 0:
            cut = self._text.rfind(",", self._at)
            if cut >= 0:
                part, self._at = self._text[self._at : cut], cut + 1
                yield part
            if not self._add_piece():
                raise ValueError("a list does not end")
        part, self._at = self._text[self._at : end], end + 1
        if part:
            yield part

    def _add_piece(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._text, self._at = self._text[self._at :] + piece, 0
        return True
