"""A parser of command lines that are grids, as projects of the original legm have it from gridparse.

gridparse itself is used where it is installed. This is a parser for the same command lines on top of
argparse: several values of a searchable argument are searched, the first declared one changing fastest;
``--lists 1|2 3`` has two lists; ``_None_`` is None; ``args.other`` is the value of another argument; and
``{--a 1} {--b 2}`` are parts of the grid that are not combined.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from legm.errors import ParameterError

__all__ = ["GridParser", "make_grid_parser"]

_NONE = "_None_"
_REFERENCE = "args."


@dataclass(frozen=True, slots=True)
class _Searched:
    """The values of a searchable argument."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Reference:
    """The value of another argument."""

    name: str


def make_grid_parser() -> Any:
    """A parser whose ``parse_args`` returns a list of namespaces where an argument is searchable.

    Returns:
        gridparse's, where that is installed; else :class:`GridParser`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its source has escapes that Python warns of
            from gridparse import GridArgumentParser
    except ImportError:
        return GridParser()
    return GridArgumentParser()


class GridParser(argparse.ArgumentParser):
    """A parser of argparse whose arguments may be ``searchable``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.searched: dict[str, None] = {}
        """The names of the searchable arguments, in order."""
        self._commands: Any = None

    def add_argument(self, *names: str, searchable: bool = False, **keywords: Any) -> Any:
        """Declare an argument.

        Args:
            *names: as for argparse.
            searchable: whether it takes several values, each a point of the grid.
            **keywords: as for argparse.

        Returns:
            what argparse returns.
        """
        default, kind = keywords.get("default"), keywords.get("type")
        if kind is not None or searchable:
            keywords["type"] = _grid_converter(
                kind or str, is_list=searchable and keywords.get("nargs") is not None, is_searched=searchable
            )
        if isinstance(default, str) and default.startswith(_REFERENCE):
            keywords["default"] = _Reference(default.removeprefix(_REFERENCE).replace("-", "_"))
        if searchable:
            keywords["nargs"] = "+"
        action = super().add_argument(*names, **keywords)
        if searchable:
            self.searched[action.dest] = None
        return action

    def add_subparsers(self, **keywords: Any) -> Any:
        """Declare commands, whose parsers are of this class; see argparse.

        Args:
            **keywords: as for argparse.

        Returns:
            what argparse returns.
        """
        self._commands = super().add_subparsers(**keywords)
        return self._commands

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """The points of the grid of a command line.

        Args:
            args: its words; those of the process by default.
            namespace: not supported; None.

        Returns:
            a list of namespaces; one namespace where no argument is searchable.

        Raises:
            SystemExit: the command line is wrong, or asks for help.
            ParameterError: an argument stands for one that does not exist.
        """
        words = list(sys.argv[1:] if args is None else args)
        try:
            parts = list(_grid_subspaces(words))
        except ValueError as error:
            self.error(str(error))
        points: list[argparse.Namespace] = []
        searched: dict[str, None] = {}
        for part in parts:
            found = super().parse_args(part, namespace)
            searched = self._searched_of(found)
            points += _grid_points(vars(found), searched)
        return points if searched else points[0]

    def _searched_of(self, found: argparse.Namespace) -> dict[str, None]:
        """The searchable arguments of this parser and of the command that was given."""
        command = None if self._commands is None else getattr(found, self._commands.dest or "", None)
        chosen = None if command is None else self._commands.choices.get(command)
        return {**self.searched, **(chosen.searched if isinstance(chosen, GridParser) else {})}


def _grid_converter(kind: Callable[[str], Any], *, is_list: bool, is_searched: bool) -> Callable[[str], Any]:
    """What makes a value of a word of the command line.

    Args:
        kind: the argument's type.
        is_list: whether a word is a list, with ``|`` between its items.
        is_searched: whether ``_None_`` is None.
    """
    convert = _grid_truth if kind is bool else kind

    def converted(text: str) -> Any:
        if text.startswith(_REFERENCE):
            return _Reference(text.removeprefix(_REFERENCE).replace("-", "_"))
        if is_searched and text == _NONE:
            return None
        return [convert(item) for item in text.split("|")] if is_list else convert(text)

    converted.__name__ = getattr(kind, "__name__", str(kind))  # argparse names it where a word is wrong
    return converted


def _grid_truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _grid_subspaces(words: Sequence[str]) -> Iterator[list[str]]:
    """The command lines without braces that a command line stands for.

    Raises:
        ValueError: a brace is not closed, or was not opened.
    """
    if not any("{" in word or "}" in word for word in words):
        yield list(words)
        return
    tokens = _grid_tokens(words)
    yield from _combined_grid(_grid_group(iter(tokens), is_outer=True))


def _grid_tokens(words: Sequence[str]) -> list[str]:
    """The words, with braces at their ends as words of their own."""
    found: list[str] = []
    for word in words:
        start = len(word) - len(word.lstrip("{"))
        rest = word[start:]
        end = len(rest) - len(rest.rstrip("}"))
        found += ["{"] * start + ([rest[: len(rest) - end]] if len(rest) > end else []) + ["}"] * end
    return found


def _grid_group(tokens: Iterator[str], *, is_outer: bool) -> tuple[list[str], list[Any]]:
    """The words of a group, and the groups in it."""
    words: list[str] = []
    groups: list[Any] = []
    for word in tokens:
        if word == "{":
            groups.append(_grid_group(tokens, is_outer=False))
        elif word == "}":
            if is_outer:
                raise ValueError("a } has no { before it")
            return words, groups
        else:
            words.append(word)
    if not is_outer:
        raise ValueError("a { is not closed")
    return words, groups


def _combined_grid(group: tuple[list[str], list[Any]]) -> Iterator[list[str]]:
    words, groups = group
    if not groups:
        yield words
    for inner in groups:
        for more in _combined_grid(inner):
            yield [*words, *more]


def _grid_points(values: Mapping[str, Any], searched: Mapping[str, None]) -> Iterator[argparse.Namespace]:
    """The points of a grid; of its searchable arguments the first declared one changes fastest."""
    axes = {
        name: values[name] if isinstance(values[name], list) else [values[name]]
        for name in reversed([*searched])
    }
    for chosen in itertools.product(*axes.values()):
        point = {**values, **dict(zip(axes, chosen, strict=True))}
        yield argparse.Namespace(**{name: _resolved_grid_value(name, point) for name in point})


def _resolved_grid_value(name: str, point: Mapping[str, Any]) -> Any:
    """A value; for a reference, that of the other argument."""
    seen, value = {name}, point[name]
    while isinstance(value, _Reference):
        if value.name not in point:
            raise ParameterError(f"args.{value.name} stands for an argument, and there is none of that name")
        if value.name in seen:
            raise ParameterError(f"args.{value.name} stands for an argument whose value is that of itself")
        seen.add(value.name)
        value = point[value.name]
    return value
