"""Reading W&B's log of a run, a ``.wandb`` file, which may still be growing.

It has a header of seven bytes (``:W&B``, 0xBEE1, version 0), then blocks of 32 KiB in the format of LevelDB's
logs. A block contains chunks: checksum (CRC-32 of kind and data, 4 bytes), length (2), kind (1: a whole
record,
2: its first, 3: a middle, 4: its last chunk), data. Less than seven bytes at its end are padding. Damage
costs the rest of its block, as in LevelDB's own reader.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legm.errors import CorruptFile, storage_error
from legm.importers.wandb.log_messages import decode_message

__all__ = ["TransactionLogReader"]

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 1 << 15
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_SEEDS = {kind: zlib.crc32(bytes([kind])) for kind in (_WHOLE, _FIRST, _MIDDLE, _LAST)}
_MAX_RECORD_BYTES = 1 << 26  # larger records count as damage


class TransactionLogReader:
    """Reads the records of a log, each once, as soon as they are complete.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        """The number of damaged parts that were left out."""
        self.unread_bytes = 0
        """The number of bytes at the end that belong to an incomplete record."""
        self._offset = 0
        self._given_end = 0  # all records before this offset were returned
        self._chunks: list[bytes] | None = None  # of a record that has started; None without one
        self._size = 0  # of the chunks

    def new_records(self) -> Iterator[Any]:
        """Every complete record that was not returned yet.

        Raises:
            CorruptFile: the file is not a W&B log.
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
                problem = f"it starts with {head!r} instead of {_HEADER!r}"
                raise CorruptFile(self.path, "byte 0", problem, "Pass a .wandb file that W&B wrote.")
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
        """The records that end in a block; moves the offset behind the last undamaged chunk."""
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
        """Move on to the next block, if there can be one; the unread rest of this block is damage."""
        left = start + _BLOCK - self._offset
        if is_last and left >= _CHUNK.size:
            return False  # it may still be being written
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
        """The record that a chunk completes; None if it does not complete one."""
        if kind in {_WHOLE, _FIRST}:
            if self._chunks is not None:
                self._count_damage()  # the record before has no end
            if kind == _WHOLE:
                return self._decode(data)
            self._chunks, self._size = [], 0
        if self._chunks is None:
            return None  # its start was damaged, which was counted
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
