"""Texts that people read: numbers and values rounded, counts with their nouns.

One rule for the command line, the plots and the report. A number has four significant digits, or as many as
it takes that different values of a column look different. Exact numbers are for programs, and where one thing
is looked at closely.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from legm.records import Plain

__all__ = [
    "ENOUGH_DIGITS",
    "OBJECT_CLASS",
    "WHOLE",
    "counted",
    "escape_unprintable_text",
    "exact_text",
    "json_text",
    "listed_names",
    "number_text",
    "number_texts",
    "readable_text",
    "rounded_text",
    "value_texts",
]

_DIGITS = 4  # significant ones of a number,
ENOUGH_DIGITS = (_DIGITS, 6, 9, 12)  # those that are tried until numbers look different,
_EXACT = 17  # and those of any number
WHOLE = 1e7  # from here on numbers are written with an exponent,
_SMALL = 1e-4  # and below here
_LONGEST = (
    1e15  # or from here on, where so many digits are asked for that all before the point are among them
)
_AMBIGUOUS = re.compile(
    r"[-+]?\.?\d.*|[-+]?\.?(nan|inf|infinity)|true|false|null|none|[\[{\"'~].*", re.IGNORECASE | re.DOTALL
)

_MOST_SHORT = _DIGITS + 1  # characters of a float that never has more digits: its point is none
_SIMPLE = frozenset((str, int, float, bool))  # types of which equal values have equal texts,
_WITH_ITEMS = frozenset((list, dict))  # and those of which only repr() tells

OBJECT_CLASS = "legm:class"
"""The key of the name of its class in the plain form of an object."""

T = TypeVar("T")


# Characters


def escape_unprintable_text(text: str, kept: str = "") -> str:
    """A text with escapes for control characters, those that change the direction, and lone surrogates.

    Args:
        text: any text, also one that somebody else made.
        kept: the characters that are kept, such as line breaks.
    """
    rest = text
    for character in kept:
        rest = rest.replace(character, "")
    if rest.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)


# Numbers and values


def number_text(value: float, digits: int = _DIGITS) -> str:
    """A number with so many significant digits, or fewer if it has no more; whole numbers are whole.

    Args:
        value: the number.
        digits: the number of digits, at least 2.
    """
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size < WHOLE and value.is_integer():
        return str(int(value))
    if _SMALL <= size < max(WHOLE, min(10.0**digits, _LONGEST)):
        if value.is_integer():
            return str(int(value))
        decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
        return str(value) if _has_short_text(value, digits) else f"{value:.{decimals}f}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{_text_without_zeros(mantissa) if _has_short_text(value, digits) else mantissa}e{exponent}"


def _has_short_text(value: float, digits: int) -> bool:
    """Whether a number has no more significant digits than these."""
    return float(f"{value:.{digits - 1}e}") == value


def _text_without_zeros(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def number_texts(values: Iterable[float]) -> list[str]:
    """Numbers of one column as :func:`number_text` has them; different numbers have different texts."""
    return _distinct_texts(list(values), lambda value, digits: number_text(value, digits or _EXACT))


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 run``, ``2,000 runs``.

    Args:
        number: the number.
        one: the noun.
        many: its plural, where that is not the noun with an "s"; a verb may follow both.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed_names(names: Iterable[str], most: int = 12) -> str:
    """Names separated by commas, and how many more there are: ``lr, depth and 198 more``.

    Args:
        names: the names, the most important ones first.
        most: how many are listed.
    """
    every = list(names)
    if len(every) <= most + 1:  # "and 1 more" is no shorter than a name
        return ", ".join(every)
    return f"{', '.join(every[:most])} and {len(every) - most:,} more"


def exact_text(value: Plain) -> str:
    """A value as people read it, with all digits; text is as it is where it cannot be another value."""
    return rounded_text(value, None)


def value_texts(values: Iterable[Plain]) -> list[str]:
    """Values of one parameter, with rounded floats; different values have different texts.

    Args:
        values: the values, such as those of a column.
    """
    every: list[Any] = list(values)
    if set(map(type, every)) != {float}:
        return _distinct_texts(every, rounded_text)
    exact = list(map(str, every))
    if max(map(len, exact)) <= _MOST_SHORT:  # the usual case, made quick
        return exact
    return _distinct_texts(every, _float_text)


def _distinct_texts(values: Sequence[T], text: Callable[[T, int | None], str]) -> list[str]:
    """The texts with the fewest digits with which different values have different ones."""
    is_simple = len(kinds := set(map(type, values))) == 1 and kinds <= _SIMPLE
    keys: Sequence[Any] = values
    if not is_simple:
        keys = list(map(repr if kinds <= _WITH_ITEMS else _value_text_key, values))
    unique = dict(zip(keys, values, strict=True))
    exact = {key: text(value, None) for key, value in unique.items()}
    most = len(set(exact.values()))
    for digits in ENOUGH_DIGITS:
        texts = {key: text(value, digits) for key, value in unique.items()}
        if len(set(texts.values())) == most:
            return [texts[key] for key in keys]
    return [exact[key] for key in keys]


def _value_text_key(value: object) -> tuple[type, object]:
    """Equal for values that have one text."""
    return type(value), value if isinstance(value, (str, int, float)) else repr(value)


def rounded_text(value: Plain, digits: int | None) -> str:
    """A value as text, with floats rounded to so many significant digits.

    Args:
        value: the value.
        digits: the number of digits; None for all that a float has.
    """
    if isinstance(value, str):
        is_plain = (
            value and value == value.strip() and value.isprintable() and not _AMBIGUOUS.fullmatch(value)
        )
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    return readable_text(value, digits)


def json_text(value: Plain) -> str:
    """A value as JSON on one line, but for a number that is not finite: ``nan``, and a text is ``"nan"``."""
    return _nested_text(value, None, has_objects=False)


def readable_text(value: Plain, digits: int | None = None) -> str:
    """A value as :func:`json_text` has it, but an object as it was made: ``Adam(lr=0.1)``.

    Args:
        value: the value.
        digits: the number of significant digits of a float; None for all that it has.
    """
    return _nested_text(value, digits, has_objects=True)


def _nested_text(value: Plain, digits: int | None, *, has_objects: bool) -> str:
    if isinstance(value, float):
        return _float_text(value, digits)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join([_nested_text(one, digits, has_objects=has_objects) for one in value])}]"
    if not isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    inside = {key: _nested_text(one, digits, has_objects=has_objects) for key, one in value.items()}
    if has_objects and (name := _object_class_in(value)):
        fields = [f"{key}={text}" for key, text in inside.items() if key != OBJECT_CLASS]
        return f"{name}({', '.join(fields)})"
    items = [f"{json.dumps(key, ensure_ascii=False)}: {text}" for key, text in inside.items()]
    return f"{{{', '.join(items)}}}"


def _object_class_in(value: Mapping[str, Plain]) -> str | None:
    """The name of the class of an object in plain form; None for another mapping."""
    name = value.get(OBJECT_CLASS)
    names = [*value.keys() - {OBJECT_CLASS}, *(name.split(".") if isinstance(name, str) else [""])]
    return str(name) if len(value) > 1 and all(map(str.isidentifier, names)) else None


def _float_text(value: float, digits: int | None) -> str:
    """A float in its shortest form, or rounded where that is longer."""
    if digits is None or not math.isfinite(value) or _has_short_text(value, digits):
        return str(value)
    mantissa, e, exponent = number_text(value, digits).partition("e")
    return _text_without_zeros(mantissa) + e + exponent
