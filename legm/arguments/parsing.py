"""From modules and a command line to a namespace, or a grid of them, and the metadata of the parameters."""

from __future__ import annotations

import argparse
import itertools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from legm.arguments.conditions import Among, Conditions, Source, Table, metadata_of_sources, sources_of
from legm.arguments.declarations import Argument, Candidates, Carrier, add_argument
from legm.errors import ParameterError

__all__ = ["parse_args_and_metadata"]

_MOST_PASSES = 100


def parse_args_and_metadata(
    modules: Carrier | Sequence[Carrier],
    args: Sequence[str] | None = None,
    subparsers: Mapping[str, Carrier | Sequence[Carrier]] | None = None,
    dest: str | None = None,
    conditional_modules: Mapping[str, Table] | None = None,
    conditional_args: Mapping[str, Table] | Callable[[argparse.Namespace], Any] | None = None,
) -> tuple[Any, dict[str, dict[str, Any]]]:
    """Read the command line for what modules declare, and get the metadata of all parameters with it.

    A parameter that comes by a condition has the condition's argument as its parent, active at that value,
    unless its own metadata say ``parent``. Arguments cannot be abbreviated.

    Args:
        modules: one or several: whatever :func:`add_arguments` takes.
        args: the command line; that of the process without it.
        subparsers: the modules of each command, such as ``train`` and ``test``; one of them has to be given.
        dest: under which name the command is stored; needed with subparsers.
        conditional_modules: ``{argument: {value: modules}}``; they count where the argument has the value
            (or, with ``nargs``, holds it), given or by default. They may bring arguments that further
            conditions are about.
        conditional_args: the same with ``argparse_args`` in place of modules; ``{value: …}`` may then be a
            function of the value, and all of it a function of the namespace so far, whose arguments get no
            parent.

    Returns:
        the namespace, or a list of them, the grid, where several values were given for arguments that are
        ``searchable``; and the metadata for ``set_param_metadata``. In a grid every namespace has the same
        names: what does not exist at a point is None there.

    Raises:
        ParameterError: what is declared cannot be used.
        SystemExit: the command line is wrong, or asks for help.
    """
    if isinstance(args, str):
        raise ParameterError(f"args must be a list of strings: {args!r}.split(), say")
    words = list(sys.argv[1:] if args is None else args)
    if not all(isinstance(word, str) for word in words):
        raise ParameterError(f"args must be a list of strings, as on the command line, not {words!r}")
    if (subparsers is None) != (dest is None) or not isinstance(subparsers or {}, Mapping):
        raise ParameterError(
            f"subparsers= must be a mapping {{command: modules}} and goes with dest=, the name for the "
            f"chosen one; they are {subparsers!r} and {dest!r}"
        )
    always = sources_of(modules)
    commands = {name: sources_of(given) for name, given in (subparsers or {}).items()}
    conditions = Conditions(conditional_modules or {}, conditional_args or {})
    possible = [*always, *itertools.chain(*commands.values()), *conditions.declared()]
    conditions.check(possible, commands, dest)
    points = _CommandLine(words, dest, commands, conditions).points(always)
    metadata = _merged(points)
    names = dict.fromkeys(name for point in points for name in point.values)
    known = {name for source in possible for name in source.arguments}
    absent = [name for name in _parents(metadata) if name not in names and name in known]
    namespaces = [argparse.Namespace(**dict.fromkeys([*names, *absent]) | point.values) for point in points]
    return (
        namespaces[0] if len(namespaces) == 1 else namespaces,
        {name: fields for name, fields in metadata.items() if fields and name in names},
    )


# The command line


class _Undecided(Exception):
    """The command line is wrong before it is known which arguments there are."""


class _Quiet(argparse.ArgumentParser):
    """For a first look at the command line; a last look reports what is wrong with it."""

    def error(self, message: str) -> NoReturn:
        raise _Undecided(message)


@dataclass(frozen=True, slots=True)
class _Point:
    """One point of the grid: the arguments that exist there, and the values of all of them."""

    sources: Sequence[Source]
    values: dict[str, Any]


@dataclass(slots=True)
class _CommandLine:
    """The words of a command line, and what they mean once it is known which arguments there are.

    Args:
        words: as the process got them.
        dest: the name for the command, where there are commands.
        commands: the arguments of each.
        conditions: which further arguments come with which values.
        seen: the arguments that exist at any point.
        read: the values that were read, by the arguments that were known.
    """

    words: Sequence[str]
    dest: str | None
    commands: Mapping[str, Sequence[Source]]
    conditions: Conditions
    seen: list[Source] = field(default_factory=list)
    read: list[_Point] = field(default_factory=list)

    def points(self, sources: Sequence[Source]) -> list[_Point]:
        """The points of the grid; a single one where nothing is searched over.

        Args:
            sources: what is there without conditions.

        Raises:
            SystemExit: the command line is wrong, or asks for help.
        """
        points: list[_Point] = []
        command, trouble = None, ""
        self.seen += sources
        try:
            if self.dest is not None:
                command = self._command(sources)
                self.seen += self.commands.get(command or "", ())
            fixed = {} if self.dest is None else {self.dest: command}
            points += self._points(tuple(self.seen), fixed)
        except _Undecided as error:
            trouble = str(error)
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for source in self.seen:
            if self.dest in source.arguments:
                raise ParameterError(
                    f"dest={self.dest!r} is also an argument of {source.title}: rename one of them"
                )
        if self.dest is not None:
            parser.add_argument(self.dest, choices=list(self.commands))
        _add(parser, self.seen, last=True)
        parsed = parser.parse_args(self.words)
        if self.dest is not None and getattr(parsed, self.dest) != command:
            parser.error(f"argument {self.dest}: give it before the options")
        if trouble:
            parser.error(trouble)
        return points

    def _command(self, sources: Sequence[Source]) -> str | None:
        """The command: a word that is neither known by itself nor right behind an unknown option."""
        _, left = self._parse(sources)
        found = [
            (before, word) for before, word in zip(["", *left], left, strict=False) if word in self.commands
        ]
        first = [word for before, word in found if not before.startswith("-")]
        return next(iter([*first, *(word for _, word in found)]), None)

    def _points(
        self, sources: Sequence[Source], fixed: Mapping[str, Any], passes: int = 0
    ) -> Iterator[_Point]:
        """The points below one where some arguments that are searched over have their values already."""
        if passes > _MOST_PASSES:
            raise ParameterError(
                f"conditional_args added arguments {_MOST_PASSES} times: its function must come to an end"
            )
        first = () if self.dest is None else (self.dest,)
        values = {**dict.fromkeys(first), **self._values(sources), **fixed}
        searched = {name: value for name, value in values.items() if isinstance(value, Candidates)}
        for chosen in itertools.product(*searched.values()):
            here = {**fixed, **dict(zip(searched, chosen, strict=True))}
            point = _Point(sources, values | here)
            more = self.conditions.met(point.values, sources)
            if more:
                self.seen += more
                yield from self._points((*sources, *more), here, passes + 1)
            else:
                yield point

    def _values(self, sources: Sequence[Source]) -> dict[str, Any]:
        for point in self.read:
            if point.sources == sources:
                return point.values
        values, _ = self._parse(sources)
        self.read.append(_Point(sources, values))
        return values

    def _parse(self, sources: Sequence[Source]) -> tuple[dict[str, Any], list[str]]:
        parser = _Quiet(add_help=False, allow_abbrev=False)
        _add(parser, sources, last=False)
        namespace, left = parser.parse_known_args(self.words)
        return vars(namespace), left


def _add(parser: argparse.ArgumentParser, sources: Iterable[Source], *, last: bool) -> None:
    """Add arguments to a parser.

    Args:
        parser: the parser.
        sources: the arguments; those that come by a condition are a group of their own in the help.
        last: whether this is the parser that reports what is wrong. It knows the arguments of all points;
            of those that differ it has the first.

    Raises:
        ParameterError: two have one name, and differ: in anything if they are there together, otherwise in
            how many values they take.
    """
    added: dict[str, tuple[Argument, str]] = {}
    for source in sources:
        new = {name: argument for name, argument in source.arguments.items() if name not in added}
        for name, argument in source.arguments.items():
            other, title = added.get(name, (argument, ""))
            if (_shape(other) != _shape(argument)) if last else (other != argument):
                raise ParameterError(
                    f"{title} and {source.title} both declare {name!r}, and not in the same way: "
                    f"rename one of them, or declare them alike"
                )
        group = parser.add_argument_group(source.title) if new and source.origin else parser
        for name, argument in new.items():
            add_argument(group, argument, grid=True, optional=not last)
            added[name] = (argument, source.title)


def _shape(argument: Argument) -> tuple[Any, ...]:
    """What decides which words of the command line an argument takes."""
    keywords = argument.keywords
    return (argument.flags, argument.searchable, keywords.get("nargs"), keywords.get("action"))


# The metadata


def _merged(points: Iterable[_Point]) -> dict[str, dict[str, Any]]:
    """The metadata of all parameters at all points.

    Raises:
        ParameterError: they differ between points in more than the value that brings the parameter.
    """
    seen: list[Sequence[Source]] = []
    merged: dict[str, dict[str, Any]] = {}
    for point in points:
        if point.sources in seen:
            continue
        seen.append(point.sources)
        for name, fields in metadata_of_sources(point.sources).items():
            merged[name] = _either(name, merged[name], fields) if name in merged else fields
    return merged


def _either(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata that hold at the points of either."""
    if _comparable(one) == _comparable(other):
        return dict(one)
    actives = [fields.get("parent_active") for fields in (one, other)]
    rest = [_comparable({**fields, "parent_active": None}) for fields in (one, other)]
    if rest[0] != rest[1] or "parent" not in one:
        raise ParameterError(
            f"the metadata of {name!r} differ between points of the grid: {dict(one)!r} and {dict(other)!r}; "
            f"make them equal, or give the two in two command lines"
        )
    values = [value for a in actives for value in (a.values if isinstance(a, Among) else (a,))]
    return {**one, "parent_active": Among(tuple(values))}


def _comparable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, where functions are equal that were made by the same code from the same values."""
    return {
        name: (value.__code__, value.__defaults__, [cell.cell_contents for cell in value.__closure__ or ()])
        if isinstance(value, types.FunctionType)
        else value
        for name, value in fields.items()
    }


def _parents(metadata: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for fields in metadata.values():
        parents = fields.get("parent") or []
        yield from [parents] if isinstance(parents, str) else parents
