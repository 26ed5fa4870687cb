"""Python objects in YAML and pickle files, as notes and as plain values: nothing is ever evaluated.

Such files name a class or function and the arguments to call it with. Both are only noted here. A few types
that hold plain values (containers, paths, NumPy numbers) are read by their known layout. Everything else
becomes a text for what was there: ``train.schedule`` for a function, ``shapes.Colour(1)`` for an object.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from legm.errors import LegmError

__all__ = ["MAX_DEPTH", "PlainConverter", "UnevaluatedName", "UnevaluatedObject"]

MAX_DEPTH = 100
_MAPPING_TYPES = frozenset(
    {"collections.OrderedDict", "collections.defaultdict", "collections.Counter", "dict"}
)
_LIST_TYPES = frozenset({"collections.deque", "list", "tuple"})
_SET_TYPES = frozenset({"set", "frozenset"})
_NUMPY_SCALARS = frozenset({"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"})
_NUMPY_FORMATS = {
    "f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b",
    "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnevaluatedName:
    """A class or function that a file names."""

    name: str


@dataclass(slots=True, eq=False)
class UnevaluatedObject:
    """An object that a file describes.

    Args:
        name: the class or function that would be called.
        arguments: its arguments.
        state: the state that would be set.
        items: what would be appended or added.
        pairs: what would be set by key.
    """

    name: str
    arguments: Any = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)


class PlainConverter:
    """Converts what a file contains to plain values: also bytes, sets, and mappings with text keys.

    Args:
        max_values: the limit on values, counting one that occurs several times each time.
        refuse: makes the error for a file beyond the limit, nested too deeply, or containing itself.
    """

    def __init__(self, max_values: int, refuse: Callable[[str], LegmError]) -> None:
        self._max_values = max_values
        self._refuse = refuse
        self._count = 0

    def convert(self, value: Any, depth: int = 0) -> Any:
        """The plain value.

        Raises:
            LegmError: it exceeds the limits.
        """
        self._count += 1
        if self._count > self._max_values or depth > MAX_DEPTH:
            raise self._refuse(
                f"it expands to more than {self._max_values} values, or more than {MAX_DEPTH} levels"
            )
        if isinstance(value, dict):
            return {
                str(self.convert(name, depth + 1)): self.convert(one, depth + 1)
                for name, one in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.convert(one, depth + 1) for one in value]
        if isinstance(value, (set, frozenset)):
            return _unevaluated_set_or_list([self.convert(one, depth + 1) for one in value])
        if isinstance(value, UnevaluatedName):
            return value.name
        if isinstance(value, UnevaluatedObject):
            return self._convert_object(value, depth + 1)
        return value

    def _convert_object(self, unevaluated: UnevaluatedObject, depth: int) -> Any:
        name = unevaluated.name.removeprefix("builtins.").removeprefix("__builtin__.")
        if (
            name in _NUMPY_SCALARS
            and (number := _unevaluated_numpy_number(unevaluated.arguments)) is not None
        ):
            return number
        arguments = self.convert(list(unevaluated.arguments), depth)
        first = arguments[0] if arguments else None
        if name.startswith("pathlib.") and all(isinstance(one, str) for one in arguments):
            kind = PureWindowsPath if "Windows" in name else PurePosixPath
            return str(kind(*arguments))
        if name in _MAPPING_TYPES:
            pairs = first.items() if isinstance(first, dict) else first if isinstance(first, list) else ()
            known = {str(one[0]): one[1] for one in pairs if len(one) == 2}
            return known | self.convert(dict(unevaluated.pairs), depth)
        if name in _LIST_TYPES | _SET_TYPES:
            items = [*(first if isinstance(first, list) else ()), *self.convert(unevaluated.items, depth)]
            return _unevaluated_set_or_list(items) if name in _SET_TYPES else items
        if name == "complex" and all(isinstance(one, (int, float)) for one in arguments[:2]):
            return complex(*arguments[:2])
        state = self.convert(unevaluated.state, depth)
        if not arguments and isinstance(state, dict):
            return state
        shown = [*map(str, arguments), *([] if state is None else [str(state)])]
        return f"{unevaluated.name}({', '.join(shown)})"


def _unevaluated_set_or_list(items: list[Any]) -> Any:
    return items if any(isinstance(one, (list, dict, set)) for one in items) else set(items)


def _unevaluated_numpy_number(arguments: Any) -> float | int | bool | None:
    """A NumPy scalar, which is stored as its type and its bytes."""
    if (
        len(arguments) != 2
        or not isinstance(arguments[0], UnevaluatedObject)
        or not isinstance(arguments[1], bytes)
    ):
        return None
    kind, data = arguments
    form = _NUMPY_FORMATS.get(str(kind.arguments[0])) if kind.arguments else None
    state = kind.state
    order = state[1] if isinstance(state, (list, tuple)) and len(state) > 1 else "<"
    if form is None or struct.calcsize(form) != len(data):
        return None
    number: float | int | bool = struct.unpack((">" if order == ">" else "<") + form, data)[0]
    return number
