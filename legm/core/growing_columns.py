"""Columns of numbers that grow to any length in little more memory than their numbers need."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GrowingColumn"]

_PIECE = 1 << 16  # numbers of a piece
_WIDTH = 8  # bytes of a number


class GrowingColumn:
    """A column of 64-bit numbers.

    A long one is collected in pieces outside of the heap, each of which is given back as soon as it is copied
    to its place in the whole: the heap would keep the gaps that several columns leave as they grow together.

    Args:
        kind: the type of the numbers.
    """

    def __init__(self, kind: type[np.int64 | np.float64]) -> None:
        self._kind = kind
        self._full: list[mmap.mmap] = []
        self._parts: list[NDArray[Any]] = []  # of the piece that is not full yet
        self._count = 0  # of their numbers

    def extend(self, numbers: NDArray[Any]) -> None:
        """Add numbers at the end."""
        while self._count + len(numbers) >= _PIECE:
            rest = _PIECE - self._count
            self._parts.append(np.asarray(numbers[:rest], self._kind))
            self._full.append(_memory(_PIECE))
            np.concatenate(self._parts, out=np.frombuffer(self._full[-1], self._kind))
            self._parts, self._count, numbers = [], 0, numbers[rest:]
        if len(numbers):
            self._parts.append(np.array(numbers, self._kind))
            self._count += len(numbers)

    def whole(self) -> NDArray[Any]:
        """All numbers; the column is empty afterwards."""
        parts, self._parts = self._parts, []
        rest = np.concatenate(parts) if parts else np.zeros(0, self._kind)
        if not self._full:
            return rest
        size = len(self._full) * _PIECE
        whole: NDArray[Any] = np.frombuffer(_memory(size + len(rest)), self._kind)
        for start in range(0, size, _PIECE):
            whole[start : start + _PIECE] = np.frombuffer(self._full.pop(0), self._kind)
        whole[size:] = rest
        return whole


def _memory(count: int) -> mmap.mmap:
    """Memory for so many numbers, which is given back when nothing uses it any more."""
    return mmap.mmap(-1, count * _WIDTH)
