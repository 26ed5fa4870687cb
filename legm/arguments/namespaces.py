"""A namespace's values as the arguments of functions, and as those of one split."""

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

_KEYWORD = "init__namespace"
_USUAL_SPLITS = ("train", "dev", "val", "valid", "validation", "eval", "test")


def from_namespace(function: Callable[..., R]) -> Callable[..., R]:
    """Let a function take its parameters from a namespace: decorates it.

    The function also takes ``init__namespace=``: a namespace, mapping or configuration object, or a list of
    them, of which the later win. A parameter that is not passed is taken from there, else its default. Where
    a method has ``**kwargs``, they get the parameters of the same method of the classes above it, in the
    order of ``super()``, as far as each of these has ``**kwargs`` to pass them on.

    Args:
        function: a function, coroutine function, method, class method or static method.

    Returns:
        the function; signature and docstring are its own.

    Raises:
        ParameterError: it cannot be decorated; when called, parameters without default are nowhere.
    """
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(from_namespace(function.__func__))
    if isinstance(function, type) or not callable(function):
        raise ParameterError(
            f"from_namespace decorates functions and methods, not {function!r}: its __init__, say"
        )
    signature = inspect.signature(function)
    if _KEYWORD in signature.parameters:
        raise ParameterError(
            f"{_name(function)} has a parameter {_KEYWORD!r}, which from_namespace adds itself"
        )

    def call(*args: Any, **keywords: Any) -> Any:
        given = keywords.pop(_KEYWORD, None)
        if given is None:
            return function(*args, **keywords)
        values = _values(given)
        bound = signature.bind_partial(*args, **keywords)
        _fill(bound, values, _name(function))
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD and args:
                for above in _inherited(function, args[0]):
                    if above in values and above not in signature.parameters:
                        bound.arguments[name].setdefault(above, values[above])
        return function(*bound.args, **bound.kwargs)

    if not inspect.iscoroutinefunction(function):
        return functools.wraps(function)(call)

    @functools.wraps(function)
    async def call_and_wait(*args: Any, **keywords: Any) -> Any:
        return await call(*args, **keywords)

    return call_and_wait  # type: ignore[return-value]


def _name(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__qualname__', repr(function))}()"


def _values(given: Any) -> dict[str, Any]:
    several = isinstance(given, (list, tuple)) and not hasattr(given, "_fields")
    values: dict[str, Any] = {}
    for namespace in given if several else [given]:
        values |= parameters_from_config(f"{_KEYWORD}=", namespace)
    return values


def _fill(bound: inspect.BoundArguments, values: Mapping[str, Any], function: str) -> None:
    """Give every parameter a value: what was passed, else what the namespace has, else its default.

    Raises:
        ParameterError: some have none; all of them are named.
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
            f"neither the call of {function} nor its namespace has {', '.join(missing)} ({hints})"
        )
    bound.apply_defaults()


def _inherited(function: Callable[..., Any], owner: Any) -> Iterator[str]:
    """The parameters of the same method of the classes above, as far as ``**kwargs`` get.

    Args:
        function: the method, which is of one of the owner's classes; another function inherits nothing.
        owner: what the method is called on: an object or, for a class method, a class.
    """
    name = function.__name__
    for kind in (owner if isinstance(owner, type) else type(owner), type(owner)):
        above = iter(kind.__mro__)
        if any(_undecorated(cls.__dict__.get(name)) is inspect.unwrap(function) for cls in above):
            break
    for cls in above:
        method = cls.__dict__.get(name)
        if method is None:
            continue
        if cls is object:
            return
        try:
            parameters = list(inspect.signature(_undecorated(method)).parameters.values())
        except (TypeError, ValueError):  # a built-in one that does not say
            return
        unbound = isinstance(method, staticmethod) and name != "__new__"
        for parameter in parameters if unbound else parameters[1:]:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                yield parameter.name
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return


def _undecorated(method: Any) -> Any:
    return inspect.unwrap(getattr(method, "__func__", method))


def splitify_namespace(namespace: N, split: str, splits: Sequence[str] | None = None) -> N:
    """A namespace as one split sees it: ``train_path`` is its ``path`` for ``"train"``.

    What has the prefix of the split is there without it, in place of a parameter that is called so. Of what
    has the prefix of another split, that is left out which the split has itself: ``dev_path``, where
    there is a ``train_path``, but not ``dev_mode``, where there is no ``train_mode``.

    Args:
        namespace: a namespace of argparse, a ``SimpleNamespace`` or a mapping.
        split: the split.
        splits: the names of all splits; without them train, dev, val, valid, validation, eval, test and the
            split itself.

    Returns:
        a new one of the same kind; a dict for a mapping.

    Raises:
        ParameterError: there is no such split, or the namespace is of another kind.
    """
    if not isinstance(namespace, (argparse.Namespace, types.SimpleNamespace, Mapping)):
        kind = type(namespace).__qualname__
        raise ParameterError(f"splitify_namespace() takes a namespace of argparse or a mapping, not {kind}")
    values: Mapping[Any, Any] = namespace if isinstance(namespace, Mapping) else vars(namespace)
    known = {*(_USUAL_SPLITS if splits is None else splits)}
    if split not in known and (splits is not None or not any(_split_of(name, {split}) for name in values)):
        raise ParameterError(f"there is no split {split!r}; {closest(split, known)}")
    known.add(split)
    prefixes = {name: _split_of(name, known) for name in values}
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


def _split_of(name: Any, splits: Iterable[str]) -> str:
    """The split whose prefix a name has; the longest of several, "" for none."""
    found = (
        s for s in splits if isinstance(name, str) and name.startswith(f"{s}_") and len(name) > len(s) + 1
    )
    return max(found, key=len, default="")
