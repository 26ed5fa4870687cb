"""Columns of numbers that grow to any length in little more memory than their numbers need."""

from __future__ import annotations

import mmap
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GrowingColumn"]

_LARGE = 1 << 13  # numbers of a piece that is kept outside of the heap
_SMALL = 1 << 6  # numbers of the first piece
_WIDTH = 8  # bytes of a number


class GrowingColumn:
    """A column of 64-bit numbers.

    It is collected in pieces, each an eighth of what is there already, or more in a short column. Large ones
    are outside of the heap, and given back as soon as they are copied to their position in the whole: in the
    heap, several columns that grow together would leave gaps.

    Args:
        kind: the type of the numbers.
    """

    def __init__(self, kind: type[np.int64 | np.float64]) -> None:
        self._kind = kind
        self._pieces: deque[NDArray[Any]] = deque()
        self._count = 0
        self._free = 0  # numbers that the last piece still has space for

    def extend(self, numbers: NDArray[Any]) -> None:
        """Add numbers at the end."""
        while len(numbers):
            if not self._free:
                self._free = max(_SMALL, min(self._count, _LARGE), self._count // 8)
                self._pieces.append(self._memory(self._free))
            piece, more = self._pieces[-1], numbers[: self._free]
            start = len(piece) - self._free
            piece[start : start + len(more)] = more
            self._free -= len(more)
            self._count += len(more)
            numbers = numbers[len(more) :]

    def whole(self) -> NDArray[Any]:
        """All numbers; the column is empty afterwards."""
        whole, start = self._memory(self._count), 0
        while self._pieces:
            piece = self._pieces.popleft()
            end = min(start + len(piece), len(whole))
            whole[start:end] = piece[: end - start]
            start = end
        self._count = self._free = 0
        return whole

    def _memory(self, count: int) -> NDArray[Any]:
        """Memory for so many numbers, which is given back when nothing uses it any more."""
        if count < _LARGE:
            return np.empty(count, self._kind)
        return np.frombuffer(mmap.mmap(-1, count * _WIDTH), self._kind)
