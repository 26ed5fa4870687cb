"""Binds a selection to configurations, whose parameters and values decide what its texts mean."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from legm.core.effective_values import EffectiveValues
from legm.core.missing import MISSING
from legm.core.moments import moment_span
from legm.core.plain_form import canonical_plain_text, texts_of_equal_values, to_plain
from legm.core.search_patterns import compile_pattern
from legm.core.selection_grammar import (
    ABSENT,
    FIELDS,
    Both,
    Condition,
    Expression,
    Negation,
    ValueText,
    readings_of_selection,
)
from legm.core.texts import escape_unprintable_text, json_text, readable_text
from legm.core.value_texts import parse_value_text
from legm.errors import ParameterError, SelectionError, closest
from legm.records import Configuration, Plain, Status

if TYPE_CHECKING:
    from legm.core.selection import Predicate, SelectionCandidate

__all__ = ["bound_selection_predicate"]

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LEAST_END = 6  # characters of a run's id that may stand for it, as in the commands


def bound_selection_predicate(
    trees: Iterable[tuple[str, Expression]],
    values: Iterable[tuple[str, Plain]],
    text: str,
    configurations: Sequence[Configuration],
) -> Predicate:
    """Whether a candidate meets all of several expressions.

    Args:
        trees: the expressions, each after the text that it was parsed from.
        values: parameters, each with the value that it has to have.
        text: the whole selection, for messages.
        configurations: those among which is selected.

    Raises:
        ParameterError: no configuration has one of the parameters or values, or one cannot be compared in
            this way.
    """
    known = _BindingParameters(configurations)
    predicates = [
        _bound_selection(tree, _SelectionBinder(known, own, is_one=isinstance(tree, Condition)))
        for own, tree in trees
    ]
    predicates += [_SelectionBinder(known, text, is_one=True).equality(*one) for one in values]
    return _bound_all_of(predicates)


def _bound_selection(tree: Expression, binder: _SelectionBinder) -> Predicate:
    if isinstance(tree, Condition):
        return binder.condition(tree)
    if isinstance(tree, Negation):
        return _bound_none_of(_bound_selection(tree.inner, binder))
    parts = [_bound_selection(one, binder) for one in tree.parts]
    if isinstance(tree, Both):
        return _bound_all_of(parts)
    return _bound_none_of(_bound_all_of([_bound_none_of(one) for one in parts]))


def _bound_none_of(inner: Predicate) -> Predicate:
    def is_not(candidate: SelectionCandidate) -> bool | None:
        found = inner(candidate)
        return None if found is None else not found

    return is_not


def _bound_all_of(parts: Sequence[Predicate]) -> Predicate:
    def holds(candidate: SelectionCandidate) -> bool | None:
        is_known = True
        for part in parts:
            found = part(candidate)
            if found is False:
                return False
            is_known = is_known and found is not None
        return True if is_known else None

    return holds


# Parameters


class _BindingParameters:
    """The parameters of configurations, and their values.

    Args:
        configurations: those among which is selected.
    """

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self._configurations = configurations
        self._effective = EffectiveValues(configurations)
        self.active = {name for one in configurations for name in one.active}
        self.active |= {name for values in self._effective.absent.values() for name in values}
        """Those that are compared, and those that have an absent value."""
        self.every = {name for one in configurations for name in one.parameters} | self.active
        self.of_runs = {
            name
            for one in configurations
            for name, rules in one.metadata.items()
            if rules.get("disable_comparison") and name in one.parameters
        }
        """Those that are not compared, so that each run has its own value."""

    def values(self, name: str) -> list[Plain]:
        """The values that a parameter has where it is compared, or else those of first runs."""
        own = [one.parameters[name] for one in self._configurations if name in one.active]
        own += [values[name] for values in self._effective.absent.values() if name in values]
        return own or [one.parameters[name] for one in self._configurations if name in one.parameters]

    def value_of(self, configuration: Configuration, name: str) -> Any:
        """A configuration's value of a parameter; its absent value where it equals an absent one."""
        return self._effective.value_of(configuration, name)


class _SelectionBinder:
    """Turns conditions into predicates.

    Args:
        known: the parameters there are.
        text: the selection's, for messages.
        is_one: whether the text is a single condition.
    """

    def __init__(self, known: _BindingParameters, text: str, *, is_one: bool) -> None:
        self._known = known
        self._text = text
        self._is_one = is_one

    def condition(self, condition: Condition) -> Predicate:
        """Whether a candidate meets a condition; for != also where the parameter is absent.

        Raises:
            ParameterError: see :func:`bound_selection_predicate`.
        """
        if condition.is_field:
            return self._field(condition)
        readings = list(readings_of_selection(condition))
        chosen = next((one for one in readings if one.name in self._known.every), None)
        if chosen is None:
            if condition.name in _TIMES and not condition.is_quoted:
                return self._time(condition)
            raise self._unknown_parameter(condition)
        if chosen.operator == ABSENT:
            return self._is_absent(chosen.name)
        if chosen.name not in self._known.active | self._known.of_runs:
            raise self._unknown_parameter(chosen)
        meets = self._value_predicate(chosen)
        holds = self._values_of(chosen.name, lambda value: value is not MISSING and meets(value))
        return _bound_none_of(holds) if chosen.operator == "!=" else holds

    def equality(self, name: str, value: Plain) -> Predicate:
        """Whether a candidate's parameter has a value.

        Raises:
            ParameterError: no configuration has the parameter, or none this value of it.
        """
        known = self._known
        if name not in known.active | known.of_runs:
            raise self._unknown_parameter(Condition(name, "=", _shown_value_to_bind(value)))
        is_absent = value is None or value is False
        values = {canonical_plain_text(one): one for one in known.values(name)}
        wanted = texts_of_equal_values(value, values)
        if not is_absent and not wanted and name not in known.of_runs:
            raise ParameterError(
                f"no configuration has {name}={readable_text(value)}; "
                f"{closest(_shown_value_to_bind(value), sorted(map(_shown_value_to_bind, values.values())))}"
            )
        wanted |= {canonical_plain_text(value)}
        return self._values_of(
            name, lambda found: is_absent if found is MISSING else canonical_plain_text(found) in wanted
        )

    def _error(self, condition: Condition, problem: str) -> ParameterError:
        """An error; with a caret, unless the condition is all that was given."""
        if self._is_one:
            return ParameterError(problem)
        return SelectionError(problem, self._text, condition.position)

    def _unknown_parameter(self, condition: Condition) -> ParameterError:
        name = condition.name
        hint = closest(name, self._known.active | self._known.of_runs)
        if name in FIELDS and not condition.is_quoted and condition.operator == "=":
            hint = f"{name}:{condition.text} selects by a run's {name}"
        return self._error(condition, f"no configuration has an active parameter {name!r}; {hint}")

    def _is_absent(self, name: str) -> Predicate:
        """Whether a parameter is absent, or inactive, which is the same."""
        holds = self._values_of(name, lambda value: value is MISSING)
        return lambda candidate: (
            name not in candidate.configuration.active
            if self._known.value_of(candidate.configuration, name) is not MISSING
            else holds(candidate)
        )

    def _values_of(self, name: str, meets: Callable[[Any], bool]) -> Predicate:
        """Whether a parameter's value meets something; an absent parameter's is ``MISSING``."""
        is_of_runs = name in self._known.of_runs

        def holds(candidate: SelectionCandidate) -> bool | None:
            found = self._known.value_of(candidate.configuration, name)
            if found is not MISSING or not is_of_runs:
                return meets(found)
            if candidate.run is None:
                return None
            value = candidate.run.run.parameters.get(name)
            return meets(MISSING if value is None else value)

        return holds

    def _value_predicate(self, condition: Condition) -> Callable[[Plain], bool]:
        if condition.operator == "~":
            try:
                is_found = compile_pattern(condition.text)
            except ParameterError as error:
                raise self._error(condition, str(error)) from error
            return lambda value: is_found(_shown_value_to_bind(value))
        if condition.operator in _ORDERS:
            return self._order_predicate(condition)
        wanted = self._wanted(condition)
        return lambda value: canonical_plain_text(value) in wanted

    def _order_predicate(self, condition: Condition) -> Callable[[Plain], bool]:
        only, order = condition.values[0], _ORDERS[condition.operator]
        limit = condition.text if only.is_quoted else parse_value_text(condition.text)
        if not _is_number_to_bind(limit):
            raise self._error(condition, f"{condition}: {condition.text!r} is not a number")
        values = self._known.values(condition.name)
        if not any(map(_is_number_to_bind, values)):
            raise self._error(
                condition, f"{condition}: {condition.name!r} has no numbers, but {values[0]!r}, say"
            )
        return lambda value: _is_number_to_bind(value) and order(value, limit)

    def _wanted(self, condition: Condition) -> set[str]:
        """The canonical texts of the values in a condition: of the whole text, or of each in a list."""
        known = {canonical_plain_text(value): value for value in self._known.values(condition.name)}
        if condition.name not in self._known.active:  # of runs: their values are not known yet
            whole = [ValueText(condition.text)] if len(condition.values) > 1 else []
            return {
                canonical_plain_text(value)
                for one in _listed_values_to_bind(condition, whole)
                for value in _readings_to_bind(one)
            }
        is_one_text = len(condition.values) == 1 and condition.values[0].is_quoted
        found = _known_readings_to_bind(ValueText(condition.text, is_one_text), known)
        if found:
            return {*found}
        items = _listed_values_to_bind(condition, [])
        readings = [(one, _known_readings_to_bind(one, known)) for one in items]
        unknown = [one for one, own in readings if not own]
        if unknown and condition.name not in self._known.of_runs:
            raise self._no_such_value(condition, unknown if len(unknown) < len(items) else [], known)
        return {text for _, own in readings for text in own} | {
            canonical_plain_text(value) for one in unknown for value in _readings_to_bind(one)
        }

    def _no_such_value(
        self, condition: Condition, unknown: Sequence[ValueText], known: Mapping[str, Plain]
    ) -> ParameterError:
        wrong = unknown[0] if unknown else ValueText(condition.text, condition.values[0].is_quoted)
        name, texts = condition.name, sorted(map(_shown_value_to_bind, known.values()))
        hint = closest(wrong.text, texts)
        if all(map(_is_number_to_bind, known.values())) and (
            wrong.is_quoted or isinstance(parse_value_text(wrong.text), str)
        ):
            hint += f" (numbers, and {wrong.text!r} is a text)"
        shown = f"{escape_unprintable_text(name)}={escape_unprintable_text(wrong.text)}"
        return self._error(condition, f"no configuration has {shown}; {hint}")

    # Fields

    def _field(self, condition: Condition) -> Predicate:
        wanted = frozenset(one.text for one in condition.values)
        if condition.name in _TIMES:
            return self._time(condition)
        if condition.name == "description":
            return lambda one: None if one.description is None else one.description in wanted
        if condition.name == "status":
            return self._status(condition, wanted)
        if condition.name == "tag":
            return lambda one: None if one.run is None else not wanted.isdisjoint(one.run.marks.tags)
        for text in wanted:
            if len(text) < _LEAST_END:
                raise self._error(
                    condition,
                    f"run:{text} has to be a run's id, or {_LEAST_END} or more characters of its end",
                )
        return lambda one: None if one.run is None else one.run.run.run_id.endswith(tuple(wanted))

    def _status(self, condition: Condition, wanted: frozenset[str]) -> Predicate:
        known = {one.value for one in Status}
        for text in wanted:
            if text not in known:
                raise self._error(condition, f"there is no status {text!r}; {closest(text, known)}")

        def has_status(candidate: SelectionCandidate) -> bool | None:
            if candidate.statuses is None:
                return None
            if not candidate.statuses & wanted:
                return False
            return True if candidate.statuses <= wanted else None

        return has_status

    def _time(self, condition: Condition) -> Predicate:
        name, sign = condition.name, condition.operator
        if sign not in {*_ORDERS, "=", "!="}:
            raise self._error(condition, f"{name} is a time: {name}>2026-01-31, {name}=2026-01-31, …")
        try:
            start, end = moment_span(condition.text)
        except ValueError as error:
            raise self._error(
                condition,
                f"{condition.text!r} is not a time: {error}; write 2026-01-31 or '2026-01-31 18:30'",
            ) from error

        def holds(candidate: SelectionCandidate) -> bool | None:
            if candidate.run is None:
                return None
            run = candidate.run
            seconds = run.run.started if name == "started" else run.ended
            if seconds is None:
                return sign == "!="
            answers = {"<": seconds < start, "<=": seconds < end, ">": seconds >= end, ">=": seconds >= start}
            inside = start <= seconds < end
            return answers.get(sign, inside if sign == "=" else not inside)

        return holds


_TIMES = ("started", "ended")


def _is_number_to_bind(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown_value_to_bind(value: Plain) -> str:
    """A value as it is printed, in which a pattern is searched."""
    return value if isinstance(value, str) else readable_text(value)


def _listed_values_to_bind(condition: Condition, more: Sequence[ValueText]) -> list[ValueText]:
    """The single values of a condition; a list that is written as one is not one of them."""
    only = condition.values[0]
    if len(condition.values) == 1 and not only.is_quoted:
        parsed = parse_value_text(only.text)
        if isinstance(parsed, list):
            return [
                *more,
                *(ValueText(one if isinstance(one, str) else json_text(one)) for one in parsed),
            ]
    return [*more, *condition.values]


def _readings_to_bind(value: ValueText) -> list[Plain]:
    """What a typed value may mean: what YAML reads in it, or the text itself."""
    found = []
    for one in (
        dict.fromkeys((value.text,)) if value.is_quoted else (parse_value_text(value.text), value.text)
    ):
        try:
            found.append(to_plain("", one))
        except ParameterError:  # a set, say, which no parameter has in this form
            continue
    return found


def _known_readings_to_bind(value: ValueText, known: Mapping[str, Plain]) -> frozenset[str]:
    """The canonical texts of a typed value; it stays text if configurations have only the text.

    An object is typed as it is shown: ``Adam(lr=0.1)``.
    """
    every = (texts_of_equal_values(one, known) for one in _readings_to_bind(value))
    objects = ((text, one) for text, one in known.items() if isinstance(one, (Mapping, list)))
    as_shown = (text for text, one in objects if _shown_value_to_bind(one) == value.text)
    return next(filter(None, every), frozenset(as_shown))
