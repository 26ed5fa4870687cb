"""Arguments that exist only where another argument has a value."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from legm.arguments.declarations import Argument, Carrier, declared, metadata_of, title_of
from legm.errors import ParameterError, closest

__all__ = ["Among", "Conditions", "Source", "metadata_of_sources", "sources_of"]

Table: TypeAlias = Mapping[Any, Any] | Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Arguments that come together.

    Args:
        title: where they come from, for people.
        arguments: by name.
        origin: the condition they came by (its number), and the value; None for those always there.
        condition: the fields of metadata that make them count only then.
    """

    title: str
    arguments: Mapping[str, Argument]
    origin: tuple[int, Any] | None = None
    condition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Among:
    """True of a value that is one of these, and of a list that holds one of them."""

    values: tuple[Any, ...]

    def __call__(self, value: Any) -> bool:
        """Whether it is, or holds, one of them."""
        return any(_same(item, wanted) for item in _items(value) for wanted in self.values)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def sources_of(carriers: Carrier | Sequence[Carrier]) -> list[Source]:
    """What one carrier or several declare.

    Raises:
        ParameterError: a declaration cannot be used.
    """
    return [
        Source(title_of(carrier), {argument.name: argument for argument in declared(carrier)})
        for carrier in _items(carriers)
    ]


@dataclass(frozen=True, slots=True)
class _Condition:
    """Which arguments come with which value of an argument."""

    argument: str
    given: Mapping[Any, list[Source]] | Callable[[Any], Any]

    def sources(self, value: Any) -> list[Source]:
        """What comes with a value."""
        if isinstance(self.given, Mapping):
            return next((found for key, found in self.given.items() if _same(key, value)), [])
        return _returned(self.given(value))

    def active(self, value: Any, item: Any) -> Any:
        """What ``parent_active`` is where the argument has the value, or holds the item."""
        is_function = callable(item) and not isinstance(item, type)
        return Among((item,)) if isinstance(value, (list, tuple)) or is_function else item


def _returned(found: Any) -> list[Source]:
    return [] if found is None else sources_of(found)


class Conditions:
    """All conditions of a command line.

    Args:
        modules: see :func:`legm.parse_args_and_metadata`.
        arguments: see there.

    Raises:
        ParameterError: they are no mappings, or a declaration in them cannot be used.
    """

    def __init__(
        self,
        modules: Mapping[str, Table],
        arguments: Mapping[str, Table] | Callable[[argparse.Namespace], Any],
    ) -> None:
        self._function = arguments if callable(arguments) else None
        self._conditions = _conditions("conditional_modules", modules)
        if not callable(arguments):
            self._conditions += _conditions("conditional_args", arguments)

    def declared(self) -> Iterable[Source]:
        """What can come by the tables; what functions return is not known before."""
        for condition in self._conditions:
            if isinstance(condition.given, Mapping):
                for sources in condition.given.values():
                    yield from sources

    def check(self, possible: Iterable[Source], commands: Mapping[str, Any], dest: str | None) -> None:
        """Refuse conditions on what is no argument, or not one of its choices.

        Args:
            possible: every argument that there may be, but for those that functions return.
            commands: the commands by name.
            dest: the name of the argument that holds the command.
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
                    f"a condition is about {name!r}, which is no argument; {closest(name, known)}"
                )
            sets = known.get(name, [None])
            if None in sets or not isinstance(condition.given, Mapping):
                continue
            choices = list(itertools.chain(*sets))
            for value in condition.given:
                if value not in choices:
                    raise ParameterError(
                        f"a condition is about {name}={value!r}, which is none of its choices; "
                        f"{closest(str(value), map(str, choices))}"
                    )

    def met(self, values: Mapping[str, Any], present: Sequence[Source]) -> list[Source]:
        """The arguments that come with these values and are not among those present."""
        origins = [source.origin for source in present if source.origin]
        found = []
        for number, condition in enumerate(self._conditions):
            value = values.get(condition.argument)
            for item in _items(value) if condition.argument in values else ():
                if any(number == at and _same(item, of) for at, of in origins):
                    continue
                origins.append((number, item))
                fields = {"parent": condition.argument, "parent_active": condition.active(value, item)}
                for source in condition.sources(item):
                    title = f"{source.title}, with {condition.argument} = {item!r}"
                    found.append(Source(title, source.arguments, (number, item), fields))
        if self._function is not None:
            of_it = {name for source in present if source.origin == (-1, None) for name in source.arguments}
            for source in _returned(self._function(argparse.Namespace(**values))):
                new = {name: a for name, a in source.arguments.items() if name not in of_it}
                if new:
                    found.append(replace(source, arguments=new, origin=(-1, None)))
        return found


def _conditions(call: str, tables: Mapping[str, Table]) -> list[_Condition]:
    if not isinstance(tables, Mapping):
        raise ParameterError(f"{call} must be a mapping {{argument: {{value: …}}}}, not {tables!r}")
    made = []
    for name, table in tables.items():
        if callable(table) and not isinstance(table, type):
            made.append(_Condition(name, table))
        elif isinstance(table, Mapping):
            made.append(_Condition(name, {value: sources_of(given) for value, given in table.items()}))
        else:
            raise ParameterError(
                f"{call}[{name!r}] must be a mapping {{value: …}} or a function, not {table!r}"
            )
    return made


def metadata_of_sources(sources: Iterable[Source]) -> dict[str, dict[str, Any]]:
    """The metadata of every argument by name; of one that is there twice, the first counts.

    Raises:
        ParameterError: a parent has splits, but not the argument's.
    """
    sources = list(sources)
    known = {name: a for source in reversed(sources) for name, a in source.arguments.items()}
    metadata: dict[str, dict[str, Any]] = {}
    for source in sources:
        for name, argument in source.arguments.items():
            if name not in metadata:
                fields = metadata_of(argument, known)
                metadata[name] = fields if "parent" in fields else {**fields, **source.condition}
    return metadata
