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

_MOST_DECIMALS = 7  # more of them are an exponent,
_MOST_CLOSE = 12  # but not of numbers that are not small: 0.99990000 ± 0.00000082
_SMALL = 1e-4  # below here
_MANTISSA = 3  # digits behind the point of a number with an exponent, where more would tell nothing
_ROUNDING = 1e-12  # of a number: a smaller spread, or difference from a power of ten, is an error of rounding


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
        digits: the number of decimals, as of ``number_decimals_for``. Very large or small numbers have an
            exponent, and at least four significant digits; one whose spread would be shown as zero has as
            many decimals as show two digits of it.

    Returns:
        the text, such as "0.93 ± 0.01"; "no value" for NaN.
    """
    center, lower, upper = aggregate_interval(value)
    if math.isnan(center):
        return "no value"
    spread = spread_half_width(value)
    size = max(abs(center), 0 if math.isnan(spread) else spread)
    if _ROUNDING * size < spread < 0.5 * 10.0 ** -max(digits, 0):  # it would be shown as none
        digits = number_decimals_for_spreads([spread])
    form = _number_format(size, digits)
    texts = [_formatted(number, form) for number in (center, lower, upper)]
    if math.isnan(spread):
        return texts[0]
    if AggregationMethod.parse(value.method).kind in {MethodKind.MEDIAN, MethodKind.CONFIDENCE}:
        return f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return f"{texts[0]} ± {_formatted(spread, f'.{_MANTISSA}e' if form.endswith('e') else form)}"


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
    decimals = max(digits, 0)
    is_close = decimals <= _MOST_CLOSE and size >= _SMALL
    if math.isinf(size) or (not size and decimals <= _MOST_DECIMALS):
        return f".{decimals}f"
    if size < WHOLE and (size >= 10.0**-decimals if decimals <= _MOST_DECIMALS else is_close):
        return f".{decimals}f"
    mantissa = digits + (math.floor(math.log10(size)) if size else 0)
    return f".{mantissa if _MANTISSA <= mantissa < _MOST_CLOSE else _MANTISSA}e"


def _formatted(value: float, form: str) -> str:
    return "0" if form.endswith("e") and not value else f"{value:{form}}"


def number_decimals_for_spreads(spreads: Iterable[float], centers: Iterable[float] = ()) -> int:
    """The number of decimals for a column of numbers; a negative one counts digits before the point.

    Args:
        spreads: half the width of each number's spread; most of them get two significant digits.
        centers: the numbers; without any spread most of them get four significant digits.
    """
    known = sorted(spread for spread in spreads if 0 < spread < math.inf)
    sizes = known or sorted(abs(center) for center in centers if 0 < abs(center) < math.inf)
    if not sizes:
        return 4
    digits = 2 if known else 4
    return digits - 1 - math.floor(math.log10(sizes[len(sizes) // 2]) + _ROUNDING)


def number_decimals_for(values: Sequence[Aggregate]) -> int:
    """The number of decimals for a column of aggregates; see :func:`number_decimals_for_spreads`."""
    centers = [aggregate_interval(one)[0] for one in values]
    spreads = map(spread_half_width, values)
    return number_decimals_for_spreads(
        (spread for spread, center in zip(spreads, centers, strict=True) if spread > _ROUNDING * abs(center)),
        centers,
    )


def typographic_number(number: str) -> str:
    """Formatted numbers as they are typeset, with a minus and an infinity sign: for pictures and LaTeX alone.

    Everywhere else a number is text that can be copied and searched for.

    Args:
        number: the number, or several with other signs between them.
    """
    return number.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")
