"""What stands for a name of wandb or mlflow that legm does not have: harmless wherever a script puts it.

A training that asks it whether to continue does, it is a number or a text where one is needed, and it can be
copied and pickled. A library's class is a class, so that ``isinstance`` and ``except`` take it.
"""

from __future__ import annotations

import copyreg
import os
import re
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from types import FunctionType, MappingProxyType
from typing import Any

from legm.compat.unsupported_calls import UnsupportedCalls

__all__ = ["NullClass", "NullObject", "contains_null_object", "make_null_class"]

_DEEPEST = 12  # attributes of attributes; a loop over parents or children ends
_CONVERSIONS = ("cpu", "detach", "item", "numpy", "to_dict", "to_numpy", "tolist")
_VALUE_METHODS = frozenset({*_CONVERSIONS, "columns", "dtype", "dtypes", "items", "keys", "shape", "values"})
"""What code looks for in an object to convert it, which a null object does not pretend to have."""
_PREDICATE = re.compile(r"(is|has|should|can|was|needs)_\w+|exists|done|cancelled|closed")
_HOOK = re.compile(r"_?(on|before|after)_\w+")
_TRUE_HOOKS = {("after_iteration", 1), ("on_step", 0), ("_on_step", 0)}
"""Names and numbers of arguments of hooks of CatBoost and Stable-Baselines3, where true means to continue."""


class _NullValue:
    """What a null object is where it is used as a value: nothing, as a number or a text."""

    def _null_name(self) -> str:
        raise NotImplementedError

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __contains__(self, item: object) -> bool:
        return False

    def __int__(self) -> int:
        return 0

    __index__ = __trunc__ = __floor__ = __ceil__ = __int__

    def __float__(self) -> float:
        return 0.0

    def __complex__(self) -> complex:
        return 0j

    def __round__(self, digits: int | None = None) -> float:
        return 0 if digits is None else 0.0

    def __neg__(self) -> int:
        return 0

    __abs__ = __pos__ = __neg__

    def __add__(self, other: Any) -> Any:
        return f"{self}{other}" if isinstance(other, str) else other

    def __radd__(self, other: Any) -> Any:
        return f"{other}{self}" if isinstance(other, str) else other

    def __rsub__(self, other: Any) -> Any:
        return other

    __rtruediv__ = __rfloordiv__ = __rpow__ = __ror__ = __or__ = __rsub__

    def __sub__(self, other: Any) -> Any:
        return -other

    def __mul__(self, other: Any) -> Any:
        return 0 * other

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return Path(os.fspath(self), other) if isinstance(other, (str, os.PathLike)) else 0.0

    def __floordiv__(self, other: Any) -> int:
        return 0

    __mod__ = __rmod__ = __pow__ = __and__ = __rand__ = __xor__ = __rxor__ = __floordiv__

    def _is_ordered(self, other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _is_ordered  # as of NaN: no limit is exceeded

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _NullValue) and self._null_name() == other._null_name()

    def __hash__(self) -> int:
        return hash(self._null_name())

    def __fspath__(self) -> str:
        return str(
            Path(tempfile.gettempdir(), "legm-not-recorded", re.sub(r"[^\w.-]", "_", self._null_name()))
        )

    def __format__(self, spec: str) -> str:
        try:
            return format(str(self), spec)
        except ValueError:
            pass
        try:
            return format(0.0, spec)
        except ValueError:
            return format(0, spec)

    def __repr__(self) -> str:
        return f"<{self._null_name()}: not recorded by legm>"


def _null_answer_of(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Callable[[], Any]
) -> Any:
    """What a call of this name returns: what means to continue where a training asks, or else the result."""
    last = name.rpartition(".")[2]
    if (last, len(args)) in _TRUE_HOOKS:
        return True
    if _HOOK.fullmatch(last):
        return None
    if _PREDICATE.fullmatch(last):
        return False
    if len(args) == 1 and not kwargs and isinstance(args[0], (FunctionType, type)):
        return args[0]  # it decorates a function or class
    return result()


class NullObject(_NullValue):
    """Accepts every call; is true and empty, a context manager, and a decorator that changes nothing.

    Args:
        name: what it stands for.
        notices: receives the name when it is used.
        root: the name that the script began with, which is reported; "" for this one.
        depth: how many attributes and calls lie between both.
    """

    def __init__(self, name: str, notices: UnsupportedCalls, root: str = "", depth: int = 0) -> None:
        self.__dict__.update(_name=name, _notices=notices, _root=root or name, _depth=depth)

    def _null_name(self) -> str:
        return str(self.__dict__["_name"])

    def _report(self) -> None:
        self._notices.report_unsupported(self._root)

    def _further(self, name: str) -> NullObject | None:
        if self._depth >= _DEEPEST:
            return None
        return NullObject(name, self._notices, self._root, self._depth + 1)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Accept the call; a function or class that is decorated is returned unchanged."""
        self._report()
        return _null_answer_of(self._name, args, kwargs, lambda: self._further(self._name))

    def __getattr__(self, name: str) -> Any:
        if (
            (name.startswith("__") and name.endswith("__"))
            or name in _VALUE_METHODS
            or "_name" not in self.__dict__
        ):
            raise AttributeError(name)
        return self._further(f"{self._name}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        self._report()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            raise IndexError(key)  # it is empty, also where it is counted through
        return self._further(self._name)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._report()

    def __delitem__(self, key: Any) -> None:
        self._report()

    def __enter__(self) -> NullObject:
        self._report()
        return self

    def __exit__(self, *error: object) -> None:
        pass

    async def __aenter__(self) -> NullObject:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        pass

    def __await__(self) -> Generator[Any, None, NullObject]:
        yield from ()
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()  # a subclass of it is an ordinary class

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False

    def __reduce__(self) -> Any:
        return _unpickled_null_object, (self._name,)

    def __copy__(self) -> NullObject:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> NullObject:
        return self


def _unpickled_null_object(name: str) -> NullObject:
    return NullObject(name, resolve_name("legm.compat.script_session:SESSION").notices)


class NullClass(type):
    """The type of the classes that stand for those of the libraries."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return NullObject(f"{cls.null_name}.{name}", cls.notices, cls.null_name)

    null_name: str
    notices: UnsupportedCalls


def make_null_class(
    name: str,
    notices: UnsupportedCalls,
    base: type | None = None,
    constants: Mapping[str, Any] = MappingProxyType({}),
) -> type:
    """A class that stands for one of a library: it can be called, subclassed, caught up with ``isinstance``.

    Args:
        name: the full name of the library's class.
        notices: receives the name when an object is made.
        base: the class of a client that its objects are instances of; None for none.
        constants: its attributes with known values.
    """
    module, _, short = name.rpartition(".")
    body: dict[str, Any] = {**constants, "__module__": module, "null_name": name, "notices": notices}
    if base is None:
        return NullClass(short, (_NullInstance,), body)
    meta = type("NullClientClass", (NullClass, type(base)), {}) if type(base) is not type else NullClass
    abstract: frozenset[str] = getattr(base, "__abstractmethods__", frozenset())

    def begin(self: Any, *args: Any, **kwargs: Any) -> None:
        notices.report_unsupported(name)
        base.__init__(self)  # type: ignore[misc]

    body |= {**dict.fromkeys(abstract, _continue_null_object), "__init__": begin}
    made: type = meta(short, (base,), body)
    return made


def _continue_null_object(self: Any, *args: Any, **kwargs: Any) -> bool:
    return True


class _NullInstance(_NullValue):
    """An object of a class that stands for one of a library; what a script sets is what it reads."""

    null_name: str
    notices: UnsupportedCalls

    def __new__(cls, *_: Any, **__: Any) -> Any:
        cls.notices.report_unsupported(cls.null_name)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _null_name(self) -> str:
        return self.null_name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _null_answer_of(self.null_name, args, kwargs, lambda: self)

    def __getattr__(self, name: str) -> Any:
        if (name.startswith("__") and name.endswith("__")) or name in _VALUE_METHODS:
            raise AttributeError(name)
        return NullObject(f"{self.null_name}.{name}", self.notices, self.null_name)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            raise IndexError(key)
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _reduce_null_class(cls: NullClass) -> Any:
    if "null_name" in vars(cls):
        return _unpickled_null_class, (cls.null_name,)
    return cls.__qualname__  # a script's own subclass


def _unpickled_null_class(name: str) -> Any:
    return resolve_name("legm.compat.unknown_names:unknown_name")(name)


copyreg.pickle(NullClass, _reduce_null_class)


def contains_null_object(value: Any) -> bool:
    """Whether a value stands for something unknown, or a list or dictionary has one in it."""
    if isinstance(value, (_NullValue, NullClass)):
        return True
    if isinstance(value, dict):
        return any(contains_null_object(one) for pair in value.items() for one in pair)
    return isinstance(value, (list, tuple, set)) and any(contains_null_object(one) for one in value)
