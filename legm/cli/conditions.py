"""``--where``: which configurations a user selects by their parameters."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from legm.cli.option_values import parse_option_value
from legm.errors import ParameterError, closest

if TYPE_CHECKING:
    from legm.records import Configuration, Plain, RunCounts

__all__ = ["Condition", "parse_conditions", "select_by_conditions"]

_OPERATOR = re.compile(r"!=|<=|>=|=|<|>|~")
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BETWEEN_VALUES = re.compile(r",(?![^\[\]{}]*[\]}])")  # commas that are not within brackets


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a parameter, as a user gave it.

    Args:
        name: the parameter.
        operator: one of = != < <= > >= ~.
        text: what the parameter's value is compared with.
    """

    name: str
    operator: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.text}"


def parse_conditions(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> tuple[Condition, ...]:
    """A callback: the conditions, ``NAME=VALUE`` each or with another operator."""
    found = []
    for text in texts:
        sign = _OPERATOR.search(text)
        if sign is None or not sign.start():
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE, NAME<VALUE, NAME~PATTERN, …")
        found.append(Condition(text[: sign.start()], sign[0], text[sign.end() :]))
    names = [one.name for one in found if one.operator == "="]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"{name!r} was given twice: separate several values by commas")
    return tuple(found)


def select_by_conditions(counts: Sequence[RunCounts], conditions: Sequence[Condition]) -> list[RunCounts]:
    """The counts of the configurations that meet all conditions.

    Args:
        counts: the runs of configurations.
        conditions: the conditions.

    Raises:
        ParameterError: a parameter or value does not exist, a value is not a number or a pattern, or no
            configuration meets all of them.
    """
    selected = list(counts)
    for condition in conditions:
        meets = _predicate(condition, [one.configuration for one in counts])
        selected = [one for one in selected if meets(one.configuration)]
    if counts and not selected:
        raise ParameterError(f"no configuration has {' and '.join(map(str, conditions))}")
    return selected


def _predicate(condition: Condition, every: Sequence[Configuration]) -> Callable[[Configuration], bool]:
    """Whether a configuration meets a condition; for != also one in which the parameter is not active."""
    name = condition.name
    values = [one.parameters[name] for one in every if name in one.active]
    if not values:
        names = {known for one in every for known in one.active}
        raise ParameterError(f"no configuration has an active parameter {name!r}; {closest(name, names)}")
    meets = _value_predicate(condition, values)
    if condition.operator == "!=":
        return lambda one: name not in one.active or not meets(one.parameters[name])
    return lambda one: name in one.active and meets(one.parameters[name])


def _value_predicate(condition: Condition, values: Sequence[Plain]) -> Callable[[Plain], bool]:
    from legm.cli.output import are_printed_as_numbers, json_line
    from legm.core.identity import canonical_text

    if condition.operator == "~":
        try:
            matches = re.compile(condition.text).search
        except re.error as cause:
            raise ParameterError(f"{condition.text!r} is not a regular expression: {cause}") from cause
        return lambda value: matches(value if isinstance(value, str) else json_line(value)) is not None
    if condition.operator in _ORDERS:
        limit, order = parse_option_value(condition.text), _ORDERS[condition.operator]
        if not are_printed_as_numbers([limit]) or limit is None:
            raise ParameterError(f"{condition}: {condition.text!r} is not a number")
        return lambda value: value is not None and are_printed_as_numbers([value]) and order(value, limit)
    wanted = _wanted_values(condition, values)
    return lambda value: canonical_text(value) in wanted


def _wanted_values(condition: Condition, values: Sequence[Plain]) -> set[str]:
    """The canonical texts of the values in a condition: of the whole text, or of its parts between commas."""
    from legm.core.identity import canonical_text

    known = {canonical_text(value): value for value in values}

    def matching(text: str) -> str | None:
        """One stays text if configurations have only the text."""
        return next(
            (own for own in map(canonical_text, (parse_option_value(text), text)) if own in known), None
        )

    whole = matching(condition.text)
    if whole is not None:
        return {whole}
    found = set()
    for text in _BETWEEN_VALUES.split(condition.text):
        own = matching(text)
        if own is None:
            texts = sorted(map(str, known.values()))
            raise ParameterError(f"no configuration has {condition.name}={text}; {closest(text, texts)}")
        found.add(own)
    return found
