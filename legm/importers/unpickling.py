"""Reading pickles safely: an interpreter of their instructions that can only build plain data.

Python's own unpickler looks up what a pickle names and calls it; even with a look-up that refuses everything,
it hashes, compares and extends objects as instructed. This interpreter cannot import or call anything: a
class or function stays a name, an object stays a note of how it would have been built (see
:mod:`legm.importers.unevaluated`). Keys are texts, numbers and the like, so nothing nested is hashed.
Persistent objects, registered extensions and out-of-band buffers are refused. The instructions and their
arguments are those of ``pickletools``.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile
from legm.importers.size_limits import read_within_size_limit
from legm.importers.unevaluated import UnevaluatedName, UnevaluatedObject

__all__ = ["unpickle_unevaluated"]

_MAX_BYTES = 1 << 24
_MAX_INSTRUCTIONS = 1_000_000
_WHOLE_LIMIT = 1 << 64
_REMEDY = "The file was not changed."
_KEY_TYPES = (str, bytes, int, float, type(None), UnevaluatedName, UnevaluatedObject)

_ARGUMENT_INSTRUCTIONS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
"""Instructions that push their argument."""
_CONSTANT_INSTRUCTIONS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_IGNORED_INSTRUCTIONS = frozenset({"PROTO", "FRAME", "STOP"})


def unpickle_unevaluated(path: Path) -> Any:
    """Read a pickle file without evaluating anything.

    Returns:
        None, booleans, numbers, texts, bytes, lists, tuples, sets and mappings; for anything else
        :class:`~legm.importers.unevaluated.UnevaluatedName` and
        :class:`~legm.importers.unevaluated.UnevaluatedObject`. The value may contain itself, and one object
        many times: :class:`~legm.importers.unevaluated.PlainConverter` limits how far that expands.

    Raises:
        CorruptFile: it is too large, truncated, not a pickle, or has an instruction that is refused.
        StorageError: it cannot be read.
    """
    data = read_within_size_limit(path, _MAX_BYTES, _REMEDY)
    machine = _PickleMachine()
    steps = 0
    try:
        for instruction, argument, _ in pickletools.genops(BytesIO(data)):
            steps += 1
            if steps > _MAX_INSTRUCTIONS:
                raise _RefusedInstruction(f"there are more than {_MAX_INSTRUCTIONS} instructions")
            machine.execute(instruction.name, argument)
        return machine.result()
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as cause:
        problem = (
            str(cause)
            if isinstance(cause, _RefusedInstruction)
            else f"it is truncated, or not a pickle: {cause!r:.200}"
        )
        raise CorruptFile(path, f"instruction {steps}", problem, _REMEDY) from cause


class _RefusedInstruction(ValueError):
    """An instruction that is refused."""


class _PickleMachine:
    """A stack, a memo, and the instructions that change both."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        """The single value on the stack at the end."""
        (value,) = self._stack
        return value

    def execute(self, name: str, argument: Any) -> None:
        """Execute an instruction.

        Raises:
            _RefusedInstruction: it is refused.
            ValueError, IndexError, KeyError, TypeError, AttributeError: it is invalid at this point.
        """
        if name in _ARGUMENT_INSTRUCTIONS:
            if isinstance(argument, int) and not -_WHOLE_LIMIT < argument < _WHOLE_LIMIT:
                raise _RefusedInstruction("an integer has more than 64 bits")
            self._stack.append(argument)
        elif name in _CONSTANT_INSTRUCTIONS:
            self._stack.append(_CONSTANT_INSTRUCTIONS[name]())
        elif name not in _IGNORED_INSTRUCTIONS:
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise _RefusedInstruction(f"its instruction {name} is not allowed")
            method(argument)

    def _pop_value(self) -> Any:
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise IndexError("the stack is empty")
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        """Remove and return what is above the last mark."""
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
        self._pop_to_mark()

    def _dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    # The memo

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
        self._stack.append(self._pop_to_mark())

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _push_tuple(self, count: int) -> None:
        items = [self._pop_value() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def _tuple1(self, _: Any) -> None:
        self._push_tuple(1)

    def _tuple2(self, _: Any) -> None:
        self._push_tuple(2)

    def _tuple3(self, _: Any) -> None:
        self._push_tuple(3)

    def _dict(self, _: Any) -> None:
        items = self._pop_to_mark()
        self._stack.append({})
        self._set_in_top(items)

    def _frozenset(self, _: Any) -> None:
        items = self._pop_to_mark()
        self._stack.append(set())
        self._add_to_top(items)

    def _append(self, _: Any) -> None:
        self._extend_top([self._pop_value()])

    def _appends(self, _: Any) -> None:
        self._extend_top(self._pop_to_mark())

    def _setitem(self, _: Any) -> None:
        value, key = self._pop_value(), self._pop_value()
        self._set_in_top([key, value])

    def _setitems(self, _: Any) -> None:
        self._set_in_top(self._pop_to_mark())

    def _additems(self, _: Any) -> None:
        self._add_to_top(self._pop_to_mark())

    def _extend_top(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, (list, UnevaluatedObject)):
            raise TypeError("items are appended to something that is not a list")
        (target if isinstance(target, list) else target.items).extend(items)

    def _set_in_top(self, items: list[Any]) -> None:
        target = self._stack[-1]
        pairs = list(zip(map(_checked_pickle_key, items[::2]), items[1::2], strict=True))
        if isinstance(target, dict):
            target.update(pairs)
        elif isinstance(target, UnevaluatedObject):
            target.pairs.extend(pairs)
        else:
            raise TypeError("items are set in something that is not a mapping")

    def _add_to_top(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, set):
            target.update(map(_checked_pickle_key, items))
        elif isinstance(target, UnevaluatedObject):
            target.items.extend(items)
        else:
            raise TypeError("items are added to something that is not a set")

    # What the real unpickler would look up and call

    def _global(self, argument: str) -> None:
        self._stack.append(UnevaluatedName(argument.replace(" ", ".")))

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop_value(), self._pop_value()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name is not a text")
        self._stack.append(UnevaluatedName(f"{module}.{name}"))

    def _reduce(self, _: Any) -> None:
        arguments, called = self._pop_value(), self._pop_value()
        self._push_object(called, arguments)

    def _newobj(self, _: Any) -> None:
        self._reduce(None)

    def _newobj_ex(self, _: Any) -> None:
        keywords, arguments, called = self._pop_value(), self._pop_value(), self._pop_value()
        self._push_object(called, (*arguments, keywords) if keywords else arguments)

    def _obj(self, _: Any) -> None:
        called, *arguments = self._pop_to_mark()
        self._push_object(called, tuple(arguments))

    def _inst(self, argument: str) -> None:
        self._push_object(UnevaluatedName(argument.replace(" ", ".")), tuple(self._pop_to_mark()))

    def _push_object(self, called: Any, arguments: Any) -> None:
        if not isinstance(called, UnevaluatedName) or not isinstance(arguments, tuple):
            raise TypeError("something other than a name is called")
        self._stack.append(UnevaluatedObject(called.name, arguments))

    def _build(self, _: Any) -> None:
        state, target = self._pop_value(), self._stack[-1]
        if not isinstance(target, UnevaluatedObject):
            raise TypeError("a state is set on something that is not an object")
        target.state = state


def _checked_pickle_key(value: Any) -> Any:
    """A value that may be used as a key, and hashed."""
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(one, _KEY_TYPES) for one in parts):
        raise _RefusedInstruction("a key is nested")
    return value
