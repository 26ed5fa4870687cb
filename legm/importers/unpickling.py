"""What a pickle says: an interpreter of its instructions that cannot make anything but plain data.

Python's own unpickler looks up what a pickle names and calls it; even one whose look-up refuses everything
hashes, compares and extends what it is told to. This one has no instruction that imports or calls: a class
or function stays a name, an object stays a note of how it would have been made
(see :mod:`legm.importers.unevaluated`). Keys are texts, numbers and the like, so nothing that is nested is
hashed.
Persistent objects, registered extensions and buffers beside the file are refused. The instructions, and
what each takes, are those of ``pickletools``.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile
from legm.importers.size_limits import read_at_most
from legm.importers.unevaluated import Made, Named

__all__ = ["unpickled"]

_MOST = 1 << 24  # bytes
_MOST_STEPS = 1_000_000
_LARGEST = 1 << 64
_REMEDY = "It is left alone."
_KEYS = (str, bytes, int, float, type(None), Named, Made)

_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
"""Instructions that push their argument."""
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})


def unpickled(path: Path) -> Any:
    """What a pickle file says.

    Returns:
        None, truth values, numbers, texts, bytes, lists, tuples, sets and mappings; for what is none of these
        ``Named`` and ``Made`` of :mod:`legm.importers.unevaluated`. It may contain
        itself, and one thing in many places: :class:`~legm.importers.unevaluated.PlainValues` counts what
        that unfolds to.

    Raises:
        CorruptFile: it is too large, cut, no pickle, or asks for what is refused.
        StorageError: it cannot be read.
    """
    data = read_at_most(path, _MOST, _REMEDY)
    machine = _Machine()
    steps = 0
    try:
        for instruction, argument, _ in pickletools.genops(BytesIO(data)):
            steps += 1
            if steps > _MOST_STEPS:
                raise _Refused(f"there are more than {_MOST_STEPS} instructions")
            machine.do(instruction.name, argument)
        return machine.result()
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as cause:
        problem = str(cause) if isinstance(cause, _Refused) else f"it is cut, or no pickle: {cause!r:.200}"
        raise CorruptFile(path, f"instruction {steps}", problem, _REMEDY) from cause


class _Refused(ValueError):
    """An instruction that is not followed."""


class _Machine:
    """A stack, what was memorised, and the instructions that change both."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        """What is on the stack at the end."""
        (value,) = self._stack
        return value

    def do(self, name: str, argument: Any) -> None:
        """Follow an instruction.

        Raises:
            _Refused: it is one that is not followed.
            ValueError, IndexError, KeyError, TypeError, AttributeError: it makes no sense here.
        """
        if name in _VALUES:
            if isinstance(argument, int) and not -_LARGEST < argument < _LARGEST:
                raise _Refused("a whole number has more than 64 bits")
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name not in _NOTHING:
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise _Refused(f"its instruction {name} is refused")
            method(argument)

    def _taken(self) -> Any:
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise IndexError("the stack is empty")
        return self._stack.pop()

    def _popped(self) -> list[Any]:
        """What is above the last mark."""
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _pop(self, _: Any) -> None:
        if self._marks and len(self._stack) == self._marks[-1]:
            self._marks.pop()
        else:
            self._stack.pop()

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _pop_mark(self, _: Any) -> None:
        self._popped()

    def _dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    # What was memorised

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _put(self, at: int) -> None:
        self._memo[at] = self._stack[-1]

    _binput = _long_binput = _put

    def _get(self, at: int) -> None:
        self._stack.append(self._memo[at])

    _binget = _long_binget = _get

    # Containers

    def _list(self, _: Any) -> None:
        self._stack.append(self._popped())

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._popped()))

    def _some(self, count: int) -> None:
        items = [self._taken() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def _tuple1(self, _: Any) -> None:
        self._some(1)

    def _tuple2(self, _: Any) -> None:
        self._some(2)

    def _tuple3(self, _: Any) -> None:
        self._some(3)

    def _dict(self, _: Any) -> None:
        items = self._popped()
        self._stack.append({})
        self._set(items)

    def _frozenset(self, _: Any) -> None:
        items = self._popped()
        self._stack.append(set())
        self._add(items)

    def _append(self, _: Any) -> None:
        self._extend([self._taken()])

    def _appends(self, _: Any) -> None:
        self._extend(self._popped())

    def _setitem(self, _: Any) -> None:
        value, key = self._taken(), self._taken()
        self._set([key, value])

    def _setitems(self, _: Any) -> None:
        self._set(self._popped())

    def _additems(self, _: Any) -> None:
        self._add(self._popped())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, (list, Made)):
            raise TypeError("something is appended to what is no list")
        (target if isinstance(target, list) else target.items).extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        pairs = list(zip(map(_key, items[::2]), items[1::2], strict=True))
        if isinstance(target, dict):
            target.update(pairs)
        elif isinstance(target, Made):
            target.pairs.extend(pairs)
        else:
            raise TypeError("something is set in what is no mapping")

    def _add(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, set):
            target.update(map(_key, items))
        elif isinstance(target, Made):
            target.items.extend(items)
        else:
            raise TypeError("something is added to what is no set")

    # What would be looked up and called

    def _global(self, argument: str) -> None:
        self._stack.append(Named(argument.replace(" ", ".")))

    def _stack_global(self, _: Any) -> None:
        name, module = self._taken(), self._taken()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name is no text")
        self._stack.append(Named(f"{module}.{name}"))

    def _reduce(self, _: Any) -> None:
        arguments, called = self._taken(), self._taken()
        self._make(called, arguments)

    def _newobj(self, _: Any) -> None:
        self._reduce(None)

    def _newobj_ex(self, _: Any) -> None:
        keywords, arguments, called = self._taken(), self._taken(), self._taken()
        self._make(called, (*arguments, keywords) if keywords else arguments)

    def _obj(self, _: Any) -> None:
        called, *arguments = self._popped()
        self._make(called, tuple(arguments))

    def _inst(self, argument: str) -> None:
        self._make(Named(argument.replace(" ", ".")), tuple(self._popped()))

    def _make(self, called: Any, arguments: Any) -> None:
        if not isinstance(called, Named) or not isinstance(arguments, tuple):
            raise TypeError("something is called that is no name")
        self._stack.append(Made(called.name, arguments))

    def _build(self, _: Any) -> None:
        state, target = self._taken(), self._stack[-1]
        if not isinstance(target, Made):
            raise TypeError("a state is put into what is no object")
        target.state = state


def _key(value: Any) -> Any:
    """A value that may be a key, which is hashed."""
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(one, _KEYS) for one in parts):
        raise _Refused("a key is nested")
    return value
