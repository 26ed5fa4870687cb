"""Reads the log that W&B keeps in a run's folder, by the format that wandb-core writes.

A header of seven bytes (``:W&B``, 0xBEE1, version 0); then blocks of 32 KiB with chunks: checksum (4
bytes), length (2), kind (1: whole, 2: first, 3: middle, 4: last), data. A record is a protobuf of W&B's.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

_BLOCK = 32_768


def records(path: Path) -> list[Any]:
    """Every whole record, in order; a torn end is left out."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    found, pieces, at = [], b"", 7
    while at + 7 <= len(data):
        if _BLOCK - at % _BLOCK < 7:
            at += _BLOCK - at % _BLOCK
            continue
        crc, length, kind = struct.unpack_from("<IHB", data, at)
        chunk = data[at + 7 : at + 7 + length]
        if kind == 0 or len(chunk) < length:
            break
        assert zlib.crc32(chunk, zlib.crc32(bytes([kind]))) == crc
        at += 7 + length
        pieces = chunk if kind in {1, 2} else pieces + chunk
        if kind in {1, 4}:
            record = wandb_internal_pb2.Record()
            record.ParseFromString(pieces)
            found.append(record)
    return found


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


class RunLog:
    """What a run's folder holds, as W&B's own readers see it."""

    def __init__(self, folder: Path) -> None:
        (path,) = folder.glob("run-*.wandb")
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.files: set[str] = set()
        self.metrics: list[str] = []
        self.step_metrics: dict[str, str] = {}
        self.run: Any = None
        self.exit_code: int | None = None
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.run = record.run
                self.config |= _items(record.run.config.update)
            elif kind == "config":
                self.config |= _items(record.config.update)
            elif kind == "history":
                self.rows.append(_items(record.history.item))
            elif kind == "summary":
                self.summary |= _items(record.summary.update)
            elif kind == "files":
                self.files |= {file.path for file in record.files.files}
            elif kind == "metric":
                self.metrics.append(record.metric.name or record.metric.glob_name)
                if record.metric.step_metric:
                    self.step_metrics[self.metrics[-1]] = record.metric.step_metric
            elif kind == "exit":
                self.exit_code = record.exit.exit_code


def framed(records: list[bytes]) -> bytes:
    """A log of these records, as wandb-core writes it."""
    data = bytearray(b":W&B\xe1\xbe\x00")
    for record in records:
        rest, is_first, is_last = record, True, False
        while not is_last:
            left = _BLOCK - len(data) % _BLOCK
            if left < 7:
                data += bytes(left)
                continue
            piece, rest = rest[: left - 7], rest[left - 7 :]
            is_last = not rest
            data += chunk((1 if is_last else 2) if is_first else (4 if is_last else 3), piece)
            is_first = False
    return bytes(data)


def chunk(kind: int, piece: bytes) -> bytes:
    """A chunk of a record with its checksum."""
    return struct.pack("<IHB", zlib.crc32(piece, zlib.crc32(bytes([kind]))), len(piece), kind) + piece
