"""Numbers as readable text: a center and its spread, with as many decimals as the spread justifies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from legm.core.texts import WHOLE
from legm.records import Aggregate
from legm.stats.aggregate import AggregationMethod, MethodKind, aggregate_interval

__all__ = [
    "decimal_text",
    "number_decimals_for",
    "number_decimals_for_spreads",
    "spread_description",
    "spread_half_width",
    "typographic_number",
    "value_text",
]

_MOST_DECIMALS = 7  # more of them are an exponent
_EXPONENT = ".3e"


def spread_description(method: str) -> str:
    """A method's center and spread in words.

    Args:
        method: the name of an aggregation method.

    Raises:
        MetricError: there is no such method.
    """
    parsed = AggregationMethod.parse(method)
    return {
        MethodKind.MEAN: "mean ± std",
        MethodKind.MEDIAN: "median and quartiles",
        MethodKind.OUTLIER_MEAN: "mean ± std without outliers",
        MethodKind.CONFIDENCE: f"mean with {100 * parsed.level:.6g} % confidence interval",
    }[parsed.kind]


def value_text(value: Aggregate, digits: int) -> str:
    """An aggregate's center and spread.

    Args:
        value: the aggregate.
        digits: the number of decimals; very large or small numbers have four significant digits.

    Returns:
        the text, such as "0.93 ± 0.01"; "no value" for NaN.
    """
    center, lower, upper = aggregate_interval(value)
    if math.isnan(center):
        return "no value"
    spread = spread_half_width(value)
    size = max(abs(center), 0 if math.isnan(spread) else spread)
    form = _number_format(size, digits)
    texts = [_formatted(number, form) for number in (center, lower, upper, spread)]
    if math.isnan(spread):
        return texts[0]
    if AggregationMethod.parse(value.method).kind in {MethodKind.MEDIAN, MethodKind.CONFIDENCE}:
        return f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return f"{texts[0]} ± {texts[3]}"


def spread_half_width(value: Aggregate) -> float:
    """Half the width of an aggregate's spread around its center."""
    _, lower, upper = aggregate_interval(value)
    return (upper - lower) / 2


def decimal_text(value: float, digits: int) -> str:
    """A number of a column.

    Args:
        value: the number.
        digits: as for :func:`value_text`.
    """
    return _formatted(value, _number_format(abs(value), digits))


def _number_format(size: float, digits: int) -> str:
    """The format of numbers of a size."""
    if digits > _MOST_DECIMALS:
        return _EXPONENT
    return f".{digits}f" if 10.0**-digits <= size < WHOLE or not size or math.isinf(size) else _EXPONENT


def _formatted(value: float, form: str) -> str:
    return "0" if form == _EXPONENT and not value else f"{value:{form}}"


def number_decimals_for_spreads(spreads: Iterable[float], centers: Iterable[float] = ()) -> int:
    """The number of decimals for a column of numbers; one that is too large stands for an exponent.

    Args:
        spreads: half the width of each number's spread; most of them get two significant digits.
        centers: the numbers; without any spread most of them get four significant digits.
    """
    known = sorted(spread for spread in spreads if 0 < spread < math.inf)
    sizes = known or sorted(abs(center) for center in centers if 0 < abs(center) < math.inf)
    if not sizes:
        return 4
    digits = 2 if known else 4
    return min(max(digits - 1 - math.floor(math.log10(sizes[len(sizes) // 2])), 0), _MOST_DECIMALS + 1)


def number_decimals_for(values: Sequence[Aggregate]) -> int:
    """The number of decimals for a column of aggregates; see :func:`number_decimals_for_spreads`."""
    return number_decimals_for_spreads(
        map(spread_half_width, values), [aggregate_interval(one)[0] for one in values]
    )


def typographic_number(number: str) -> str:
    """Formatted numbers as they are typeset, with a minus and an infinity sign: for pictures and LaTeX alone.

    Everywhere else a number is text that can be copied and searched for.

    Args:
        number: the number, or several with other signs between them.
    """
    return number.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")
