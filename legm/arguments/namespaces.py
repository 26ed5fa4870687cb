"""The values of a namespace as the arguments of functions, and for one split."""

from __future__ import annotations

import argparse
import copy
import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from legm.core.config_objects import parameters_from_config
from legm.errors import ParameterError, closest

__all__ = ["from_namespace", "splitify_namespace"]

R = TypeVar("R")
N = TypeVar("N")

_NAMESPACE_KEYWORD = "init__namespace"
_USUAL_SPLITS = ("train", "dev", "val", "valid", "validation", "eval", "test")


def from_namespace(function: Callable[..., R]) -> Callable[..., R]:
    """Decorate a function so that it takes missing arguments from a namespace.

    The function then also accepts ``init__namespace=``: a namespace, mapping or configuration object, or a
    list of them, where later ones take precedence. A parameter that is not passed gets its value from there,
    or else its default. The ``**kwargs`` of a method get the parameters of the same method of its base
    classes, in the order of ``super()``, as long as each of these has ``**kwargs`` itself.

    Args:
        function: a function, coroutine function, method, class method or static method.

    Returns:
        the decorated function, with the same signature and docstring.

    Raises:
        ParameterError: it cannot be decorated; or, when it is called, a parameter has no value.
    """
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(from_namespace(function.__func__))
    if isinstance(function, type) or not callable(function):
        raise ParameterError(
            f"from_namespace decorates functions and methods, such as __init__, not {function!r}"
        )
    signature = inspect.signature(function)
    if _NAMESPACE_KEYWORD in signature.parameters:
        raise ParameterError(
            f"{_namespace_call_name(function)} must not have a parameter {_NAMESPACE_KEYWORD!r}: "
            "from_namespace adds it"
        )

    def call(*args: Any, **keywords: Any) -> Any:
        given = keywords.pop(_NAMESPACE_KEYWORD, None)
        if given is None:
            return function(*args, **keywords)
        values = _namespace_values(given)
        bound = signature.bind_partial(*args, **keywords)
        _fill_from_namespace(bound, values, _namespace_call_name(function))
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD and args:
                for above in _inherited_namespace_parameters(function, args[0]):
                    if above in values and above not in signature.parameters:
                        bound.arguments[name].setdefault(above, values[above])
        return function(*bound.args, **bound.kwargs)

    if not inspect.iscoroutinefunction(function):
        return functools.wraps(function)(call)

    @functools.wraps(function)
    async def call_from_namespace(*args: Any, **keywords: Any) -> Any:
        return await call(*args, **keywords)

    return call_from_namespace  # type: ignore[return-value]


def _namespace_call_name(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__qualname__', repr(function))}()"


def _namespace_values(given: Any) -> dict[str, Any]:
    several = isinstance(given, (list, tuple)) and not hasattr(given, "_fields")
    values: dict[str, Any] = {}
    for namespace in given if several else [given]:
        values |= parameters_from_config(f"{_NAMESPACE_KEYWORD}=", namespace)
    return values


def _fill_from_namespace(bound: inspect.BoundArguments, values: Mapping[str, Any], function: str) -> None:
    """Give every parameter a value: the one passed, or the namespace's, or its default.

    Raises:
        ParameterError: some have none; the message names all of them.
    """
    missing = []
    for name, parameter in bound.signature.parameters.items():
        if name in bound.arguments or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in values:
            bound.arguments[name] = values[name]
        elif parameter.default is parameter.empty:
            missing.append(name)
    if missing:
        hints = "; ".join(f"{name!r}: {closest(name, values)}" for name in missing)
        raise ParameterError(
            f"{function} is missing {', '.join(missing)}: not passed, and not in the namespace ({hints})"
        )
    bound.apply_defaults()


def _inherited_namespace_parameters(function: Callable[..., Any], owner: Any) -> Iterator[str]:
    """The parameters of the same method of the base classes, as far as ``**kwargs`` are passed on.

    Args:
        function: the method, of one of the owner's classes; another function inherits nothing.
        owner: the object or, for a class method, the class that the method is called on.
    """
    name = function.__name__
    for kind in (owner if isinstance(owner, type) else type(owner), type(owner)):
        above = iter(kind.__mro__)
        if any(
            _undecorated_namespace_function(cls.__dict__.get(name)) is inspect.unwrap(function)
            for cls in above
        ):
            break
    for cls in above:
        method = cls.__dict__.get(name)
        if method is None:
            continue
        if cls is object:
            return
        try:
            parameters = list(inspect.signature(_undecorated_namespace_function(method)).parameters.values())
        except (TypeError, ValueError):  # a built-in without a signature
            return
        unbound = isinstance(method, staticmethod) and name != "__new__"
        for parameter in parameters if unbound else parameters[1:]:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                yield parameter.name
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return


def _undecorated_namespace_function(method: Any) -> Any:
    return inspect.unwrap(getattr(method, "__func__", method))


def splitify_namespace(namespace: N, split: str, splits: Sequence[str] | None = None) -> N:
    """The namespace for one split: for ``"train"``, its ``train_path`` becomes ``path``.

    Parameters with the prefix of the split lose it, and replace parameters that already have that name.
    Parameters with the prefix of another split are left out if the split has its own: ``dev_path`` is left
    out if there is a ``train_path``, but ``dev_mode`` is kept if there is no ``train_mode``.

    Args:
        namespace: a namespace of argparse, a ``SimpleNamespace`` or a mapping.
        split: the split.
        splits: the names of all splits; by default train, dev, val, valid, validation, eval, test and
            ``split``.

    Returns:
        a new namespace of the same type; a dict for a mapping.

    Raises:
        ParameterError: the split does not exist, or the namespace has another type.
    """
    if not isinstance(namespace, (argparse.Namespace, types.SimpleNamespace, Mapping)):
        kind = type(namespace).__qualname__
        raise ParameterError(f"splitify_namespace() takes a namespace of argparse or a mapping, not {kind}")
    values: Mapping[Any, Any] = namespace if isinstance(namespace, Mapping) else vars(namespace)
    known = {*(_USUAL_SPLITS if splits is None else splits)}
    if split not in known and (
        splits is not None or not any(_split_of_namespace_name(name, {split}) for name in values)
    ):
        raise ParameterError(f"there is no split {split!r}; {closest(split, known)}")
    known.add(split)
    prefixes = {name: _split_of_namespace_name(name, known) for name in values}
    own = {name[len(split) + 1 :]: values[name] for name, prefix in prefixes.items() if prefix == split}
    seen = {
        name: value
        for name, value in values.items()
        if prefixes[name] != split and name.removeprefix(f"{prefixes[name]}_") not in own
    }
    seen |= own
    if isinstance(namespace, Mapping):
        return seen  # type: ignore[return-value]
    result = copy.copy(namespace)
    vars(result).clear()
    vars(result).update(seen)
    return result


def _split_of_namespace_name(name: Any, splits: Iterable[str]) -> str:
    """The split whose prefix a name has; the longest of several; "" for none."""
    found = (
        s for s in splits if isinstance(name, str) and name.startswith(f"{s}_") and len(name) > len(s) + 1
    )
    return max(found, key=len, default="")
