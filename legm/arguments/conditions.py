"""Arguments that exist only where another argument has a value."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from legm.arguments.declarations import (
    Argument,
    Carrier,
    argument_metadata,
    declaration_carrier_title,
    declared_arguments,
)
from legm.errors import ParameterError, closest

__all__ = [
    "ArgumentConditions",
    "ArgumentSource",
    "OneOf",
    "condition_sources_from_carriers",
    "metadata_from_condition_sources",
]

Table: TypeAlias = Mapping[Any, Any] | Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class ArgumentSource:
    """Arguments that are declared together.

    Args:
        title: where they are declared, for messages.
        arguments: by name.
        origin: the number of the condition that adds them, and the value; None for unconditional ones.
        condition: the metadata fields that make them active only then.
    """

    title: str
    arguments: Mapping[str, Argument]
    origin: tuple[int, Any] | None = None
    condition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OneOf:
    """True for a value that is one of these, and for a list that contains one of them."""

    values: tuple[Any, ...]

    def __call__(self, value: Any) -> bool:
        """Whether the value is, or contains, one of them."""
        return any(
            _is_same_argument_value(item, wanted)
            for item in _condition_values(value)
            for wanted in self.values
        )


def _condition_values(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _is_same_argument_value(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def condition_sources_from_carriers(carriers: Carrier | Sequence[Carrier]) -> list[ArgumentSource]:
    """The arguments that one or several carriers declare, one source for each.

    Raises:
        ParameterError: a declaration is invalid.
    """
    return [
        ArgumentSource(
            declaration_carrier_title(carrier),
            {argument.name: argument for argument in declared_arguments(carrier)},
        )
        for carrier in _condition_values(carriers)
    ]


@dataclass(frozen=True, slots=True)
class _ArgumentCondition:
    """The arguments that are added for each value of an argument."""

    argument: str
    given: Mapping[Any, list[ArgumentSource]] | Callable[[Any], Any]

    def sources(self, value: Any) -> list[ArgumentSource]:
        """The arguments that are added for a value."""
        if isinstance(self.given, Mapping):
            return next(
                (found for key, found in self.given.items() if _is_same_argument_value(key, value)), []
            )
        return _condition_sources_from_result(self.given(value))

    def active(self, value: Any, item: Any) -> Any:
        """The ``parent_active`` for an argument with this value, which is or contains the item."""
        is_function = callable(item) and not isinstance(item, type)
        return OneOf((item,)) if isinstance(value, (list, tuple)) or is_function else item


def _condition_sources_from_result(found: Any) -> list[ArgumentSource]:
    return [] if found is None else condition_sources_from_carriers(found)


class ArgumentConditions:
    """All conditions of a command line.

    Args:
        modules: see :func:`legm.parse_args_and_metadata`.
        arguments: see there.

    Raises:
        ParameterError: one is not a mapping, or contains an invalid declaration.
    """

    def __init__(
        self,
        modules: Mapping[str, Table],
        arguments: Mapping[str, Table] | Callable[[argparse.Namespace], Any],
    ) -> None:
        self._function = arguments if callable(arguments) else None
        self._conditions = _conditions_from_tables("conditional_modules", modules)
        if not callable(arguments):
            self._conditions += _conditions_from_tables("conditional_args", arguments)

    def declared(self) -> Iterable[ArgumentSource]:
        """All arguments in the tables; those that functions return are not known in advance."""
        for condition in self._conditions:
            if isinstance(condition.given, Mapping):
                for sources in condition.given.values():
                    yield from sources

    def check(
        self, possible: Iterable[ArgumentSource], commands: Mapping[str, Any], dest: str | None
    ) -> None:
        """Check that every condition is about an existing argument and one of its choices.

        Args:
            possible: every possible argument, except those that functions return.
            commands: the commands by name.
            dest: the name of the argument that holds the command.

        Raises:
            ParameterError: a condition is not.
        """
        known: dict[str, list[Any]] = {} if dest is None else {dest: [commands]}
        for source in possible:
            for name, argument in source.arguments.items():
                known.setdefault(name, []).append(argument.keywords.get("choices"))
        is_open = self._function or any(callable(condition.given) for condition in self._conditions)
        for condition in self._conditions:
            name = condition.argument
            if name not in known and not is_open:
                raise ParameterError(
                    f"a condition is about {name!r}, which is not an argument; {closest(name, known)}"
                )
            sets = known.get(name, [None])
            if None in sets or not isinstance(condition.given, Mapping):
                continue
            choices = list(itertools.chain(*sets))
            for value in condition.given:
                if value not in choices:
                    raise ParameterError(
                        f"a condition is about {name}={value!r}, which is not one of its choices; "
                        f"{closest(str(value), map(str, choices))}"
                    )

    def additional_sources(
        self, values: Mapping[str, Any], present: Sequence[ArgumentSource]
    ) -> list[ArgumentSource]:
        """The arguments that these values add and that are not present yet.

        Args:
            values: by argument.
            present: the arguments that exist already.
        """
        origins = [source.origin for source in present if source.origin]
        found = []
        for number, condition in enumerate(self._conditions):
            value = values.get(condition.argument)
            for item in _condition_values(value) if condition.argument in values else ():
                if any(number == at and _is_same_argument_value(item, of) for at, of in origins):
                    continue
                origins.append((number, item))
                fields = {"parent": condition.argument, "parent_active": condition.active(value, item)}
                for source in condition.sources(item):
                    title = f"{source.title}, with {condition.argument} = {item!r}"
                    found.append(ArgumentSource(title, source.arguments, (number, item), fields))
        if self._function is not None:
            of_it = {name for source in present if source.origin == (-1, None) for name in source.arguments}
            for source in _condition_sources_from_result(self._function(argparse.Namespace(**values))):
                new = {name: a for name, a in source.arguments.items() if name not in of_it}
                if new:
                    found.append(replace(source, arguments=new, origin=(-1, None)))
        return found


def _conditions_from_tables(call: str, tables: Mapping[str, Table]) -> list[_ArgumentCondition]:
    if not isinstance(tables, Mapping):
        raise ParameterError(f"{call} must be a mapping {{argument: {{value: …}}}}, not {tables!r}")
    made = []
    for name, table in tables.items():
        if callable(table) and not isinstance(table, type):
            made.append(_ArgumentCondition(name, table))
        elif isinstance(table, Mapping):
            made.append(
                _ArgumentCondition(
                    name, {value: condition_sources_from_carriers(given) for value, given in table.items()}
                )
            )
        else:
            raise ParameterError(
                f"{call}[{name!r}] must be a mapping {{value: …}} or a function, not {table!r}"
            )
    return made


def metadata_from_condition_sources(sources: Iterable[ArgumentSource]) -> dict[str, dict[str, Any]]:
    """The metadata of every argument by name; of an argument that occurs twice, the first counts.

    Raises:
        ParameterError: a parent has splits, but not the split of the argument.
    """
    sources = list(sources)
    known = {name: a for source in reversed(sources) for name, a in source.arguments.items()}
    metadata: dict[str, dict[str, Any]] = {}
    for source in sources:
        for name, argument in source.arguments.items():
            if name not in metadata:
                fields = argument_metadata(argument, known)
                metadata[name] = fields if "parent" in fields else {**fields, **source.condition}
    return metadata
