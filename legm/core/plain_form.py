"""The plain form of a value, which YAML and JSON can hold, and the canonical form: a text to compare it by.

**Plain** values are None, bool, int, float, str, list and dict with str keys. Other values are a dict with a
single tag as its key: ``legm:set``, ``legm:map`` (keys that are not strings), ``legm:bytes``,
``legm:complex``, ``legm:number`` (exact numbers that a float cannot represent). An object that becomes its
fields is a dict of these. As the value of a parameter it has the name of its class too, as ``legm:class``, so
that objects of different classes with equal fields differ. The **canonical** form is a text that is the same
for equal plain values: whole floats are written as integers, and sets and mappings are sorted.
"""

from __future__ import annotations

import argparse
import cmath
import datetime
import enum
import fractions
import functools
import inspect
import json
import math
import numbers
import os
import types
import typing
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from legm.core.config_objects import (
    is_dtype_or_device,
    is_omegaconf_config,
    object_class_name,
    object_fields,
    resolve_omegaconf_config,
)
from legm.core.texts import OBJECT_CLASS
from legm.errors import UnstableValue
from legm.records import Plain

__all__ = [
    "ObjectFields",
    "are_equal_values",
    "canonical_plain_text",
    "encode_plain_json",
    "from_plain",
    "has_classes",
    "is_plain",
    "parameter_to_plain",
    "texts_of_equal_values",
    "to_plain",
    "without_classes",
]

_TAG = "legm:"
_CONTAINERS = (list, dict)  # of plain values
_MAX_DEPTH = 100
_MAX_INT_BITS = 4096
_STANDARD_MODULES = {
    "_asyncio": "asyncio.tasks",
    "_decimal": "decimal",
    "_io": "io",
    "pathlib._local": "pathlib",
    "zipfile._path": "zipfile",
}
"""By the name that it has in some versions of Python, the public name of a module of the standard library."""


class _HashableMapping(dict[Any, Any]):
    """A mapping that a set contains, or that is a key of another one, and so must not be changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(canonical_plain_text(parameter_to_plain("", self)))


class ObjectFields(_HashableMapping):
    """The fields of an object that was stored as the value of a parameter.

    One equals another of the same class with equal fields, and a mapping with these. It is hashable, since a
    set may contain it.

    Args:
        class_name: the name of its class.
        fields: by name.
    """

    def __init__(self, class_name: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.class_name = class_name

    def __eq__(self, other: object) -> bool:
        class_name = getattr(other, "class_name", self.class_name)
        return dict.__eq__(self, other) and class_name == self.class_name

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = _HashableMapping.__hash__

    def __repr__(self) -> str:
        return f"{self.class_name}({', '.join(f'{name}={value!r}' for name, value in self.items())})"


def to_plain(name: str, value: object) -> Plain:
    """The plain form of data; an object that becomes its fields is these alone.

    Args:
        name: what the data is called, for the error message.
        value: any value.

    Raises:
        UnstableValue: the value, or one inside it, has no form that is the same in every process.
    """
    return _plain(value, name, 0, has_classes=False)


def parameter_to_plain(name: str, value: object) -> Plain:
    """The plain form of a parameter's value; an object that becomes its fields has the name of its class too.

    Args:
        name: the parameter's name, for the error message.
        value: any value.

    Raises:
        UnstableValue: the value, or one inside it, has no form that is the same in every process.
    """
    return _plain(value, name, 0, has_classes=True)


def _plain(value: Any, path: str, depth: int, *, has_classes: bool) -> Plain:
    if value is None or type(value) in (bool, str, float):
        return value
    if depth > _MAX_DEPTH:
        raise UnstableValue(
            f"parameter {path[:80]!r} is nested more than {_MAX_DEPTH} deep or contains itself"
        )

    def inner_plain(item: object, where: str) -> Plain:
        return _plain(item, f"{path}{where}", depth + 1, has_classes=has_classes)

    if isinstance(value, enum.Enum):
        return _plain_enum_name(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, type) or typing.get_origin(value) is not None:
        return _plain_type_name(value, path)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # NumPy, PyTorch and JAX, arrays and scalars
        return _plain_array(value, path, inner_plain)
    if isinstance(value, numbers.Number):
        return _plain_number(value, path)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if is_dtype_or_device(value):
        return str(value)
    if (fields := object_fields(value)) is not None:
        if not fields and not isinstance(value, (argparse.Namespace, types.SimpleNamespace)):
            return _plain_qualified_name(type(value), path)  # nothing else distinguishes it
        class_name = object_class_name(value) if has_classes and fields else None
        return inner_plain(fields if class_name is None else {OBJECT_CLASS: class_name, **fields}, "")
    if is_omegaconf_config(value):
        return inner_plain(resolve_omegaconf_config(value, path), "")
    if isinstance(value, ObjectFields) and has_classes:
        return inner_plain({OBJECT_CLASS: value.class_name, **value}, "")
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, inner_plain)
    if isinstance(value, (list, tuple, deque, range)):
        return [inner_plain(item, f"[{i}]") for i, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return {"legm:set": sorted((inner_plain(item, "{}") for item in value), key=canonical_plain_text)}
    if isinstance(value, (bytes, bytearray)):
        return {"legm:bytes": value.hex()}
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, datetime.timedelta)):
        return str(value)
    if isinstance(value, functools.partial):
        call = {"function": value.func, "arguments": value.args, "keywords": value.keywords}
        return inner_plain(call, "")
    return _plain_qualified_name(value, path)


def _plain_number(value: Any, path: str) -> Plain:
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        value = int(value)
        return value if value.bit_length() <= _MAX_INT_BITS else {"legm:number": hex(value)}
    is_complex = isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real)
    try:
        if is_complex:
            return _plain_complex(value, path)
        number = float(value)
        if math.isnan(number) or number == value:
            return number
        return {"legm:number": str(fractions.Fraction(*value.as_integer_ratio()))}
    except (TypeError, ValueError, OverflowError) as error:
        raise _unstable_plain_value(path, value) from error


def _plain_complex(value: Any, path: str) -> Plain:
    if value.imag == 0:
        return _plain_number(value.real, path)
    number = complex(value)
    if number != value and not cmath.isnan(number):
        raise UnstableValue(
            f"parameter {path!r} = {value} has more digits than a complex number of two 64-bit floats: round "
            "it, or pass its parts"
        )
    return {"legm:complex": [number.real, number.imag]}


def _plain_array(value: Any, path: str, inner: Callable[[object, str], Plain]) -> Plain:
    if getattr(value.dtype, "kind", "") in ("m", "M") and not hasattr(value, "mask"):
        return _plain_times(value, inner)
    try:
        content = value.tolist()
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as cause:
        raise _unstable_plain_value(path, value) from cause
    if type(content) is not type(value):
        return inner(content, "")
    return _plain_number(content, path)  # np.longdouble and np.clongdouble have no Python value


def _plain_times(value: Any, inner: Callable[[object, str], Plain]) -> Plain:
    """The plain form of an array of times or durations: of their Python values, where they have them."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in ("m", "M"):
        return inner(array.tolist(), "")
    if array.ndim > 0:
        return [_plain_times(item, inner) for item in array]
    if np.isnat(array):
        return "NaT"
    content = array.tolist()
    if isinstance(content, int):  # years and months, and what is more precise or larger than Python's times
        unit = f"{array.dtype.kind}8[us]"
        rounded = array.astype(unit) if np.can_cast(array.dtype, unit, "same_kind") else array
        content = rounded.tolist() if rounded == array else content
    return str(array) if isinstance(content, int) else inner(content, "")


def _plain_enum_name(value: enum.Enum) -> str:
    """The name of an enum member; those of the single flags, joined with ``|``, for a combination of flags.

    Python's own name of a combination depends on its version.
    """
    kind = type(value)
    if not isinstance(value, enum.Flag) or value._name_ in kind.__members__:
        return str(value._name_)
    flags: dict[int, str] = {}
    for name, flag in kind.__members__.items():
        if flag._value_ > 0 and flag._value_ & (flag._value_ - 1) == 0:  # a single bit
            flags.setdefault(flag._value_, name)
    bits = value._value_
    if bits < 0:  # all flags but some
        bits += max(1 << max(flags, default=0).bit_length(), 1 << bits.bit_length())
    names = []
    for bit, name in sorted(flags.items()):
        if bits & bit:
            names.append(name)
            bits ^= bit
    return "|".join([*names, *([str(bits)] if bits or not names else [])])


def _plain_mapping(value: Mapping[Any, Any], path: str, inner: Callable[[object, str], Plain]) -> Plain:
    pairs = [[inner(key, " (a key)"), inner(item, f"[{key!r}]")] for key, item in value.items()]
    if len({canonical_plain_text(key) for key, _ in pairs}) < len(pairs):
        raise UnstableValue(
            f"parameter {path!r} is a mapping with two keys that are compared as equal: "
            f"{sorted(map(repr, value))}. Remove one of them"
        )
    by_text = all(type(key) is str for key, _ in pairs)
    if by_text and not (len(pairs) == 1 and str(pairs[0][0]).startswith(_TAG)):
        return {str(key): item for key, item in pairs}
    return {"legm:map": sorted(pairs, key=canonical_plain_text)}


def _plain_type_name(value: Any, path: str) -> str:
    """The name of a class, or of a type with arguments such as ``list[int]`` or ``int | None``."""
    origin = typing.get_origin(value)
    if origin is None:
        return _plain_qualified_name(value, path)
    arguments = [_plain_type_argument(one, path) for one in typing.get_args(value)]
    if origin in (typing.Union, types.UnionType):
        name, arguments = "typing.Union", sorted(set(arguments))
    else:
        name = _plain_qualified_name(origin, path)
    return f"{name}[{', '.join(arguments)}]" if arguments else name


def _plain_type_argument(value: Any, path: str) -> str:
    if value is ...:
        return "..."
    if isinstance(value, list):  # of the arguments of a Callable
        return f"[{', '.join(_plain_type_argument(one, path) for one in value)}]"
    if isinstance(value, type) or typing.get_origin(value) is not None:
        return _plain_type_name(value, path)
    return canonical_plain_text(_plain(value, path, 0, has_classes=False))


def _plain_qualified_name(value: Any, path: str) -> str:
    """``module.name`` of a function or class, the same in every process."""
    name = getattr(value, "__qualname__", None)
    module = getattr(value, "__module__", None)
    if isinstance(name, str) and isinstance(module, str):
        module = _STANDARD_MODULES.get(module, module)
        if module == "numpy" and isinstance(value, type):
            name = name.rstrip("_")  # bool_ is bool since NumPy 2
    if name is None and type(value).__module__ == "numpy":  # a ufunc of before NumPy 2.2
        import numpy as np

        short = getattr(value, "__name__", "")
        if getattr(np, short, None) is value:
            name, module = short, "numpy"
    owner = getattr(value, "__self__", None)
    bound = owner is not None and not isinstance(owner, (type, types.ModuleType))
    if not isinstance(name, str) or not callable(value) or "<lambda>" in name or bound:
        raise _unstable_plain_value(path, value)
    return f"{module}.{name}" if module else name


def _unstable_plain_value(path: str, value: object) -> UnstableValue:
    kind = type(value).__qualname__
    if inspect.isfunction(value):
        kind = "lambda"
    return UnstableValue(
        f"parameter {path!r} has a value of type {kind}, which has no form that is the same in every "
        f"process, so it cannot distinguish configurations: pass a string or number that identifies it, or "
        f"exclude it from the comparison with disable_param({path.split('[', maxsplit=1)[0]!r})"
    )


def is_plain(value: object) -> bool:
    """Whether a value, as it was read from a file, is a plain one."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_plain(one) for name, one in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def from_plain(value: Plain) -> Any:
    """The value of a plain form: its inverse for sets, mappings and exact numbers.

    An object with the name of its class is its :class:`ObjectFields`.
    """
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "legm:set":
            return {_hashable_plain(from_plain(item)) for item in content}
        if tag == "legm:map":
            return {_hashable_plain(from_plain(key)): from_plain(item) for key, item in content}
        if tag == "legm:bytes":
            return bytes.fromhex(content)
        if tag == "legm:complex":
            return complex(*content)
        if tag == "legm:number":
            return int(content, 16) if "x" in content else fractions.Fraction(content)
    fields = {key: from_plain(item) for key, item in value.items()}
    if len(fields) > 1 and isinstance(fields.get(OBJECT_CLASS), str):
        return ObjectFields(fields.pop(OBJECT_CLASS), fields)
    return fields


def _hashable_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return value if isinstance(value, ObjectFields) else _HashableMapping(value)
    if isinstance(value, list):
        return tuple(_hashable_plain(item) for item in value)
    return frozenset(value) if isinstance(value, set) else value


def without_classes(value: Plain) -> Plain:
    """A plain value with the fields of its objects alone, as it was stored before their classes were."""
    if isinstance(value, list):
        return [without_classes(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: without_classes(item) for key, item in value.items() if key != OBJECT_CLASS}


def has_classes(value: Plain) -> bool:
    """Whether the class of an object is in a plain value."""
    return isinstance(value, _CONTAINERS) and without_classes(value) != value


def are_equal_values(value: Plain, other: Plain) -> bool:
    """Whether two plain values are equal, of which one may be from before the classes of objects were kept.

    Where only one of them has classes, fields alone are compared.
    """
    own, others = canonical_plain_text(value), canonical_plain_text(other)
    if own == others or not (isinstance(value, _CONTAINERS) and isinstance(other, _CONTAINERS)):
        return own == others
    return own == canonical_plain_text(without_classes(other)) or others == canonical_plain_text(
        without_classes(value)
    )


def texts_of_equal_values(value: Plain, known: Mapping[str, Plain]) -> frozenset[str]:
    """Which of the values that there are a value selects.

    Args:
        value: in plain form.
        known: the values by their canonical texts.

    Returns:
        its canonical text where that is known; else those of the values that :func:`are_equal_values` takes
        for equal, since of them or of it no class is known.
    """
    text = canonical_plain_text(value)
    if text in known:
        return frozenset((text,))
    if not isinstance(value, _CONTAINERS):
        return frozenset()
    return frozenset(text for text, one in known.items() if are_equal_values(one, value))


encode_plain_json = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":")).encode


def canonical_plain_text(value: Plain) -> str:
    """The canonical form of a plain value: equal values have equal texts."""
    kind = type(value)
    if kind is float and math.isfinite(value):
        return repr(int(value) if value.is_integer() else value)
    if kind is str or kind is int:
        return encode_plain_json(value) if kind is str else repr(value)
    return encode_plain_json(_canonical_plain(value))


def _canonical_plain(value: Plain) -> Plain:
    if isinstance(value, float):
        if math.isfinite(value):
            return int(value) if value.is_integer() else value
        return {"legm:number": "nan" if math.isnan(value) else str(value)}
    if isinstance(value, list):
        return [_canonical_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "legm:set":
            return {
                tag: [json.loads(text) for text in sorted({canonical_plain_text(item) for item in content})]
            }
        if tag == "legm:map":
            return {
                tag: sorted(
                    ([_canonical_plain(k), _canonical_plain(v)] for k, v in content), key=canonical_plain_text
                )
            }
    return {key: _canonical_plain(item) for key, item in value.items()}
