"""Rows of numbers in fewer bytes, as a run log has them; exact, and quick enough for the recorder's thread.

A packed payload is the number of rows (u32), that of values (u32), a set of bits (u8), what zlib made of the
columns, and bytes that are as they were. The columns are those of a frame of points: layouts; the differences
of steps; those of times, as whole numbers of the same bits; and values, series by series where all rows are
of one layout. Of each column the first bytes of all its numbers come first, then all second ones, and so on:
the exponents of similar numbers, and the zeros of single-precision ones, are then next to each other. Bytes
of values in which nothing repeats are left as they are: each bit of the set is for one of the eight.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    PointColumns: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

__all__ = ["MOST_PACKED", "PACKED_HEAD", "pack_points", "packed_shape", "unpack_points", "unpacked_size"]

PACKED_HEAD = struct.Struct("<IIB")

MOST_PACKED = 1 << 24
"""The bytes that a frame may have when it is unpacked, so that a damaged one does not fill the memory."""

_ROW = 4 + 8 + 8  # bytes of a row without its values
_LEAST = 256  # bytes below which packing saves nothing
_SAMPLE = 512  # bytes by which it is judged whether any repeat
_REPEATED = 24  # how often the most frequent of these is there at least; of random ones hardly ever


def pack_points(layout: Any, steps: Any, times: Any, values: Any) -> bytes | None:
    """The packed payload of rows of numbers, by column; None where it would hardly be smaller."""
    size = _ROW * len(layout) + 8 * len(values)
    if not _LEAST <= size <= MOST_PACKED:
        return None
    import numpy as np

    layout = np.asarray(layout, "<u4")
    ticks = np.asarray(times, "<f8").view("<i8")
    whole = (layout, _packed_differences(np.asarray(steps, "<i8")), _packed_differences(ticks))
    numbers = np.asarray(values, "<f8").reshape(_packed_shape(layout, len(values))).T.ravel()
    by_byte = list(_packed_by_byte(numbers)) if len(numbers) else []
    is_raw = [len(one) >= _SAMPLE and np.bincount(one[:_SAMPLE]).max() < _REPEATED for one in by_byte]
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    columns = [_packed_by_byte(column).tobytes() for column in whole]
    columns += [one.tobytes() for one, raw in zip(by_byte, is_raw, strict=True) if not raw]
    packed = packer.compress(b"".join(columns)), packer.flush()
    head = PACKED_HEAD.pack(len(layout), len(values), sum(raw << at for at, raw in enumerate(is_raw)))
    kept = (one.tobytes() for one, raw in zip(by_byte, is_raw, strict=True) if raw)
    payload = b"".join((head, *packed, *kept))
    return payload if len(payload) < size else None


def unpack_points(payload: memoryview) -> PointColumns:
    """The columns of rows of numbers that were packed: layouts, steps, times and values.

    Raises:
        ValueError: the payload is another one.
    """
    import numpy as np

    (rows, values), raw = packed_shape(payload), payload[PACKED_HEAD.size - 1]
    raw_size = raw.bit_count() * values
    unpacker = _Unpacker(payload[PACKED_HEAD.size : max(PACKED_HEAD.size, len(payload) - raw_size)])
    layout = _unpacked_from_bytes(unpacker.read(4, rows), "<u4")
    steps, ticks = (
        np.cumsum(_unpacked_from_bytes(unpacker.read(8, rows), "<i8"), dtype="<i8") for _ in range(2)
    )
    of_zlib = iter(unpacker.read(8 - raw.bit_count(), values))
    unpacker.require_end()
    rest = np.frombuffer(payload, np.uint8, raw_size, len(payload) - raw_size)
    as_they_were = iter(rest.reshape(raw.bit_count(), values))
    by_byte = [next(as_they_were if raw >> at & 1 else of_zlib) for at in range(8)]
    height, width = _packed_shape(layout, values)
    numbers = _unpacked_from_bytes(by_byte, "<f8").reshape(width, height).T
    return layout, steps, ticks.view("<f8"), numbers.ravel()


class _Unpacker:
    """Unpacks columns one after the other, since memory in smaller parts is used again sooner."""

    def __init__(self, packed: memoryview) -> None:
        self._zlib = zlib.decompressobj()
        self._rest: bytes | memoryview = packed

    def read(self, size: int, count: int) -> NDArray[np.uint8]:
        """The next bytes, as shape (size, count).

        Raises:
            ValueError: there are fewer, or others.
        """
        import numpy as np

        data = self._next(size * count) if size * count else b""
        if len(data) != size * count:
            raise ValueError("packed rows that are shorter than they should be")
        return np.frombuffer(data, np.uint8).reshape(size, count)

    def require_end(self) -> None:
        """Check that there is no more.

        Raises:
            ValueError: there is.
        """
        if self._next(1) or not self._zlib.eof or self._zlib.unused_data:
            raise ValueError("packed rows that are longer than they should be")

    def _next(self, most: int) -> bytes:
        try:
            data = self._zlib.decompress(self._rest, most)
        except zlib.error as cause:
            raise ValueError(f"packed rows that zlib cannot read: {cause}") from cause
        self._rest = self._zlib.unconsumed_tail
        return data


def packed_shape(payload: memoryview) -> tuple[int, int]:
    """How many rows and values a packed payload says that it has.

    Raises:
        ValueError: it says nothing, or too much for a frame.
    """
    if len(payload) < PACKED_HEAD.size:
        raise ValueError("packed rows without a head")
    rows, values, _ = PACKED_HEAD.unpack_from(payload)
    if _ROW * rows + 8 * values > MOST_PACKED:
        raise ValueError(f"{rows} packed rows of {values} values")
    return rows, values


def unpacked_size(payload: memoryview) -> int:
    """The bytes of what a packed payload says that it has."""
    if len(payload) < PACKED_HEAD.size:
        return 0
    rows, values, _ = PACKED_HEAD.unpack_from(payload)
    return _ROW * int(rows) + 8 * int(values)


def _packed_differences(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first number, then how much larger each is than the one before; quicker than NumPy's function."""
    found = numbers.copy()
    found[1:] -= numbers[:-1]
    return found


def _packed_shape(layout: NDArray[Any], values: int) -> tuple[int, int]:
    """The rows and the values of each, where all rows are of one layout; else one row."""
    rows = len(layout)
    is_one = rows > 0 and values % rows == 0 and bool((layout == layout[0]).all())
    return (rows, values // rows) if is_one else (1, values)


def _packed_by_byte(column: NDArray[Any]) -> NDArray[np.uint8]:
    """The first bytes of all numbers, then their second ones, …: shape (bytes of a number, n)."""
    by_number = column.view("u1").reshape(len(column), column.dtype.itemsize)
    return by_number.T.copy()


def _unpacked_from_bytes(by_byte: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], kind: str) -> NDArray[Any]:
    """The numbers again; byte by byte, which is quicker than a transposed copy."""
    import numpy as np

    numbers = np.empty(len(by_byte[0]), kind)
    by_number = numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize)
    for at, one in enumerate(by_byte):
        by_number[:, at] = one
    return numbers
