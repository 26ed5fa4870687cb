"""``argparse_args``: arguments with the metadata of their parameters, declared beside the code."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from legm.core.identity import check_name
from legm.core.parameters import FIELDS
from legm.errors import ParameterError, closest

__all__ = ["Argument", "Candidates", "Carrier", "add_arguments", "add_metadata"]

Carrier: TypeAlias = Any
"""What has ``argparse_args`` (a class, a module, an object), or these themselves: a mapping, or a function
that returns one."""

_KEYWORDS = (
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
_OURS = ("flags", "metadata", "searchable", "splits")
_UNUSABLE = re.compile(r"[\s=]|^-*$")


class Parser(Protocol):
    """A parser of argparse, or a group in one."""

    def add_argument(self, *name_or_flags: str, **kwargs: Any) -> Any:
        """Declare an argument."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of the command line, and the metadata of its parameter.

    Args:
        name: the parameter's, where the value is in the namespace.
        base: the name without the split; the same where there is none.
        split: the split, or "".
        flags: what stands on the command line; the first is made from the name unless that is a flag itself.
        keywords: argparse's.
        metadata: as it was declared; parents are named without splits.
        searchable: whether several values make a grid.
    """

    name: str
    base: str
    split: str
    flags: tuple[str, ...]
    keywords: Mapping[str, Any]
    metadata: Mapping[str, Any]
    searchable: bool


class Candidates(list[Any]):
    """The values of one parameter to search over, as they stood on the command line."""


class _Collect(argparse.Action):
    """Collects candidates over all occurrences of an argument.

    Args:
        whole: whether an occurrence is one candidate, a list; otherwise each of its values is one.
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
        setattr(namespace, self.dest, Candidates([*(before if isinstance(before, Candidates) else ()), *new]))


def add_arguments(
    parser: Parser,
    argparse_args: Carrier,
    exclude: str | Iterable[str] | None = None,
    replace_underscores: bool = False,
) -> None:
    """Add declared arguments to a parser.

    ``searchable`` makes no difference here: the grid is :func:`parse_args_and_metadata`'s.

    Args:
        parser: argparse's, or a group of arguments in it.
        argparse_args: ``{name: {keywords of add_argument, "flags": …, "splits": …, "searchable": …,
            "metadata": …}}``, a function that returns this, or a class or module with it as its
            ``argparse_args``.
        exclude: names to leave out; one without a split leaves out those of all splits.
        replace_underscores: makes ``--learning-rate`` of ``learning_rate``, in the namespace as before.

    Raises:
        ParameterError: a declaration cannot be used; names, fields and keywords are checked.
    """
    for argument in _without(declared(argparse_args), exclude):
        add_argument(parser, argument, replace_underscores=replace_underscores)


def add_metadata(
    destination: MutableMapping[str, dict[str, Any]],
    argparse_args: Carrier,
    exclude: str | Iterable[str] | None = None,
) -> None:
    """Add the metadata of declared arguments, as ``set_param_metadata`` takes it; all of it or none.

    Args:
        destination: gets an entry for each parameter that has metadata.
        argparse_args: see :func:`add_arguments`.
        exclude: see :func:`add_arguments`.

    Raises:
        ParameterError: a declaration cannot be used, a parameter without splits has a parent with splits, or
            the destination has other metadata of the same parameter.
    """
    arguments = declared(argparse_args)
    known = {argument.name: argument for argument in arguments}
    added = {}
    for argument in _without(arguments, exclude):
        fields = metadata_of(argument, known, destination)
        if destination.get(argument.name, fields) != fields:
            raise ParameterError(
                f"the metadata of {argument.name!r} is there already, and differs: "
                f"{destination[argument.name]!r} and {fields!r}; exclude={argument.name!r} leaves one out"
            )
        if fields:
            added[argument.name] = fields
    destination.update(added)


def _without(arguments: Iterable[Argument], exclude: str | Iterable[str] | None) -> list[Argument]:
    left_out = {exclude} if isinstance(exclude, str) else set(exclude or ())
    return [a for a in arguments if left_out.isdisjoint((a.name, a.base))]


def add_argument(
    parser: Parser,
    argument: Argument,
    *,
    replace_underscores: bool = False,
    grid: bool = False,
    optional: bool = False,
) -> None:
    """Add one argument to a parser.

    Args:
        parser: argparse's.
        argument: the argument.
        replace_underscores: see :func:`add_arguments`.
        grid: whether a searchable one takes several values, as :class:`Candidates`.
        optional: whether it may be left out although it is required.

    Raises:
        ParameterError: argparse does not take it.
    """
    keywords = dict(argument.keywords)
    if optional:
        keywords.pop("required", None)
    if grid and argument.searchable:
        nargs = keywords.get("nargs")
        keywords |= {"action": _Collect, "whole": nargs is not None, "nargs": "+" if nargs is None else nargs}
    first, *others = argument.flags
    if replace_underscores and first == f"--{argument.name}":
        first = first.replace("_", "-")
    try:
        parser.add_argument(first, *others, **keywords | {"dest": argument.name})
    except (argparse.ArgumentError, TypeError, ValueError) as error:
        raise ParameterError(f"argparse does not take the argument {argument.name!r}: {error}") from error


# Reading declarations


def title_of(carrier: Carrier) -> str:
    """What a carrier is called in messages."""
    name = getattr(carrier, "__qualname__", None) or getattr(carrier, "__name__", None)
    if isinstance(name, str):
        return name
    return "argparse_args" if isinstance(carrier, Mapping) else type(carrier).__qualname__


def declared(carrier: Carrier) -> list[Argument]:
    """The arguments that a carrier declares, one for each split.

    Raises:
        ParameterError: the carrier has none, or one of them cannot be used.
    """
    title = title_of(carrier)
    found = getattr(carrier, "argparse_args", carrier)
    if found is carrier and (
        isinstance(carrier, type) or not (isinstance(carrier, Mapping) or callable(carrier))
    ):
        raise ParameterError(
            f"{title} has no argparse_args: give it a dict from names to keywords, or a static method that "
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
        for argument in _arguments(key, declaration):
            if argument.name in arguments:
                raise ParameterError(f"{title} declares {argument.name!r} twice")
            arguments[argument.name] = argument
    return list(arguments.values())


def _arguments(key: str, declaration: Mapping[str, Any]) -> list[Argument]:
    check_name("parameter", key, ParameterError)
    if _UNUSABLE.search(key):
        raise ParameterError(f"{key!r} cannot stand on the command line: a name has no spaces and no '='")
    if not isinstance(declaration, Mapping):
        raise ParameterError(f"the argument {key!r} must be a dict of keywords, not {declaration!r}")
    keywords = {name: value for name, value in declaration.items() if name not in _OURS}
    _check_keywords(key, keywords)
    metadata = declaration.get("metadata") or {}
    _check_metadata(key, metadata)
    searchable = declaration.get("searchable", False)
    _check_searchable(key, searchable, keywords)
    flags = _flags(key, declaration.get("flags", ()))
    name = keywords.pop("dest", None) or key.lstrip("-").replace("-", "_")
    splits = declaration.get("splits")
    if splits is None:
        return [Argument(name, name, "", flags, keywords, metadata, searchable)]
    _check_splits(key, splits, declaration)
    return [
        Argument(f"{split}_{name}", name, split, (f"--{split}_{name}",), keywords, metadata, searchable)
        for split in splits
    ]


def _flags(key: str, more: str | Sequence[str]) -> tuple[str, ...]:
    more = (more,) if isinstance(more, str) else tuple(more)
    for flag in more:
        if not isinstance(flag, str) or not flag.startswith("-") or _UNUSABLE.search(flag):
            raise ParameterError(f"the flags of {key!r} must be like '-l' or '--lr', not {flag!r}")
    return (key if key.startswith("-") else f"--{key}", *more)


def _check_keywords(key: str, keywords: Mapping[str, Any]) -> None:
    known, action = {*_KEYWORDS}, keywords.get("action")
    if isinstance(action, type):
        own = inspect.signature(action).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
            return
        known |= set(own) - {"option_strings"}
    for name in keywords:
        if name not in known:
            raise ParameterError(
                f"the argument {key!r} has an unknown keyword {name!r}; "
                f"{closest(str(name), {*known, *_OURS})}"
            )


def _check_metadata(key: str, metadata: Mapping[str, Any]) -> None:
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


def _check_searchable(key: str, searchable: Any, keywords: Mapping[str, Any]) -> None:
    if not isinstance(searchable, bool):
        raise ParameterError(f"searchable of {key!r} must be True or False, not {searchable!r}")
    if not searchable:
        return
    action, nargs = keywords.get("action", "store"), keywords.get("nargs")
    if action != "store":
        raise ParameterError(
            f"{key!r} cannot be searchable with the action {action!r}, which stores no values"
        )
    if nargs is not None and nargs not in ("+", "*") and not isinstance(nargs, int):
        raise ParameterError(f"{key!r} cannot be searchable with nargs={nargs!r}; a number, '+' or '*' can")


def _check_splits(key: str, splits: Any, declaration: Mapping[str, Any]) -> None:
    if isinstance(splits, str) or not isinstance(splits, Sequence) or not splits:
        raise ParameterError(f"the splits of {key!r} must be a list of names, not {splits!r}")
    for split in splits:
        if not isinstance(split, str) or split.startswith("-") or _UNUSABLE.search(split):
            raise ParameterError(f"a split of {key!r} must be a name like 'train', not {split!r}")
    if len(set(splits)) < len(splits):
        raise ParameterError(f"the splits of {key!r} name one twice: {list(splits)}")
    if key.startswith("-") or "flags" in declaration or "dest" in declaration:
        raise ParameterError(
            f"{key!r} has splits, so its arguments are called --{splits[0]}_… and so on: it takes a name "
            f"without dashes, no flags and no dest"
        )


# Metadata


def metadata_of(
    argument: Argument, known: Mapping[str, Argument], others: Collection[str] = ()
) -> dict[str, Any]:
    """An argument's metadata, with the parents of the same split.

    Args:
        argument: the argument.
        known: all arguments by name.
        others: further parameters that may be parents.

    Raises:
        ParameterError: a parent has splits, but not the argument's.
    """
    fields = dict(argument.metadata)
    parents = fields.get("parent")
    if parents is None:
        return fields
    if isinstance(parents, str):
        fields["parent"] = _parent_of(argument, parents, known, others)
        return fields
    names = {parent: _parent_of(argument, parent, known, others) for parent in parents}
    fields["parent"] = list(names.values())
    if isinstance(fields.get("parent_active"), Mapping):
        fields["parent_active"] = {names.get(p, p): value for p, value in fields["parent_active"].items()}
    return fields


def _parent_of(
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
        f"give both the same splits, or name one of the parents, say '{splits[0]}_{parent}'"
    )
