"""The values of a parameter on the page: each distinct one once, and which configuration or run has which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

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
    scalars: dict[tuple[type, Plain], int] = field(default_factory=dict)
    of: dict[int, int] = field(default_factory=dict)
    active: set[int] = field(default_factory=set)

    def put(self, index: int, value: Plain, *, active: bool = True) -> None:
        """Set the value of a configuration or run."""
        scalar = (type(value), value) if value and isinstance(value, (str, int, float)) else None
        known = None if scalar is None else self.scalars.get(scalar)
        if known is None:
            key = canonical_plain_text(value)
            if key not in self.values:
                self.values[key] = len(self.values) + 1
                self.plain.append(value)
            known = self.values[key]
            if scalar is not None:  # quicker than its text, for ten thousands
                self.scalars[scalar] = known
        self.of[index] = known
        if active:
            self.active.add(index)

    def content(self, name: str, count: int) -> dict[str, Plain]:
        """The distinct values, and the number of that of each configuration or run, from 1; 0 for none.

        A value is its text, its number, and its rounded text where that is another.
        """
        texts = zip(self.plain, map(exact_text, self.plain), value_texts(self.plain), strict=True)
        return {
            "name": name,
            "values": [
                [exact, _parameter_value_number(value), *([brief] * (brief != exact))]
                for value, exact, brief in texts
            ],
            "of": encode_numbers_exactly([self.of.get(index, 0) for index in range(count)]),
            "active": encode_numbers_exactly([int(index in self.active) for index in range(count)]),
        }


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
            found.setdefault(name, ParameterContent()).put(index, value, active=name in own)
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
