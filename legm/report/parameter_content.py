"""The values of a parameter on the page: each distinct one once, and which configuration or run has which."""

from __future__ import annotations

import marshal
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from legm.core.effective_values import EffectiveValues
from legm.core.plain_form import canonical_plain_text
from legm.core.texts import exact_text, value_texts
from legm.records import Configuration, Plain
from legm.report.number_encoding import encode_numbers_exactly

__all__ = ["ParameterContent", "parameter_contents"]


@dataclass(slots=True)
class ParameterContent:
    """The distinct values of a parameter, and the value of each configuration or run, by its index."""

    values: dict[str, int] = field(default_factory=dict)
    plain: list[Plain] = field(default_factory=list)
    known: dict[Any, int] = field(default_factory=dict)
    of: array[int] = field(default_factory=lambda: array("L"))
    active: bytearray = field(default_factory=bytearray)

    def put(self, index: int, value: Plain, *, active: bool = True) -> None:
        """Set the value of a configuration or run; those with lower indexes are set before."""
        number = self.known.get(key := _quick_key(value))
        if number is None:
            text = canonical_plain_text(value)
            if text not in self.values:
                self.values[text] = len(self.values) + 1
                self.plain.append(value)
            number = self.known[key] = self.values[text]
        missing = index - len(self.of)
        if missing:
            self.of.extend([0] * missing)
            self.active.extend(bytes(missing))
        self.of.append(number)
        self.active.append(active)

    def content(self, name: str, count: int) -> dict[str, Plain]:
        """The distinct values, and the number of that of each configuration or run, from 1; 0 for none.

        A value is its text, its number, and its rounded text where that is another.
        """
        texts = zip(self.plain, map(exact_text, self.plain), value_texts(self.plain), strict=True)
        of, active = np.zeros(count), np.zeros(count)
        of[: len(self.of)] = self.of
        active[: len(self.active)] = self.active
        return {
            "name": name,
            "values": [
                [exact, _parameter_value_number(value), *([brief] * (brief != exact))]
                for value, exact, brief in texts
            ],
            "of": encode_numbers_exactly(of),
            "active": encode_numbers_exactly(active),
        }


def _quick_key(value: Plain) -> Any:
    """What is equal only for equal values with equal types, found quicker than a text for ten thousands."""
    if value and isinstance(value, (str, int, float)):
        return type(value), value
    try:
        return marshal.dumps(value, 2)
    except ValueError:  # it is nested deeply
        return canonical_plain_text(value)


def parameter_contents(configurations: Sequence[Configuration]) -> dict[str, ParameterContent]:
    """The parameters of configurations, by name; what equals its absent value has that value, as if active.

    Args:
        configurations: in the order of their indexes.
    """
    found: dict[str, ParameterContent] = {}
    effective = EffectiveValues(configurations)
    for index, one in enumerate(configurations):
        own = effective.parameters_of(one)
        for name, value in {**one.parameters, **own}.items():
            if name not in found:
                found[name] = ParameterContent()
            found[name].put(index, value, active=name in own)
    return found


def _parameter_value_number(value: Plain) -> float | None:
    """The number for sorting and for the position on an axis; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
