"""``--where``: which configurations a user selects by their parameters."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from legm.cli.option_values import parse_option_value
from legm.errors import ParameterError, closest

if TYPE_CHECKING:
    from legm.records import Configuration, Plain, RunCounts

__all__ = ["Condition", "parse_conditions", "select_by_conditions", "splits_of_condition"]

_OPERATOR = re.compile(r"!=|<=|>=|==?|<|>|~")
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
        first = next(splits_of_condition(text), None)
        if first is None:
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE, NAME<VALUE, NAME~PATTERN, …")
        found.append(first)
    names = [one.name for one in found if one.operator == "="]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"{name!r} was given twice: separate several values by commas")
    return tuple(found)


def splits_of_condition(text: str) -> Iterator[Condition]:
    """A condition at each operator in it, since a name may hold one too; the first is the most likely one."""
    for sign in _OPERATOR.finditer(text):
        name = text[: sign.start()].strip()
        if name:
            yield Condition(name, "=" if sign[0] == "==" else sign[0], text[sign.end() :].strip())


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
        meets = _condition_predicate(condition, [one.configuration for one in counts])
        selected = [one for one in selected if meets(one.configuration)]
    if counts and not selected:
        raise ParameterError(f"no configuration has {' and '.join(map(str, conditions))}")
    return selected


def _condition_predicate(
    condition: Condition, every: Sequence[Configuration]
) -> Callable[[Configuration], bool]:
    """Whether a configuration meets a condition; for != also one in which the parameter is not active."""
    names = {known for one in every for known in one.active}
    if condition.name not in names:
        condition = next((one for one in splits_of_condition(str(condition)) if one.name in names), condition)
    name = condition.name
    values = [one.parameters[name] for one in every if name in one.active]
    if not values:
        raise ParameterError(f"no configuration has an active parameter {name!r}; {closest(name, names)}")
    meets = _condition_value_predicate(condition, values)
    if condition.operator == "!=":
        return lambda one: name not in one.active or not meets(one.parameters[name])
    return lambda one: name in one.active and meets(one.parameters[name])


def _condition_value_predicate(condition: Condition, values: Sequence[Plain]) -> Callable[[Plain], bool]:
    from legm.cli.json_output import json_line
    from legm.cli.printing import are_printed_as_numbers
    from legm.core.plain_form import canonical_text

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
        if not any(value is not None and are_printed_as_numbers([value]) for value in values):
            raise ParameterError(f"{condition}: {condition.name!r} has no numbers, but {values[0]!r}, say")
        return lambda value: value is not None and are_printed_as_numbers([value]) and order(value, limit)
    wanted = _wanted_condition_values(condition, values)
    return lambda value: canonical_text(value) in wanted


def _wanted_condition_values(condition: Condition, values: Sequence[Plain]) -> set[str]:
    """The canonical texts of the values in a condition: of the whole text, or of each in a list."""
    from legm.core.plain_form import canonical_text

    known = {canonical_text(value): value for value in values}
    whole = _condition_value_named(condition.text, known)
    if whole is not None:
        return {whole}
    listed = parse_option_value(condition.text)
    items = listed if isinstance(listed, list) else _BETWEEN_VALUES.split(condition.text)
    found = [(item, _condition_value_named(item, known)) for item in items]
    unknown = [item for item, own in found if own is None]
    if unknown or not found:
        wrong = condition.text if len(unknown) == len(found) else unknown[0]
        texts = sorted(map(str, known.values()))
        raise ParameterError(f"no configuration has {condition.name}={wrong}; {closest(str(wrong), texts)}")
    return {own for _, own in found if own is not None}


def _condition_value_named(given: Any, known: Mapping[str, Plain]) -> str | None:
    """The canonical text of a value that a user gave; it stays text if configurations have only the text."""
    from legm.core.plain_form import canonical_text, to_plain

    for value in (parse_option_value(given), given) if isinstance(given, str) else (given,):
        try:
            text = canonical_text(to_plain("", value))
        except ParameterError:  # a set, say, which no parameter has in this form
            continue
        if text in known:
            return text
    return None
