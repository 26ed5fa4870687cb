"""The undamaged records of an event file.

A record frames one message (TensorFlow's ``core/lib/io/record_writer.h``; integers are little-endian)::

    uint64 length · uint32 masked CRC-32C of the length · message · uint32 masked CRC-32C of the message
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from legm.errors import storage_error
from legm.importers.import_notes import ImportNotes

__all__ = ["MAX_MESSAGE_BYTES", "read_tfrecord_at", "read_tfrecords"]

_BUFFER_BYTES = 1 << 20
MAX_MESSAGE_BYTES = 64 << 20
"""Messages with more bytes than this are not read into memory."""


def read_tfrecords(path: Path, size: int, notes: ImportNotes) -> Iterator[tuple[int, bytes | None]]:
    """Each record's offset in the file and its message; None for one that is too long.

    A file that ends in the middle of a record, because its writer was killed or is still writing, is used as
    far as it goes. A damaged message is skipped. After a damaged length nothing can be found.

    Args:
        path: the file.
        size: how many bytes of it to read.
        notes: collects what is left out.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            yield from _read_undamaged_tfrecords(file, path, size, notes)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def _read_undamaged_tfrecords(
    file: BinaryIO, path: Path, size: int, notes: ImportNotes
) -> Iterator[tuple[int, bytes | None]]:
    unpack, crc, read = struct.Struct("<QI").unpack, google_crc32c.value, file.read
    trailer = struct.Struct("<I").unpack_from
    checks: dict[int, int] = {}  # checksums of lengths, which are few
    at = 0
    while at < size:
        head = read(12) if at + 12 <= size else b""
        if len(head) < 12:
            notes.add("event files that end in the middle of a record were used up to there", str(path))
            return
        length, check = unpack(head)
        if checks.get(length) != check:
            if _masked_tfrecord_crc(crc(head[:8])) != check:
                notes.add("damaged lengths: the rest of the file is lost", f"{path}, byte {at}")
                return
            if len(checks) < 1 << 16:
                checks[length] = check
        end = at + length + 16
        if end > size:
            notes.add("event files that end in the middle of a record were used up to there", str(path))
            return
        if length > MAX_MESSAGE_BYTES:
            yield at, None
            file.seek(end)
        else:
            data = read(length + 4)
            if len(data) < length + 4:  # the file was truncated in the meantime
                return
            (check,) = trailer(data, length)
            message = data[:length]
            if _masked_tfrecord_crc(crc(message)) == check:
                yield at, message
            else:
                notes.add("damaged events were skipped", f"{path}, byte {at}")
        at = end


def read_tfrecord_at(path: Path, at: int) -> bytes:
    """Read the message of a record that :func:`read_tfrecords` found.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(at)
        (length,) = struct.unpack("<Q", file.read(12)[:8])
        if length > MAX_MESSAGE_BYTES:
            raise OSError(f"{path} has changed")
        return file.read(length)


def _masked_tfrecord_crc(crc: int) -> int:
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF
