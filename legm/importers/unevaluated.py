"""What a YAML or pickle file says of Python's objects, and plain values for it: nothing is ever made.

Such files name a class or function and what to call it with. Here both are only noted, and a few kinds that
hold plain values (containers, paths, NumPy's numbers) are read by what is known of their form. Everything
else becomes a text that says what stood there: ``train.schedule`` for a function, ``shapes.Colour(1)`` for
an object.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from legm.errors import LegmError

__all__ = ["DEEPEST", "Made", "Named", "PlainValues"]

DEEPEST = 100
_MAPPINGS = frozenset({"collections.OrderedDict", "collections.defaultdict", "collections.Counter", "dict"})
_LISTS = frozenset({"collections.deque", "list", "tuple"})
_SETS = frozenset({"set", "frozenset"})
_SCALARS = frozenset({"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"})
_FORMATS = {
    "f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b",
    "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that a file names."""

    name: str


@dataclass(slots=True, eq=False)
class Made:
    """An object that a file says how to make.

    Args:
        name: what would be called.
        arguments: with what.
        state: what would be put into it.
        items: what would be appended or added.
        pairs: what would be set by key.
    """

    name: str
    arguments: Any = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)


class PlainValues:
    """Turns what a file says into plain values: also texts, bytes, lists, sets, and mappings by text.

    Args:
        most: how many values there may be, with those that stand in several places.
        refused: the error for a file with more of them, or one that is nested too deep or contains itself.
    """

    def __init__(self, most: int, refused: Callable[[str], LegmError]) -> None:
        self._most = most
        self._refused = refused
        self._count = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """The plain value.

        Raises:
            LegmError: there is too much in it.
        """
        self._count += 1
        if self._count > self._most or depth > DEEPEST:
            raise self._refused(
                f"it unfolds to more than {self._most} values, or is nested deeper than {DEEPEST}"
            )
        if isinstance(value, dict):
            return {str(self.of(name, depth + 1)): self.of(one, depth + 1) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(one, depth + 1) for one in value]
        if isinstance(value, (set, frozenset)):
            return _set([self.of(one, depth + 1) for one in value])
        if isinstance(value, Named):
            return value.name
        if isinstance(value, Made):
            return self._made(value, depth + 1)
        return value

    def _made(self, made: Made, depth: int) -> Any:
        name = made.name.removeprefix("builtins.").removeprefix("__builtin__.")
        if name in _SCALARS and (number := _numpy_number(made.arguments)) is not None:
            return number
        arguments = self.of(list(made.arguments), depth)
        first = arguments[0] if arguments else None
        if name.startswith("pathlib.") and all(isinstance(one, str) for one in arguments):
            kind = PureWindowsPath if "Windows" in name else PurePosixPath
            return str(kind(*arguments))
        if name in _MAPPINGS:
            pairs = first.items() if isinstance(first, dict) else first if isinstance(first, list) else ()
            told = {str(one[0]): one[1] for one in pairs if len(one) == 2}
            return told | self.of(dict(made.pairs), depth)
        if name in _LISTS | _SETS:
            items = [*(first if isinstance(first, list) else ()), *self.of(made.items, depth)]
            return _set(items) if name in _SETS else items
        if name == "complex" and all(isinstance(one, (int, float)) for one in arguments[:2]):
            return complex(*arguments[:2])
        state = self.of(made.state, depth)
        if not arguments and isinstance(state, dict):
            return state
        told_of = [*map(str, arguments), *([] if state is None else [str(state)])]
        return f"{made.name}({', '.join(told_of)})"


def _set(items: list[Any]) -> Any:
    return items if any(isinstance(one, (list, dict, set)) for one in items) else set(items)


def _numpy_number(arguments: Any) -> float | int | bool | None:
    """A NumPy scalar, which is written as its type and its bytes."""
    if len(arguments) != 2 or not isinstance(arguments[0], Made) or not isinstance(arguments[1], bytes):
        return None
    kind, data = arguments
    form = _FORMATS.get(str(kind.arguments[0])) if kind.arguments else None
    state = kind.state
    order = state[1] if isinstance(state, (list, tuple)) and len(state) > 1 else "<"
    if form is None or struct.calcsize(form) != len(data):
        return None
    number: float | int | bool = struct.unpack((">" if order == ">" else "<") + form, data)[0]
    return number
