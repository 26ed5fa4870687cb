"""Parses the command line into a namespace, or a grid of them, and the metadata of the parameters."""

from __future__ import annotations

import argparse
import itertools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from legm.arguments.conditions import (
    ArgumentConditions,
    ArgumentSource,
    OneOf,
    Table,
    condition_sources_from_carriers,
    metadata_from_condition_sources,
)
from legm.arguments.declarations import Argument, Carrier, SearchValues, add_argument
from legm.errors import ParameterError

__all__ = ["parse_args_and_metadata"]

_MAX_PASSES = 100


def parse_args_and_metadata(
    modules: Carrier | Sequence[Carrier],
    args: Sequence[str] | None = None,
    subparsers: Mapping[str, Carrier | Sequence[Carrier]] | None = None,
    dest: str | None = None,
    conditional_modules: Mapping[str, Table] | None = None,
    conditional_args: Mapping[str, Table] | Callable[[argparse.Namespace], Any] | None = None,
) -> tuple[Any, dict[str, dict[str, Any]]]:
    """Parse the command line for the arguments that modules declare.

    A parameter that a condition adds has the condition's argument as its parent, and is active for that
    value, unless its own metadata have a ``parent``. Arguments cannot be abbreviated.

    Args:
        modules: one or several of what :func:`add_arguments` accepts.
        args: the command line; by default that of the process.
        subparsers: the modules of each command, such as ``train`` and ``test``; one command must be given.
        dest: the name under which the command is stored; required with ``subparsers``.
        conditional_modules: ``{argument: {value: modules}}``; the modules are used if the argument has the
            value (or, with ``nargs``, contains it), whether given or by default. They may declare arguments
            that further conditions are about.
        conditional_args: the same with ``argparse_args`` instead of modules. ``{value: …}`` may also be a
            function of the value, and all of it a function of the namespace so far; arguments from the latter
            get no parent.

    Returns:
        the namespace, or a list of namespaces (the grid) if several values were given for ``searchable``
        arguments; and the metadata for ``set_param_metadata``. All namespaces of a grid have the same names;
        an argument that does not exist at a point is None there.

    Raises:
        ParameterError: a declaration is invalid.
        SystemExit: the command line is wrong, or asks for help.
    """
    if isinstance(args, str):
        raise ParameterError(f"args must be a list of strings, for example {args!r}.split()")
    words = list(sys.argv[1:] if args is None else args)
    if not all(isinstance(word, str) for word in words):
        raise ParameterError(f"args must be a list of strings, as on the command line, not {words!r}")
    if (subparsers is None) != (dest is None) or not isinstance(subparsers or {}, Mapping):
        raise ParameterError(
            f"subparsers= must be a mapping {{command: modules}} and requires dest=, the name of the chosen "
            f"command; they are {subparsers!r} and {dest!r}"
        )
    always = condition_sources_from_carriers(modules)
    commands = {name: condition_sources_from_carriers(given) for name, given in (subparsers or {}).items()}
    conditions = ArgumentConditions(conditional_modules or {}, conditional_args or {})
    possible = [*always, *itertools.chain(*commands.values()), *conditions.declared()]
    conditions.check(possible, commands, dest)
    points = _ParsedCommandLine(words, dest, commands, conditions).points(always)
    metadata = _merge_parsed_metadata(points)
    names = dict.fromkeys(name for point in points for name in point.values)
    known = {name for source in possible for name in source.arguments}
    absent = [name for name in _parents_in_parsed_metadata(metadata) if name not in names and name in known]
    namespaces = [argparse.Namespace(**dict.fromkeys([*names, *absent]) | point.values) for point in points]
    return (
        namespaces[0] if len(namespaces) == 1 else namespaces,
        {name: fields for name, fields in metadata.items() if fields and name in names},
    )


# The command line


class _ParseFailed(Exception):
    """The command line is wrong before all arguments are known."""


class _RaisingParser(argparse.ArgumentParser):
    """Parses the command line while not all arguments are known; the last parser reports what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise _ParseFailed(message)


@dataclass(frozen=True, slots=True)
class _GridPoint:
    """One point of the grid: the arguments that exist there, and their values."""

    sources: Sequence[ArgumentSource]
    values: dict[str, Any]


@dataclass(slots=True)
class _ParsedCommandLine:
    """A command line, whose arguments depend on the values of other arguments.

    Args:
        words: the words of the command line.
        dest: the name under which the command is stored; None without commands.
        commands: the arguments of each command.
        conditions: the arguments that are added for values of others.
        seen: the arguments that exist at any point.
        read: the values parsed so far, by the arguments that were known.
    """

    words: Sequence[str]
    dest: str | None
    commands: Mapping[str, Sequence[ArgumentSource]]
    conditions: ArgumentConditions
    seen: list[ArgumentSource] = field(default_factory=list)
    read: list[_GridPoint] = field(default_factory=list)

    def points(self, sources: Sequence[ArgumentSource]) -> list[_GridPoint]:
        """The points of the grid; a single one without a search.

        Args:
            sources: the unconditional arguments.

        Raises:
            SystemExit: the command line is wrong, or asks for help.
        """
        points: list[_GridPoint] = []
        command, trouble = None, ""
        self.seen += sources
        try:
            if self.dest is not None:
                command = self._command(sources)
                self.seen += self.commands.get(command or "", ())
            fixed = {} if self.dest is None else {self.dest: command}
            points += self._points(tuple(self.seen), fixed)
        except _ParseFailed as error:
            trouble = str(error)
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for source in self.seen:
            if self.dest in source.arguments:
                raise ParameterError(
                    f"dest={self.dest!r} is also an argument of {source.title}: rename one of them"
                )
        if self.dest is not None:
            parser.add_argument(self.dest, choices=list(self.commands))
        _add_arguments_to_parser(parser, self.seen, last=True)
        parsed = parser.parse_args(self.words)
        if self.dest is not None and getattr(parsed, self.dest) != command:
            parser.error(f"argument {self.dest}: it must come before the options")
        if trouble:
            parser.error(trouble)
        return points

    def _command(self, sources: Sequence[ArgumentSource]) -> str | None:
        """The command: a word that is not parsed otherwise and does not follow an unknown option."""
        _, left = self._parse(sources)
        found = [
            (before, word) for before, word in zip(["", *left], left, strict=False) if word in self.commands
        ]
        first = [word for before, word in found if not before.startswith("-")]
        return next(iter([*first, *(word for _, word in found)]), None)

    def _points(
        self, sources: Sequence[ArgumentSource], fixed: Mapping[str, Any], passes: int = 0
    ) -> Iterator[_GridPoint]:
        """The points of the grid where some searched arguments already have fixed values."""
        if passes > _MAX_PASSES:
            raise ParameterError(
                f"conditional_args added arguments {_MAX_PASSES} times: its function must stop adding new "
                f"ones"
            )
        first = () if self.dest is None else (self.dest,)
        values = {**dict.fromkeys(first), **self._values(sources), **fixed}
        searched = {name: value for name, value in values.items() if isinstance(value, SearchValues)}
        for chosen in itertools.product(*searched.values()):
            here = {**fixed, **dict(zip(searched, chosen, strict=True))}
            point = _GridPoint(sources, values | here)
            more = self.conditions.additional_sources(point.values, sources)
            if more:
                self.seen += more
                yield from self._points((*sources, *more), here, passes + 1)
            else:
                yield point

    def _values(self, sources: Sequence[ArgumentSource]) -> dict[str, Any]:
        for point in self.read:
            if point.sources == sources:
                return point.values
        values, _ = self._parse(sources)
        self.read.append(_GridPoint(sources, values))
        return values

    def _parse(self, sources: Sequence[ArgumentSource]) -> tuple[dict[str, Any], list[str]]:
        parser = _RaisingParser(add_help=False, allow_abbrev=False)
        _add_arguments_to_parser(parser, sources, last=False)
        namespace, left = parser.parse_known_args(self.words)
        return vars(namespace), left


def _add_arguments_to_parser(
    parser: argparse.ArgumentParser, sources: Iterable[ArgumentSource], *, last: bool
) -> None:
    """Add arguments to a parser.

    Args:
        parser: the parser.
        sources: the arguments; conditional ones get their own group in the help.
        last: whether this is the parser that reports errors. It has the arguments of all points; of those
            that differ between points, the first.

    Raises:
        ParameterError: two arguments have the same name but differ: in anything if they exist together,
            otherwise in how many values they take.
    """
    added: dict[str, tuple[Argument, str]] = {}
    for source in sources:
        new = {name: argument for name, argument in source.arguments.items() if name not in added}
        for name, argument in source.arguments.items():
            other, title = added.get(name, (argument, ""))
            if (
                (_parsed_argument_shape(other) != _parsed_argument_shape(argument))
                if last
                else (other != argument)
            ):
                raise ParameterError(
                    f"{title} and {source.title} both declare {name!r}, but differently: rename one of them, "
                    f"or declare both in the same way"
                )
        group = parser.add_argument_group(source.title) if new and source.origin else parser
        for name, argument in new.items():
            add_argument(group, argument, grid=True, optional=not last)
            added[name] = (argument, source.title)


def _parsed_argument_shape(argument: Argument) -> tuple[Any, ...]:
    """What determines which words of the command line belong to an argument."""
    keywords = argument.keywords
    return (argument.flags, argument.searchable, keywords.get("nargs"), keywords.get("action"))


# The metadata


def _merge_parsed_metadata(points: Iterable[_GridPoint]) -> dict[str, dict[str, Any]]:
    """The metadata of all parameters at all points.

    Raises:
        ParameterError: they differ between points in more than the value that adds the parameter.
    """
    seen: list[Sequence[ArgumentSource]] = []
    merged: dict[str, dict[str, Any]] = {}
    for point in points:
        if point.sources in seen:
            continue
        seen.append(point.sources)
        for name, fields in metadata_from_condition_sources(point.sources).items():
            merged[name] = _merge_parsed_points(name, merged[name], fields) if name in merged else fields
    return merged


def _merge_parsed_points(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata that are valid at the points of both."""
    if _comparable_parsed_metadata(one) == _comparable_parsed_metadata(other):
        return dict(one)
    actives = [fields.get("parent_active") for fields in (one, other)]
    rest = [_comparable_parsed_metadata({**fields, "parent_active": None}) for fields in (one, other)]
    if rest[0] != rest[1] or "parent" not in one:
        raise ParameterError(
            f"the metadata of {name!r} differ between points of the grid: {dict(one)!r} and {dict(other)!r}; "
            f"make them equal, or run two command lines"
        )
    values = [value for a in actives for value in (a.values if isinstance(a, OneOf) else (a,))]
    return {**one, "parent_active": OneOf(tuple(values))}


def _comparable_parsed_metadata(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in a form where functions with the same code and the same captured values are equal."""
    return {
        name: (value.__code__, value.__defaults__, [cell.cell_contents for cell in value.__closure__ or ()])
        if isinstance(value, types.FunctionType)
        else value
        for name, value in fields.items()
    }


def _parents_in_parsed_metadata(metadata: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for fields in metadata.values():
        parents = fields.get("parent") or []
        yield from [parents] if isinstance(parents, str) else parents
