"""An aggregate in words and numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from legm.aggregate import Kind, Method, interval
from legm.records import Aggregate

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["decimals", "sign", "spread_name", "value_text"]


def spread_name(method: str) -> str:
    """What a method's center and spread are, in words."""
    parsed = Method.parse(method)
    return {
        Kind.MEAN: "mean ± std",
        Kind.MEDIAN: "median and quartiles",
        Kind.OUTLIER_MEAN: "mean ± std without outliers",
        Kind.CONFIDENCE: f"mean with {100 * parsed.level:.6g} % confidence interval",
    }[parsed.kind]


def value_text(value: Aggregate, digits: int) -> str:
    """An aggregate's center and spread: with so many decimals, or four digits where these do not suit."""
    center, lower, upper = interval(value)
    if math.isnan(center):
        return "no value"
    spread = (upper - lower) / 2
    size = max(abs(center), 0 if math.isnan(spread) else spread)
    form = f".{digits}f" if 10.0**-digits <= size < 1e6 or not size else ".4g"
    texts = [sign(f"{number:{form}}") for number in (center, lower, upper, spread)]
    if math.isnan(spread):
        return texts[0]
    if Method.parse(value.method).kind in {Kind.MEDIAN, Kind.CONFIDENCE}:
        return f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return f"{texts[0]} ± {texts[3]}"


def decimals(widths: FloatArray) -> int:
    """How many decimals a column of numbers gets: such that most spreads have two digits that count."""
    spreads = np.sort(widths[widths > 0]) / 2
    if not len(spreads):
        return 4
    return min(max(1 - math.floor(math.log10(spreads[len(spreads) // 2])), 0), 7)


def sign(number: str) -> str:
    """A number with the signs that are used in print."""
    return number.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")
