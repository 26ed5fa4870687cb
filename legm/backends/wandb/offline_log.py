"""Whether W&B's own log of an offline run has been written to its end: W&B itself does not say it.

The file has a header of seven bytes, then blocks of 32 KiB of chunks: a checksum (4 bytes), the length (2),
the kind (1: a whole record, 2: its first chunk, 3: a middle one, 4: its last), and the data. W&B writes a
record of the run's end last, and nothing more after a record that it could not write.
"""

from __future__ import annotations

import importlib
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legm.errors import BackendError

__all__ = ["require_offline_log"]

_HEADER_SIZE = 7
_BLOCK = 1 << 15
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _LAST = 1, 2, 4
_PATIENCE = 5.0  # seconds until W&B's process has written what it was given


def require_offline_log(folder: Path) -> None:
    """Require that the log in the folder of an offline run that has ended is there to its end.

    Raises:
        BackendError: it is not.
        OSError: it cannot be read.
    """
    (path,) = folder.glob("run-*.wandb")
    until = time.monotonic() + _PATIENCE
    while not _has_offline_log_end(path):
        if time.monotonic() > until:
            raise BackendError(
                f"W&B could not write all of {path}: is the disk full? legm writes the run there again"
            )
        time.sleep(0.05)


def _has_offline_log_end(path: Path) -> bool:
    messages: Any = importlib.import_module(
        "wandb.proto.wandb_internal_pb2"
    )  # its classes are made at run time
    with path.open("rb") as file:
        end = file.seek(0, 2)
        start = max(0, (end // _BLOCK - 1) * _BLOCK)
        file.seek(start)
        data = file.read()
    records = list(_offline_log_records(data, 0 if start else _HEADER_SIZE))
    return None not in records and any(
        messages.Record.FromString(record).WhichOneof("record_type") == "exit" for record in records if record
    )


def _offline_log_records(data: bytes, position: int) -> Iterator[bytes | None]:
    """The records from the beginning of a block to the end of the file; None for one that is cut off."""
    chunks: list[bytes] | None = None
    while position < len(data):
        left = _BLOCK - position % _BLOCK
        if left < _CHUNK.size:
            position += left
            continue
        begin = position + _CHUNK.size
        if begin > len(data):
            yield None
            return
        _, length, kind = _CHUNK.unpack_from(data, position)
        position = begin + length
        if position > len(data):
            yield None
            return
        if kind in {_WHOLE, _FIRST}:
            chunks = []
        if chunks is not None:  # else it began before
            chunks.append(data[begin:position])
            if kind in {_WHOLE, _LAST}:
                yield b"".join(chunks)
                chunks = None
