"""Numbers for a person: a center and its spread, with as many decimals as the spread allows."""

from __future__ import annotations

import math
from collections.abc import Iterable

from legm.records import Aggregate
from legm.stats.aggregate import Kind, Method, interval

__all__ = ["decimals", "sign", "spread_name", "spread_of", "value_text"]


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
    spread = spread_of(value)
    size = max(abs(center), 0 if math.isnan(spread) else spread)
    form = f".{digits}f" if 10.0**-digits <= size < 1e6 or not size else ".4g"
    texts = [sign(f"{number:{form}}") for number in (center, lower, upper, spread)]
    if math.isnan(spread):
        return texts[0]
    if Method.parse(value.method).kind in {Kind.MEDIAN, Kind.CONFIDENCE}:
        return f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return f"{texts[0]} ± {texts[3]}"


def spread_of(value: Aggregate) -> float:
    """Half the width of what an aggregate shows around its center."""
    _, lower, upper = interval(value)
    return (upper - lower) / 2


def decimals(spreads: Iterable[float]) -> int:
    """How many decimals a column of numbers gets: such that most spreads have two digits that count."""
    known = sorted(spread for spread in spreads if 0 < spread < math.inf)
    if not known:
        return 4
    return min(max(1 - math.floor(math.log10(known[len(known) // 2])), 0), 7)


def sign(number: str) -> str:
    """A number with the signs that are used in print."""
    return number.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")
