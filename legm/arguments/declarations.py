"""``argparse_args``: arguments with the metadata of their parameters, declared next to the code."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from legm.core.naming import check_name
from legm.core.parameters import FIELDS
from legm.errors import ParameterError, closest

__all__ = ["Argument", "Carrier", "SearchValues", "add_arguments", "add_metadata"]

Carrier: TypeAlias = Any
"""A class, module or object with ``argparse_args``, or these themselves: a mapping, or a function that
returns one."""

_ARGPARSE_KEYWORDS = (
    "action",
    "choices",
    "const",
    "default",
    "deprecated",
    "dest",
    "help",
    "metavar",
    "nargs",
    "required",
    "type",
    "version",
)
_LEGM_KEYWORDS = ("flags", "metadata", "searchable", "splits")
_INVALID_NAME = re.compile(r"[\s=]|^-*$")


class DeclarationParser(Protocol):
    """A parser of argparse, or a group in one."""

    def add_argument(self, *name_or_flags: str, **kwargs: Any) -> Any:
        """Declare an argument."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of the command line, and the metadata of its parameter.

    Args:
        name: the parameter's name, which is also the name in the namespace.
        base: the name without the split; the same as ``name`` without a split.
        split: the split, or "".
        flags: the flags on the command line; the first is made from the name unless that is a flag itself.
        keywords: the keywords of ``add_argument``.
        metadata: as declared; parents are named without splits.
        searchable: whether several values make a grid.
    """

    name: str
    base: str
    split: str
    flags: tuple[str, ...]
    keywords: Mapping[str, Any]
    metadata: Mapping[str, Any]
    searchable: bool


class SearchValues(list[Any]):
    """The values of one parameter to search over, in the order of the command line."""


class _CollectSearchValues(argparse.Action):
    """Collects the search values of all occurrences of an argument.

    Args:
        whole: whether each occurrence is one value, a list; otherwise each of its values is one.
    """

    def __init__(self, whole: bool, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._whole = whole

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        before = getattr(namespace, self.dest, None)
        new = [values] if self._whole else values
        setattr(
            namespace, self.dest, SearchValues([*(before if isinstance(before, SearchValues) else ()), *new])
        )


def add_arguments(
    parser: DeclarationParser,
    argparse_args: Carrier,
    exclude: str | Iterable[str] | None = None,
    replace_underscores: bool = False,
) -> None:
    """Add declared arguments to a parser.

    ``searchable`` is ignored here: only :func:`parse_args_and_metadata` makes grids.

    Args:
        parser: a parser of argparse, or a group of arguments in it.
        argparse_args: ``{name: {keywords of add_argument, "flags": …, "splits": …, "searchable": …,
            "metadata": …}}``, a function that returns this, or a class or module with it as its
            ``argparse_args``.
        exclude: names to leave out; a name without a split leaves out all its splits.
        replace_underscores: whether ``learning_rate`` becomes ``--learning-rate``; the name in the namespace
            stays.

    Raises:
        ParameterError: a name, field or keyword of a declaration is invalid.
    """
    for argument in _exclude_arguments(declared_arguments(argparse_args), exclude):
        add_argument(parser, argument, replace_underscores=replace_underscores)


def add_metadata(
    destination: MutableMapping[str, dict[str, Any]],
    argparse_args: Carrier,
    exclude: str | Iterable[str] | None = None,
) -> None:
    """Add the metadata of declared arguments to a mapping for ``set_param_metadata``, all of it or none.

    Args:
        destination: the mapping; it gets an entry for each parameter that has metadata.
        argparse_args: see :func:`add_arguments`.
        exclude: see :func:`add_arguments`.

    Raises:
        ParameterError: a declaration is invalid, a parameter without splits has a parent with splits, or the
            destination has different metadata for the same parameter.
    """
    arguments = declared_arguments(argparse_args)
    known = {argument.name: argument for argument in arguments}
    added = {}
    for argument in _exclude_arguments(arguments, exclude):
        fields = argument_metadata(argument, known, destination)
        if destination.get(argument.name, fields) != fields:
            raise ParameterError(
                f"there are already other metadata of {argument.name!r}: {destination[argument.name]!r}, not "
                f"{fields!r}; exclude={argument.name!r} leaves these out"
            )
        if fields:
            added[argument.name] = fields
    destination.update(added)


def _exclude_arguments(arguments: Iterable[Argument], exclude: str | Iterable[str] | None) -> list[Argument]:
    left_out = {exclude} if isinstance(exclude, str) else set(exclude or ())
    return [a for a in arguments if left_out.isdisjoint((a.name, a.base))]


def add_argument(
    parser: DeclarationParser,
    argument: Argument,
    *,
    replace_underscores: bool = False,
    grid: bool = False,
    optional: bool = False,
) -> None:
    """Add one argument to a parser.

    Args:
        parser: a parser of argparse.
        argument: the argument.
        replace_underscores: see :func:`add_arguments`.
        grid: whether a searchable argument takes several values, as :class:`SearchValues`.
        optional: whether a required argument may be omitted.

    Raises:
        ParameterError: argparse refuses it.
    """
    keywords = dict(argument.keywords)
    if optional:
        keywords.pop("required", None)
    if grid and argument.searchable:
        nargs = keywords.get("nargs")
        keywords |= {
            "action": _CollectSearchValues,
            "whole": nargs is not None,
            "nargs": "+" if nargs is None else nargs,
        }
    first, *others = argument.flags
    if replace_underscores and first == f"--{argument.name}":
        first = first.replace("_", "-")
    try:
        parser.add_argument(first, *others, **keywords | {"dest": argument.name})
    except (argparse.ArgumentError, TypeError, ValueError) as error:
        raise ParameterError(f"argparse refuses the argument {argument.name!r}: {error}") from error


# Reading declarations


def declaration_carrier_title(carrier: Carrier) -> str:
    """The name of a carrier in messages."""
    name = getattr(carrier, "__qualname__", None) or getattr(carrier, "__name__", None)
    if isinstance(name, str):
        return name
    return "argparse_args" if isinstance(carrier, Mapping) else type(carrier).__qualname__


def declared_arguments(carrier: Carrier) -> list[Argument]:
    """The arguments that a carrier declares, one for each split.

    Raises:
        ParameterError: the carrier has no ``argparse_args``, or a declaration is invalid.
    """
    title = declaration_carrier_title(carrier)
    found = getattr(carrier, "argparse_args", carrier)
    if found is carrier and (
        isinstance(carrier, type) or not (isinstance(carrier, Mapping) or callable(carrier))
    ):
        raise ParameterError(
            f"{title} has no argparse_args: add a dict from names to keywords, or a static method that "
            f"returns one"
        )
    if callable(found):
        try:
            inspect.signature(found).bind()
        except TypeError as error:
            raise ParameterError(
                f"argparse_args of {title} must be callable without arguments: {error}"
            ) from error
        found = found()
    if not isinstance(found, Mapping):
        raise ParameterError(f"argparse_args of {title} must be a dict from names to keywords, not {found!r}")
    arguments: dict[str, Argument] = {}
    for key, declaration in found.items():
        for argument in _parse_declaration(key, declaration):
            if argument.name in arguments:
                raise ParameterError(f"{title} declares {argument.name!r} twice")
            arguments[argument.name] = argument
    return list(arguments.values())


def _parse_declaration(key: str, declaration: Mapping[str, Any]) -> list[Argument]:
    check_name("parameter", key, ParameterError)
    if _INVALID_NAME.search(key):
        raise ParameterError(f"{key!r} cannot be used on the command line: a name has no spaces and no '='")
    if not isinstance(declaration, Mapping):
        raise ParameterError(f"the argument {key!r} must be a dict of keywords, not {declaration!r}")
    keywords = {name: value for name, value in declaration.items() if name not in _LEGM_KEYWORDS}
    _check_argument_keywords(key, keywords)
    metadata = declaration.get("metadata") or {}
    _check_argument_metadata(key, metadata)
    searchable = declaration.get("searchable", False)
    _check_searchable_argument(key, searchable, keywords)
    flags = _argument_flags(key, declaration.get("flags", ()))
    name = keywords.pop("dest", None) or key.lstrip("-").replace("-", "_")
    splits = declaration.get("splits")
    if splits is None:
        return [Argument(name, name, "", flags, keywords, metadata, searchable)]
    _check_argument_splits(key, splits, declaration)
    return [
        Argument(f"{split}_{name}", name, split, (f"--{split}_{name}",), keywords, metadata, searchable)
        for split in splits
    ]


def _argument_flags(key: str, more: str | Sequence[str]) -> tuple[str, ...]:
    more = (more,) if isinstance(more, str) else tuple(more)
    for flag in more:
        if not isinstance(flag, str) or not flag.startswith("-") or _INVALID_NAME.search(flag):
            raise ParameterError(f"the flags of {key!r} must be like '-l' or '--lr', not {flag!r}")
    return (key if key.startswith("-") else f"--{key}", *more)


def _check_argument_keywords(key: str, keywords: Mapping[str, Any]) -> None:
    known, action = {*_ARGPARSE_KEYWORDS}, keywords.get("action")
    if isinstance(action, type):
        own = inspect.signature(action).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
            return
        known |= set(own) - {"option_strings"}
    for name in keywords:
        if name not in known:
            raise ParameterError(
                f"the argument {key!r} has an unknown keyword {name!r}; "
                f"{closest(str(name), {*known, *_LEGM_KEYWORDS})}"
            )


def _check_argument_metadata(key: str, metadata: Mapping[str, Any]) -> None:
    if not isinstance(metadata, Mapping):
        raise ParameterError(f"the metadata of {key!r} must map fields to values, not be {metadata!r}")
    for field in metadata:
        if field not in FIELDS:
            raise ParameterError(
                f"the metadata of {key!r} has an unknown field {field!r}; {closest(str(field), FIELDS)}"
            )
    parents = metadata.get("parent")
    names = [parents] if isinstance(parents, str) else parents or []
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ParameterError(f"the parent of {key!r} must be a name or a list of names, not {parents!r}")


def _check_searchable_argument(key: str, searchable: Any, keywords: Mapping[str, Any]) -> None:
    if not isinstance(searchable, bool):
        raise ParameterError(f"searchable of {key!r} must be True or False, not {searchable!r}")
    if not searchable:
        return
    action, nargs = keywords.get("action", "store"), keywords.get("nargs")
    if action != "store":
        raise ParameterError(
            f"{key!r} cannot be searchable with the action {action!r}, which does not store values"
        )
    if nargs is not None and nargs not in ("+", "*") and not isinstance(nargs, int):
        raise ParameterError(f"{key!r} cannot be searchable with nargs={nargs!r}; use a number, '+' or '*'")


def _check_argument_splits(key: str, splits: Any, declaration: Mapping[str, Any]) -> None:
    if isinstance(splits, str) or not isinstance(splits, Sequence) or not splits:
        raise ParameterError(f"the splits of {key!r} must be a list of names, not {splits!r}")
    for split in splits:
        if not isinstance(split, str) or split.startswith("-") or _INVALID_NAME.search(split):
            raise ParameterError(f"a split of {key!r} must be a name like 'train', not {split!r}")
    if len(set(splits)) < len(splits):
        raise ParameterError(f"the splits of {key!r} contain a duplicate: {list(splits)}")
    if key.startswith("-") or "flags" in declaration or "dest" in declaration:
        raise ParameterError(
            f"{key!r} has splits, so its arguments are called --{splits[0]}_… and so on: use a name without "
            f"dashes, and neither flags nor dest"
        )


# Metadata


def argument_metadata(
    argument: Argument, known: Mapping[str, Argument], others: Collection[str] = ()
) -> dict[str, Any]:
    """An argument's metadata, with parents of the same split.

    Args:
        argument: the argument.
        known: all arguments by name.
        others: further parameters that may be parents.

    Raises:
        ParameterError: a parent has splits, but not the split of the argument.
    """
    fields = dict(argument.metadata)
    parents = fields.get("parent")
    if parents is None:
        return fields
    if isinstance(parents, str):
        fields["parent"] = _resolve_argument_parent(argument, parents, known, others)
        return fields
    names = {parent: _resolve_argument_parent(argument, parent, known, others) for parent in parents}
    fields["parent"] = list(names.values())
    if isinstance(fields.get("parent_active"), Mapping):
        fields["parent_active"] = {names.get(p, p): value for p, value in fields["parent_active"].items()}
    return fields


def _resolve_argument_parent(
    argument: Argument, parent: str, known: Mapping[str, Argument], others: Collection[str]
) -> str:
    if parent in known or parent in others:
        return parent
    same_split = f"{argument.split}_{parent}"
    if argument.split and (same_split in known or same_split in others):
        return same_split
    splits = [other.split for other in known.values() if other.split and other.base == parent]
    if not splits:
        return parent
    child, ours = argument.base, f"also {argument.split!r}" if argument.split else "none"
    raise ParameterError(
        f"the parent {parent!r} of {child!r} has the splits {splits}, but {child!r} has {ours}: "
        f"give both the same splits, or name one of the parents, such as '{splits[0]}_{parent}'"
    )
