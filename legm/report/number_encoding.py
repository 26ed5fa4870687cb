"""Arrays of numbers as short texts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = ["encode_numbers_exactly", "encode_numbers_for_drawing"]

_INTEGER_TYPES = ("u1", "i2", "u2", "i4", "u4")  # the shortest first
_RELATIVE_PRECISION = 1e-4  # of a curve's height: finer differences are invisible


def encode_numbers_exactly(values: Sequence[float] | FloatArray | IntArray) -> str:
    """Encode numbers losslessly as ``<type>:<base64>``, in the shortest type that can represent all of them.

    Args:
        values: shape (n,); NaN and infinities are allowed.

    Returns:
        NumPy's code of the type, and the little-endian numbers in base64.
    """
    numbers = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        for code in _INTEGER_TYPES:
            whole = numbers.astype(code)
            if np.array_equal(whole, numbers) and not np.signbit(numbers[numbers == 0]).any():
                return _base64_numbers(code, whole)
    return _base64_numbers("f8", numbers)


def encode_numbers_for_drawing(values: FloatArray) -> str:
    """Encode the values of a curve with 32 bits if the difference is invisible, else with 64 bits.

    Args:
        values: shape (n,).

    Returns:
        as :func:`encode_numbers_exactly`.
    """
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    there = values[np.isfinite(values)]
    if not len(there):
        return _base64_numbers("f4", short)
    with np.errstate(all="ignore"):
        away = np.abs(short[np.isfinite(values)] - there)
        enough = _RELATIVE_PRECISION * np.minimum(
            np.abs(there), np.ptp(there) or np.inf
        )  # on any scale, at any zoom
    return _base64_numbers("f4", short) if (away <= enough).all() else _base64_numbers("f8", values)


def _base64_numbers(code: str, numbers: Any) -> str:
    data = numbers.astype(np.dtype(code).newbyteorder("<")).tobytes()
    return f"{code}:{base64.b64encode(data).decode('ascii')}"
