"""W&B's log of a run, a ``.wandb`` file, which may be growing.

A header of seven bytes (``:W&B``, 0xBEE1, version 0), then blocks of 32 KiB as LevelDB's logs have them. A
block holds chunks: checksum (CRC-32 of kind and data, 4 bytes), length (2), kind (1: a whole record, 2: its
first, 3: a middle, 4: its last piece), data; less than seven bytes at its end are filled. Damage costs the
rest of its block, as in LevelDB's own reader.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile, storage_error
from legm.importers.wandb.messages import decode_message

__all__ = ["LogReader"]

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 1 << 15
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_SEEDS = {kind: zlib.crc32(bytes([kind])) for kind in (_WHOLE, _FIRST, _MIDDLE, _LAST)}
_MAX_RECORD_BYTES = 1 << 26  # bytes of a record; larger ones are damage


class LogReader:
    """Reads the records of a log, each once, as far as they are there.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        """In how many places something was damaged and left out."""
        self.unread_bytes = 0
        """How many bytes at the end are not understood: a record that is cut, or still being written."""
        self._offset = 0
        self._given_end = 0  # up to here all records were given
        self._chunks: list[bytes] | None = None  # of a record that has begun; None where there is none
        self._size = 0  # of the pieces

    def new_records(self) -> Iterator[Any]:
        """Every record that is whole by now and was not given yet.

        Raises:
            CorruptFile: the file is no log of W&B's.
            StorageError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                yield from self._read_blocks(file)
                self.unread_bytes = max(0, file.seek(0, 2) - self._given_end)
        except OSError as cause:
            raise storage_error("read", self.path, cause) from cause

    def _read_blocks(self, file: Any) -> Iterator[Any]:
        if self._offset == 0:
            head = file.read(len(_HEADER))
            if not _HEADER.startswith(head):
                problem = f"it begins with {head!r}, and not with {_HEADER!r}"
                raise CorruptFile(self.path, "byte 0", problem, "Give a .wandb file that W&B wrote.")
            if len(head) < len(_HEADER):
                return
            self._offset = self._given_end = len(_HEADER)
        while True:
            start = self._offset - self._offset % _BLOCK
            file.seek(start)
            block = file.read(_BLOCK)
            yield from self._block_records(block, start)
            if len(block) < _BLOCK or not self._finish_block(block, start, is_last=not file.read(1)):
                return

    def _block_records(self, block: bytes, start: int) -> Iterator[Any]:
        """The records that end in a block; afterwards the place is behind the last chunk that is sound."""
        at, size, unpack, seeds, crc32 = (
            self._offset - start,
            _CHUNK.size,
            _CHUNK.unpack_from,
            _SEEDS,
            zlib.crc32,
        )
        while at + size <= len(block):
            check, length, kind = unpack(block, at)
            end, seed = at + size + length, seeds.get(kind)
            if seed is None or end > len(block):
                return
            data = block[at + size : end]
            if crc32(data, seed) != check:
                return
            at = end
            self._offset = start + at
            record = self._add_chunk(kind, data)
            if self._chunks is None:
                self._given_end = self._offset
            if record is not None:
                yield record

    def _finish_block(self, block: bytes, start: int, *, is_last: bool) -> bool:
        """Whether what follows a whole block can be read; what is left of the block is damage then."""
        left = start + _BLOCK - self._offset
        if is_last and left >= _CHUNK.size:
            return False  # it may be still being written
        if left >= _CHUNK.size and block[-left:].strip(b"\0"):
            self._count_damage()
        self._offset = start + _BLOCK
        if self._chunks is None:
            self._given_end = self._offset
        return True

    def _count_damage(self) -> None:
        self.damaged += 1
        self._chunks = None

    def _add_chunk(self, kind: int, data: bytes) -> Any:
        """The record that a chunk completes; None where it does not."""
        if kind in {_WHOLE, _FIRST}:
            if self._chunks is not None:
                self._count_damage()  # the one before has no end
            if kind == _WHOLE:
                return self._decode(data)
            self._chunks, self._size = [], 0
        if self._chunks is None:
            return None  # its beginning was damaged, which was counted
        self._size += len(data)
        if self._size > _MAX_RECORD_BYTES:
            self._count_damage()
            return None
        self._chunks.append(data)
        if kind != _LAST:
            return None
        whole = b"".join(self._chunks)
        self._chunks = None
        return self._decode(whole)

    def _decode(self, data: bytes) -> Any:
        record = decode_message("Record", data)
        self.damaged += record is None
        return record
