"""The run log: one append-only file per run, from which everything else can be restored.

Format, version 1. The file starts with the line ``legm run log 1``. Frames follow: the four bytes
``F5 4C 52 0A``, the payload's length and a checksum as little-endian 32-bit integers, one byte for the kind
of frame, and the payload. The checksum is the CRC-32 (as in zlib) of length, kind and payload. Kinds:

====  ==========  ==========================================================================
1     run         JSON: the :class:`~legm.records.Run`
2     layout      JSON: the series of one layout; layouts are numbered in order
3     points      number of rows (u32), then by column: layout (u32), steps (i64), times (f64), values (f64)
4     record      JSON: a best rule, display, artifact or outcome
5     cursors     JSON: by backend, the byte of this file up to which records were delivered
6     backends    JSON: by backend that the run is delivered to, the options that construct it again
====  ==========  ==========================================================================

A process that is killed leaves at most one incomplete frame, at the end. It is ignored when the log is read
and removed when it is next written. A damaged frame before complete ones is an error. The writer holds a lock
on the file: the run of a log without an outcome that is not locked was interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legm.errors import CorruptFile, StorageError, storage_error
from legm.records import (
    Artifact,
    BestRule,
    Configuration,
    Display,
    Outcome,
    Plain,
    Points,
    Record,
    Run,
    Series,
    Split,
    Status,
)

if TYPE_CHECKING:
    from array import array

__all__ = ["Log", "LogTail", "LogWriter", "is_log_locked", "logs_being_written", "points_frame", "read_log"]

HEADER = b"legm run log 1\n"
_NEWER = re.compile(rb"legm run log \d+\n")
_LOCK_RETRY_DELAYS = (0.002, 0.01, 0.05, 0.0)  # seconds between attempts to lock a log
_MAGIC = b"\xf5LR\n"
_FRAME = struct.Struct("<4sIIB")
_RUN, _LAYOUT, _POINTS, _RECORD, _CURSORS, _BACKENDS = 1, 2, 3, 4, 5, 6
_RECORD_TYPES: dict[str, type[Any]] = {
    "best_rule": BestRule,
    "display": Display,
    "artifact": Artifact,
    "outcome": Outcome,
}
_TYPE_NAMES = {kind: name for name, kind in _RECORD_TYPES.items()}


# Writing


def _encode_frame(kind: int, *payload: bytes | memoryview) -> bytes:
    length = sum(len(piece) for piece in payload)
    crc = zlib.crc32(struct.pack("<IB", length, kind))
    for piece in payload:
        crc = zlib.crc32(piece, crc)
    return b"".join((_FRAME.pack(_MAGIC, length, crc, kind), *payload))


def _encode_json_frame(kind: int, content: object) -> bytes:
    return _encode_frame(kind, json.dumps(content, separators=(",", ":")).encode())


def run_frame(run: Run) -> bytes:
    """The frame of a run."""
    return _encode_json_frame(_RUN, asdict(run))


def layout_frame(series: Iterable[Series]) -> bytes:
    """The frame of the next layout: its series."""
    return _encode_json_frame(_LAYOUT, [[s.name, s.split.value, s.index] for s in series])


def points_frame(layout: array[int], steps: array[int], times: array[float], values: array[float]) -> bytes:
    """The frame of rows of numbers, by column, as in :class:`~legm.records.Points`."""
    columns = (memoryview(column).cast("B") for column in (layout, steps, times, values))
    return _encode_frame(_POINTS, struct.pack("<I", len(layout)), *columns)


def record_frame(record: BestRule | Display | Artifact | Outcome) -> bytes:
    """The frame of a record other than points."""
    content = asdict(record)
    if isinstance(record, Outcome):
        content["status"] = record.status.value
    return _encode_json_frame(_RECORD, {"type": _TYPE_NAMES[type(record)], **content})


def cursors_frame(cursors: Mapping[str, int]) -> bytes:
    """The frame of the delivered positions, in bytes, by backend."""
    return _encode_json_frame(_CURSORS, dict(cursors))


def backends_frame(backends: Mapping[str, Mapping[str, Plain]]) -> bytes:
    """The frame of the backends that the run is delivered to: by name, the options of each."""
    return _encode_json_frame(_BACKENDS, {name: dict(options) for name, options in backends.items()})


class LogWriter:
    """The only writer of a run's log, which it locks.

    Args:
        path: the file; its folder must exist.
        create: whether to create a new log; an existing one is truncated after its last complete frame.

    Raises:
        StorageError: the file cannot be written, or another process is writing it.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        from filelock import lock_descriptor

        self.path = path
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | (os.O_CREAT | os.O_EXCL if create else 0)
        try:
            self._fd = os.open(path, flags, 0o666)
        except OSError as cause:
            raise storage_error("write the run log", path, cause) from cause
        try:
            if not _try_lock(self._fd, lock_descriptor):
                raise StorageError(f"the run log {path} is being written by another process")
            if create:
                self.position = 0
                self._write(HEADER)
            else:
                self.position = read_log(path).end
                os.ftruncate(self._fd, self.position)
        except BaseException as cause:
            os.close(self._fd)
            if create:
                path.unlink(missing_ok=True)
            if isinstance(cause, OSError):
                raise storage_error("write the run log", path, cause) from cause
            raise

    def append(self, *frames: bytes) -> int:
        """Append frames, all or none of them.

        Returns:
            the position after them, in bytes from the start of the file.

        Raises:
            StorageError: they cannot be written; the log is unchanged.
        """
        self._write(b"".join(frames))
        return self.position

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            os.lseek(self._fd, self.position, os.SEEK_SET)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as cause:
            with contextlib.suppress(OSError):  # what remains is an incomplete frame, which readers ignore
                os.ftruncate(self._fd, self.position)
            raise storage_error("write the run log", self.path, cause) from cause
        self.position += len(data)

    def sync(self) -> None:
        """Wait until everything is on the disk itself, so that even a power failure loses nothing.

        Raises:
            StorageError: the disk refused.
        """
        try:
            os.fsync(self._fd)
        except OSError as cause:
            raise storage_error("write the run log", self.path, cause) from cause

    def move(self, path: Path) -> None:
        """Move the file to another path; the writer stays open.

        Raises:
            StorageError: it cannot be moved.
        """
        try:
            self.path.replace(path)
        except OSError as cause:
            raise storage_error("move the run log to", path, cause) from cause
        self.path = path

    def close(self) -> None:
        """Release the lock and close the file; closing twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _try_lock(fd: int, lock_descriptor: Any) -> bool:
    """Try to lock an open log; repeatedly, since others lock it briefly to check whether it is locked."""
    for wait in _LOCK_RETRY_DELAYS:
        if lock_descriptor(fd, blocking=False):
            return True
        time.sleep(wait)
    return False


def logs_being_written(paths: Iterable[Path]) -> set[Path]:
    """The logs that a live process is writing, here or on another machine of a shared file system."""
    found = set(paths)
    for wait in _LOCK_RETRY_DELAYS:
        found = {path for path in found if is_log_locked(path)}
        if not found:
            break
        time.sleep(wait)
    return found


def is_log_locked(path: Path) -> bool:
    """Whether a log is locked: by its writer, or briefly by another process that checks it."""
    from filelock import lock_descriptor

    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # not writable for this user: then judged by its age
        try:
            return time.time() - path.stat().st_mtime < 60
        except OSError:
            return False
    try:
        return not lock_descriptor(fd, blocking=False)
    finally:
        os.close(fd)


# Reading


@dataclass(slots=True)
class Log:
    """The content of a log.

    Args:
        path: the file.
        run: the run.
        records: its records, in order, from the requested range of bytes.
        cursors: by backend, the byte up to which records were delivered.
        backends: by name, the options of each backend that the run is delivered to.
        content_end: the byte after the last complete frame that belongs to the run itself.
        end: the byte after the last complete frame.
        incomplete_bytes: the number of bytes of an incomplete frame after it.
    """

    path: Path
    run: Run
    records: list[Record] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    backends: dict[str, dict[str, Plain]] = field(default_factory=dict)
    content_end: int = 0
    end: int = 0
    incomplete_bytes: int = 0

    def is_delivered_to(self, backend: str) -> bool:
        """Whether a backend has all of the run, including its end.

        While a run is written, cursors are written before the next records; only the cursor of a completely
        delivered run comes after them.
        """
        return self.cursors.get(backend, 0) >= self.content_end


def read_log(path: Path, since: int = 0, until: int | None = None) -> Log:
    """Read a log; it may be written at the same time.

    Args:
        path: the file.
        since: leave out the records of frames that start before this byte.
        until: leave out the records of frames that start at or after this byte.

    Raises:
        CorruptFile: it is damaged, beyond an incomplete frame at the end.
        StorageError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    return _parse_log(path, data, since, until)


def _parse_log(path: Path, data: bytes, since: int, until: int | None) -> Log:
    if not data.startswith(HEADER):
        if HEADER.startswith(data):
            raise _empty_log_error(path, 0)
        if _NEWER.match(data):
            raise CorruptFile(
                path, "byte 0", "it was written by a newer version of legm", "Update legm to read it."
            )
        raise CorruptFile(path, "byte 0", "it is not a run log", "Move it out of the folder.")
    log: Log | None = None
    decoder = _Decoder()
    end = content_end = len(HEADER)
    for start, kind, payload in _iter_frames(path, data):
        end = start + _FRAME.size + len(payload)
        if kind == _RUN:
            content = json.loads(bytes(payload))
            content["configuration"]["active"] = tuple(content["configuration"]["active"])
            log = Log(path, Run(**{**content, "configuration": Configuration(**content["configuration"])}))
        elif kind == _CURSORS and log is not None:
            log.cursors.update(json.loads(bytes(payload)))
        elif kind == _BACKENDS and log is not None:
            log.backends.update(json.loads(bytes(payload)))
        else:
            decoder.add_frame(kind, payload, wanted=start >= since and (until is None or start < until))
            content_end = end
    if log is None:
        raise _empty_log_error(path, end)
    log.records = decoder.pop_records()
    log.content_end, log.end, log.incomplete_bytes = content_end, end, len(data) - end
    return log


def read_log_head(path: Path) -> Log:
    """Read a log's run and backends, without its records.

    Args:
        path: the file.

    Raises:
        CorruptFile: it is damaged.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(len(HEADER))
            for kind in (_RUN, _BACKENDS):
                head = file.read(_FRAME.size)
                if len(head) < _FRAME.size or head[-1] != kind:
                    break
                data += head + file.read(_FRAME.unpack(head)[1])
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    return _parse_log(path, data, 0, None)


class _Decoder:
    """Decodes frames into records; successive frames of points become one record."""

    def __init__(self) -> None:
        self._layouts: list[tuple[Series, ...]] = []
        self._points: list[memoryview] = []
        self._records: list[Record] = []

    def add_frame(self, kind: int, payload: memoryview, *, wanted: bool = True) -> None:
        if kind == _POINTS and wanted:
            self._points.append(payload)
        elif kind == _LAYOUT:
            layout = json.loads(bytes(payload))
            self._layouts.append(tuple(Series(name, Split(split), index) for name, split, index in layout))
        elif kind == _RECORD and wanted:
            self._end_points()
            self._records.append(_decode_record(json.loads(bytes(payload))))

    def _end_points(self) -> None:
        self._records += _decode_points(self._points, self._layouts)
        self._points = []

    def pop_records(self) -> list[Record]:
        """Remove and return the records decoded so far."""
        self._end_points()
        records, self._records = self._records, []
        return records


class LogTail:
    """Reads a log incrementally, also while it is written or moved.

    Args:
        path: the file.
        since: leave out the records of frames that start before this byte.

    Raises:
        StorageError: the file cannot be opened.
    """

    def __init__(self, path: Path, since: int = 0) -> None:
        self._path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as cause:
            raise storage_error("read the run log", path, cause) from cause
        self._decoder = _Decoder()
        self._since = since
        self.position = len(HEADER)
        """The byte after the last frame that was read."""
        while self.position < since and self._next_frames(1 << 20):
            pass

    def read(self, most: int) -> list[Record]:
        """Read the records of the next complete frames.

        There may be none although frames were read; :attr:`position` has moved then.

        Args:
            most: about how many bytes to read; at least one frame is read if it is complete.

        Raises:
            StorageError: the file cannot be read.
        """
        self._next_frames(most)
        return self._decoder.pop_records()

    def _next_frames(self, most: int) -> bool:
        try:
            self._file.seek(self.position)
            data = self._file.read(max(most, _FRAME.size))
            if len(data) >= _FRAME.size:
                length = _FRAME.size + _FRAME.unpack_from(data)[1]
                if len(data) < length <= os.fstat(self._file.fileno()).st_size - self.position:
                    data += self._file.read(length - len(data))
        except OSError as cause:
            raise storage_error("read the run log", self._path, cause) from cause
        view, at = memoryview(data), 0
        while (payload := _parse_frame(view, at)) is not None:
            self._decoder.add_frame(view[at + 12], payload, wanted=self.position + at >= self._since)
            at += _FRAME.size + len(payload)
        self.position += at
        return at > 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _empty_log_error(path: Path, end: int) -> CorruptFile:
    problem = "it ends before the run's first record"
    return CorruptFile(path, f"byte {end}", problem, "Delete it: it is empty.")


def _iter_frames(path: Path, data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    view = memoryview(data)
    start = len(HEADER)
    while start < len(data):
        payload = _parse_frame(view, start)
        if payload is None:
            later = _find_next_frame(data, view, start + 1)
            if later is None:
                return  # an incomplete frame at the end
            raise CorruptFile(
                path,
                f"byte {start}",
                f"the next {later - start} bytes are damaged",
                "Restore the file from a copy, or move it out of the folder to continue without this run.",
            )
        yield start, view[start + 12], payload
        start += _FRAME.size + len(payload)


def _parse_frame(view: memoryview, start: int) -> memoryview | None:
    if len(view) - start < _FRAME.size:
        return None
    magic, length, crc, kind = _FRAME.unpack_from(view, start)
    payload = view[start + _FRAME.size : start + _FRAME.size + length]
    if magic != _MAGIC or len(payload) != length:
        return None
    return payload if zlib.crc32(payload, zlib.crc32(struct.pack("<IB", length, kind))) == crc else None


def _find_next_frame(data: bytes, view: memoryview, start: int) -> int | None:
    while (start := data.find(_MAGIC, start)) >= 0:
        if _parse_frame(view, start) is not None:
            return start
        start += 1
    return None


def _decode_points(payloads: list[memoryview], layouts: list[tuple[Series, ...]]) -> list[Points]:
    """The rows of several frames as one record; no record for no frames."""
    if not payloads:
        return []
    import numpy as np

    columns: list[list[Any]] = [[], [], [], []]
    for payload in payloads:
        (rows,) = struct.unpack_from("<I", payload)
        at = 4
        for column, kind, count in zip(
            columns, ("<u4", "<i8", "<f8", "<f8"), (rows, rows, rows, -1), strict=True
        ):
            column.append(np.frombuffer(payload, kind, count, at))
            at += column[-1].nbytes
    return [Points(tuple(layouts), *(c[0] if len(c) == 1 else np.concatenate(c) for c in columns))]


def _decode_record(content: dict[str, Any]) -> Record:
    kind = _RECORD_TYPES[content.pop("type")]
    if kind is Outcome:
        content["status"] = Status(content["status"])
    record: Record = kind(**content)
    return record
