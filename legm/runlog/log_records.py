"""Run logs whose numbers stay in the file until they are looked at."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from legm.core.record_sequences import LazyRecords, NumbersMaker
from legm.errors import storage_error
from legm.records import Points, Record, Series
from legm.runlog.log_frames import (
    FRAME_HEAD,
    HEADER,
    PACKED,
    POINTS,
    RECORD,
    decode_point_frames,
    is_log_header,
    parse_frame,
)
from legm.runlog.log_reader import Log, LogParser, read_log
from legm.runlog.packed_points import unpacked_size

__all__ = ["read_log_in_pieces"]

_PIECE = 1 << 18  # about the bytes of a log that are decoded at once
_UNPACKED_PIECE = 1 << 20  # and of its packed numbers, when they are unpacked


def read_log_in_pieces(path: Path) -> Log:
    """Read a log up to its present end, as :func:`~legm.runlog.log_reader.read_log` does.

    Its numbers are checked now and read again, in pieces of limited size, whenever they are looked at, so
    that a long run is never in memory as a whole. The log may be moved, and grow, meanwhile.

    Args:
        path: the file.

    Raises:
        CorruptFile: it is damaged, beyond an incomplete frame at the end.
        StorageError: the file cannot be read.
    """
    file = _LogFile(path)
    if file.size() <= _PIECE or not is_log_header(file.read(0, len(HEADER))):
        return read_log(path)
    parser = LogParser(path)
    makers: list[Callable[[], Record]] = []
    while data := file.read_frames(parser.end):
        piece_start, points = parser.end, 0
        for start, kind, payload in _frames_of_log_piece(data, piece_start):
            parser.add_frame(start, kind, payload)
        if parser.end == piece_start:
            break
        records, piece = parser.pop_records(), _Piece(piece_start, parser.end, parser.layouts)
        for record in records:
            if isinstance(record, Points):
                makers.append(NumbersMaker(functools.partial(file.points, piece, points), len(record)))
                points += 1
            else:
                makers.append(functools.partial(_is_same_log_record, record))
    if parser.end != file.size() or parser.is_odd:
        return read_log(path)
    log = parser.log(parser.end)
    log.records = LazyRecords(makers)
    return log


def _is_same_log_record(record: Record) -> Record:
    return record


def _frames_of_log_piece(data: bytes, start: int) -> Iterator[tuple[int, int, memoryview]]:
    """The start, kind and payload of each complete frame, where the first one starts at a byte of the log.

    It ends early where the numbers would take too much memory.
    """
    view, at, unpacked = memoryview(data), 0, 0
    while unpacked < _UNPACKED_PIECE and (payload := parse_frame(view, at)) is not None:
        kind = view[at + FRAME_HEAD.size - 1]
        yield start + at, kind, payload
        at += FRAME_HEAD.size + len(payload)
        unpacked += unpacked_size(payload) if kind == PACKED else 0


@dataclass(frozen=True, slots=True)
class _Piece:
    """Whole frames of a log: the bytes that they take, and the layouts of their rows."""

    start: int
    end: int
    layouts: Sequence[tuple[Series, ...] | None]


class _LogFile:
    """Reads parts of a log; the last piece is kept. Several threads may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb", buffering=0)
        except OSError as cause:
            raise storage_error("read the run log", path, cause) from cause
        weakref.finalize(self, self._file.close)
        self._lock = threading.RLock()
        self._last: tuple[_Piece, list[Points]] | None = None

    def size(self) -> int:
        """The size of the file in bytes."""
        return os.fstat(self._file.fileno()).st_size

    def points(self, piece: _Piece, position: int) -> Points:
        """The numbers between two other records of a piece, by position."""
        with self._lock:
            if self._last is None or self._last[0] is not piece:
                self._last = None  # never two at once
                self._last = piece, self._decode(piece)
            return self._last[1][position]

    def _decode(self, piece: _Piece) -> list[Points]:
        together: list[list[tuple[int, memoryview]]] = [[]]
        data = self.read(piece.start, piece.end - piece.start)
        for _, kind, payload in _frames_of_log_piece(data, piece.start):
            if kind in (POINTS, PACKED):
                together[-1].append((kind, payload))
            elif kind == RECORD:
                together.append([])
        return [decode_point_frames(frames, piece.layouts) for frames in together if frames]

    def read_frames(self, start: int) -> bytes:
        """A piece of the log with at least one whole frame, if there is one at this byte."""
        data = self.read(start, _PIECE)
        if len(data) < FRAME_HEAD.size:
            return data
        length = FRAME_HEAD.size + FRAME_HEAD.unpack_from(data)[1]
        return self.read(start, length) if len(data) < length <= self.size() - start else data

    def read(self, start: int, size: int) -> bytes:
        """Bytes of the log; fewer at its end.

        Raises:
            StorageError: they cannot be read.
        """
        found: list[bytes] = []
        try:
            with self._lock:
                self._file.seek(start)
                while size > 0 and (more := self._file.read(size)):
                    found.append(more)
                    size -= len(more)
        except OSError as cause:
            raise storage_error("read the run log", self._path, cause) from cause
        return found[0] if len(found) == 1 else b"".join(found)
