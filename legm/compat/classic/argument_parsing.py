"""The original legm's helpers for the command line: ``legm.argparse_utils`` of its projects."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from legm.arguments.declarations import argument_metadata, declared_arguments
from legm.compat.classic.grid_parser import make_grid_parser
from legm.core.parameters import FIELDS
from legm.errors import ParameterError

__all__ = ["add_arguments", "add_metadata", "parse_args_and_metadata", "splitify_namespace"]


def add_arguments(
    parser: Any,
    argparse_args: Any,
    exclude: str | Iterable[str] | None = None,
    replace_underscores: bool = False,
) -> None:
    """Add declared arguments to a parser of argparse or gridparse.

    Args:
        parser: the parser; ``searchable`` is used by one for grids, and otherwise left out.
        argparse_args: ``{name: {keywords}}``, a function that returns this, or a class that has it.
        exclude: names to leave out.
        replace_underscores: whether ``max_len`` becomes ``--max-len``.

    Raises:
        ParameterError: a declaration is wrong, or is there with other keywords.
    """
    is_grid = (
        not isinstance(parser, argparse.ArgumentParser)
        or hasattr(parser, "searched")
        or _is_classic_gridparse(parser)
    )
    for argument in _arguments(argparse_args, exclude):
        first, *others = argument.flags
        flag = first.replace("_", "-") if replace_underscores and first.startswith("--") else first
        keywords = {**argument.keywords, "dest": argument.name}
        if is_grid and argument.searchable:
            keywords["searchable"] = True
        try:
            parser.add_argument(flag, *others, **keywords)
        except (argparse.ArgumentError, TypeError, ValueError) as error:
            raise ParameterError(f"the argument {argument.name!r} is refused: {error}") from error


def _is_classic_gridparse(parser: Any) -> bool:
    return any(cls.__module__.partition(".")[0] == "gridparse" for cls in type(parser).__mro__)


def add_metadata(
    metadata: MutableMapping[str, dict[str, Any]],
    argparse_args: Any,
    exclude: str | Iterable[str] | None = None,
) -> None:
    """Add the metadata of declared arguments to a mapping for ``set_param_metadata``.

    Args:
        metadata: the mapping, which is changed.
        argparse_args: see :func:`add_arguments`.
        exclude: see :func:`add_arguments`.

    Raises:
        ParameterError: a declaration is wrong, or a parent has splits that its child does not have.
    """
    arguments = _arguments(argparse_args, exclude)
    known = {argument.name: argument for argument in arguments}
    for argument in arguments:
        fields = argument_metadata(argument, known, metadata)
        if fields:
            metadata[argument.name] = fields


def _arguments(carrier: Any, exclude: str | Iterable[str] | None) -> list[Any]:
    """The declared arguments; of their metadata the fields that legm knows."""
    found = getattr(carrier, "argparse_args", carrier)
    declarations = found() if callable(found) else found
    if not isinstance(declarations, Mapping):
        raise ParameterError(f"argparse_args must be a dict from names to keywords, not {declarations!r}")
    left_out = {exclude} if isinstance(exclude, str) else set(exclude or ())
    known = {name: _classic_argument_fields(declaration) for name, declaration in declarations.items()}
    return [one for one in declared_arguments(known) if left_out.isdisjoint((one.name, one.base))]


def _classic_argument_fields(declaration: Mapping[str, Any]) -> dict[str, Any]:
    fields = declaration.get("metadata") or {}
    return {**declaration, "metadata": {name: value for name, value in fields.items() if name in FIELDS}}


def parse_args_and_metadata(
    modules: Sequence[Any] | Any,
    args: Any = None,
    subparsers: Iterable[str] | None = None,
    dest: str | None = None,
    conditional_modules: Mapping[str, Any] | None = None,
    conditional_args: Mapping[str, Any] | None = None,
) -> tuple[list[argparse.Namespace], dict[str, Any]]:
    """Parse the command line of the process for what modules declare, as a grid.

    Args:
        modules: what declares arguments of every command.
        args: further declarations of every command.
        subparsers: the names of the commands; None for a command line without any.
        dest: the name under which the command is stored.
        conditional_modules: by command, one module or several whose arguments it has too.
        conditional_args: by command, further declarations.

    Returns:
        the points of the grid; and the metadata, by command where there are any.

    Raises:
        ParameterError: a declaration is wrong, or a command is not one of ``subparsers``.
        SystemExit: the command line is wrong, or asks for help.
    """
    parser = make_grid_parser()
    always = [*_several_argument_carriers(modules), *([] if args is None else [args])]
    metadata: dict[str, Any] = {}
    if subparsers is None:
        if conditional_modules or conditional_args:
            raise ParameterError(
                "conditional_modules and conditional_args are by command: subparsers= is missing"
            )
        _declare_classic_arguments(parser, always, metadata)
    else:
        names = list(subparsers)
        _require_argument_commands(names, conditional_modules, conditional_args)
        commands = parser.add_subparsers(dest=dest or "command", required=True)
        for name in names:
            more = [
                *_several_argument_carriers((conditional_modules or {}).get(name)),
                *_several_argument_carriers((conditional_args or {}).get(name)),
            ]
            _declare_classic_arguments(
                commands.add_parser(name), [*always, *more], metadata.setdefault(name, {})
            )
    found = parser.parse_args()
    return found if isinstance(found, list) else [found], metadata


def _several_argument_carriers(carriers: Any) -> list[Any]:
    if carriers is None:
        return []
    return list(carriers) if isinstance(carriers, (list, tuple)) else [carriers]


def _require_argument_commands(names: Sequence[str], *conditional: Mapping[str, Any] | None) -> None:
    unknown = sorted({name for one in conditional for name in one or {}} - {*names})
    if unknown:
        raise ParameterError(f"{unknown[0]!r} is not one of the commands {', '.join(names)}")


def _declare_classic_arguments(
    parser: Any, carriers: Iterable[Any], metadata: dict[str, dict[str, Any]]
) -> None:
    """Declare the arguments of all carriers; what was declared in the same way before is passed over."""
    known: dict[str, Any] = {}
    for carrier in carriers:
        arguments = _arguments(carrier, None)
        for argument in arguments:
            if known.setdefault(argument.name, argument) != argument:
                raise ParameterError(
                    f"{argument.name!r} is declared twice, and differently: rename one of them"
                )
        repeated = [one.name for one in arguments if known[one.name] is not one]
        add_arguments(parser, carrier, repeated, replace_underscores=True)
        add_metadata(metadata, carrier, repeated)


def splitify_namespace(namespace: Any, split: str) -> Any:
    """The namespace for one split: ``train_path`` becomes ``path``; parameters of other splits stay.

    Args:
        namespace: a namespace, or a list of them.
        split: the split, such as "train".

    Returns:
        a new namespace with further names, or a list of them.
    """
    if isinstance(namespace, (list, tuple)):
        return [splitify_namespace(one, split) for one in namespace]
    result = copy.copy(namespace)
    prefix = f"{split}_"
    for name in [name for name in vars(namespace) if name.startswith(prefix) and name != prefix]:
        setattr(result, name.removeprefix(prefix), getattr(namespace, name))
        delattr(result, name)
    return result
