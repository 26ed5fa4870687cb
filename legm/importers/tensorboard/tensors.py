"""The content of a TensorFlow ``TensorProto`` with a single number or with texts: pure functions.

Values are in ``tensor_content`` as the tensor's bytes, or in the list for their type. If that list is
empty, all values are zero (``core/framework/tensor.proto``, ``types.proto``).
"""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["tensor_doubles", "tensor_number", "tensor_texts"]

_LAYOUTS = {
    1: ("float_val", "<f"),
    2: ("double_val", "<d"),
    3: ("int_val", "<i"),
    4: ("int_val", "<B"),
    5: ("int_val", "<h"),
    6: ("int_val", "<b"),
    9: ("int64_val", "<q"),
    14: ("half_val", "bfloat16"),
    17: ("int_val", "<H"),
    19: ("half_val", "<e"),
    22: ("uint32_val", "<I"),
    23: ("uint64_val", "<Q"),
}
"""By ``DataType``: the list of the values, and the layout of one in bytes."""
_STRING = 7
_DOUBLE = 2


def tensor_number(tensor: Any) -> float | None:
    """The number in a tensor with a single element; None for any other tensor."""
    kind = _LAYOUTS.get(tensor.dtype)
    if kind is None or any(dim.size != 1 for dim in tensor.tensor_shape.dim):
        return None
    field, layout = kind
    content = tensor.tensor_content
    if content:
        return _unpack_tensor(content, layout)
    values = getattr(tensor, field)
    if not values:
        return 0.0
    if field == "half_val":  # its bits as an integer
        return _unpack_tensor(struct.pack("<H", values[0] & 0xFFFF), layout)
    return float(values[0])


def _unpack_tensor(content: bytes, layout: str) -> float | None:
    if layout == "bfloat16":  # the upper half of a float32
        content, layout = b"\0\0" + content, "<f"
    if len(content) != struct.calcsize(layout):
        return None
    return float(struct.unpack(layout, content)[0])


def tensor_doubles(tensor: Any) -> list[float] | None:
    """The numbers of a tensor of doubles, row by row; None for any other tensor."""
    if tensor.dtype != _DOUBLE:
        return None
    if tensor.tensor_content:
        size = len(tensor.tensor_content) // 8
        return list(struct.unpack(f"<{size}d", tensor.tensor_content[: 8 * size]))
    return list(tensor.double_val)


def tensor_texts(tensor: Any) -> tuple[tuple[int, ...], list[bytes]] | None:
    """The shape of a tensor of texts, and the texts row by row; None for any other tensor."""
    if tensor.dtype != _STRING:
        return None
    return tuple(dim.size for dim in tensor.tensor_shape.dim), list(tensor.string_val)
