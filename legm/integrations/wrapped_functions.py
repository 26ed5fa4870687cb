"""Functions of a library that are wrapped, so that what a training does with them is recorded."""

from __future__ import annotations

import functools
import inspect
import pydoc
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any

__all__ = ["wrap_function", "wrapped_function"]


def wrap_function(owner: Any, name: str, call: Callable[..., Any]) -> Callable[[], None]:
    """Wrap a function or method, if there is one of this name.

    Args:
        owner: the module or class.
        name: the function's name.
        call: called instead of it, with the original function as the first argument.

    Returns:
        what takes the wrapper away again.
    """
    raw = inspect.getattr_static(owner, name, None)
    if raw is None:
        return _nothing_to_unwrap
    if hasattr(raw, "fn") and hasattr(raw, "check"):  # scikit-learn's conditional methods
        owner, name, raw = raw, "fn", raw.fn
    original = getattr(owner, name)
    if not callable(original) or isinstance(raw, property):
        return _nothing_to_unwrap
    unwrap = _unwrapping(owner, name)
    is_module = isinstance(owner, ModuleType)
    wrapper = (
        _WrappedFunction(call, original, f"{owner.__name__}.{name}")
        if is_module
        else wrapped_function(original, call)
    )
    setattr(owner, name, wrapper)
    return unwrap


def wrapped_function(original: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes a call with another function as its first argument, of which it has the name.

    Args:
        original: the function.
        call: what is called.
    """

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return call(original, *args, **kwargs)

    return wrapped


def _nothing_to_unwrap() -> None:
    pass


def _unwrapping(owner: Any, name: str) -> Callable[[], None]:
    """What gives an attribute its present value again, which a class may inherit."""
    if name in vars(owner):
        return functools.partial(setattr, owner, name, vars(owner)[name])
    return functools.partial(delattr, owner, name)


class _WrappedFunction:
    """A wrapped function of a module; it is pickled by name, so another process gets its own."""

    def __init__(self, call: Callable[..., Any], original: Callable[..., Any], name: str) -> None:
        functools.update_wrapper(self, original)
        self._call = call
        self._original = original
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._original, *args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        return pydoc.locate, (self._name,)
