"""Functions of a library that are wrapped, so that what a training does with them is logged."""

from __future__ import annotations

import functools
import inspect
import pydoc
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any

__all__ = ["wrap_function"]


def wrap_function(owner: Any, name: str, call: Callable[..., Any]) -> None:
    """Wrap a function: ``call`` gets the original as its first argument."""
    raw = inspect.getattr_static(owner, name, None)
    if raw is None:
        return
    if hasattr(raw, "fn") and hasattr(raw, "check"):  # scikit-learn's conditional methods
        owner, name, raw = raw, "fn", raw.fn
    original = getattr(owner, name)
    if not callable(original) or isinstance(raw, property):
        return

    if isinstance(owner, ModuleType):
        setattr(owner, name, _WrappedFunction(call, original, f"{owner.__name__}.{name}"))
        return

    @functools.wraps(original)
    def autologged(*args: Any, **kwargs: Any) -> Any:
        return call(original, *args, **kwargs)

    setattr(owner, name, autologged)


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
