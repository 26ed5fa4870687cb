"""The run log: one append-only file a run, from which everything else can be made again.

Format, version 1. The file begins with the line ``legm run log 1``. Then come frames: the four bytes
``F5 4C 52 0A``, the payload's length and a checksum as little-endian 32-bit integers, one byte that
says what kind of frame it is, and the payload. The checksum is the CRC-32 (zlib's) of length, kind
and payload. Kinds:

====  ==========  ==========================================================================
1     run         JSON: the :class:`~legm.records.Run`
2     layout      JSON: the series of one layout; layouts are numbered in their order
3     points      rows (u32), then layout (u32), steps (i64), times (f64), values (f64), by column
4     record      JSON: a best rule, display, artifact or outcome
5     cursors     JSON: by backend, up to which byte of this file its records were delivered
6     places      JSON: by backend, what makes it again: where the run is to be delivered
====  ==========  ==========================================================================

A process that is killed leaves at most one frame incomplete, at the end: it is not read, and cut when
the log is next written. A frame that is damaged while whole ones follow it is damage, and an error.
The writer holds a lock on the file: a log without a final outcome that nobody locks was interrupted.
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
_LOCK_RETRY_DELAYS = (0.002, 0.01, 0.05, 0.0)  # seconds between tries to lock a log
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
    """The frame of a run's beginning."""
    return _encode_json_frame(_RUN, asdict(run))


def layout_frame(series: Iterable[Series]) -> bytes:
    """The frame that gives the next layout's number its series."""
    return _encode_json_frame(_LAYOUT, [[s.name, s.split.value, s.index] for s in series])


def points_frame(layout: array[int], steps: array[int], times: array[float], values: array[float]) -> bytes:
    """The frame of rows of numbers, by column: see :class:`~legm.records.Points`."""
    columns = (memoryview(column).cast("B") for column in (layout, steps, times, values))
    return _encode_frame(_POINTS, struct.pack("<I", len(layout)), *columns)


def record_frame(record: BestRule | Display | Artifact | Outcome) -> bytes:
    """The frame of a record that is no number."""
    content = asdict(record)
    if isinstance(record, Outcome):
        content["status"] = record.status.value
    return _encode_json_frame(_RECORD, {"type": _TYPE_NAMES[type(record)], **content})


def cursors_frame(cursors: Mapping[str, int]) -> bytes:
    """The frame that says how far each backend has got."""
    return _encode_json_frame(_CURSORS, dict(cursors))


def backends_frame(places: Mapping[str, Mapping[str, Plain]]) -> bytes:
    """The frame that says to which backends the run goes, each with what makes it again."""
    return _encode_json_frame(_BACKENDS, {name: dict(options) for name, options in places.items()})


class LogWriter:
    """The one writer of a run's log.

    Args:
        path: the file; its folder exists.
        create: whether it is a new log; an existing one is cut after its last whole frame.

    Raises:
        StorageError: the file cannot be written, or another process writes it.
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
        """Write whole frames or none of them.

        Returns:
            the position after them: bytes from the beginning.

        Raises:
            StorageError: the disk refused; the log is as it was.
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
            with contextlib.suppress(OSError):  # what stays is a torn tail, which readers know
                os.ftruncate(self._fd, self.position)
            raise storage_error("write the run log", self.path, cause) from cause
        self.position += len(data)

    def sync(self) -> None:
        """Wait until the disk itself has everything: also a power failure loses nothing then."""
        try:
            os.fsync(self._fd)
        except OSError as cause:
            raise storage_error("write the run log", self.path, cause) from cause

    def move(self, path: Path) -> None:
        """Give the file another name; the writer stays open."""
        try:
            self.path.replace(path)
        except OSError as cause:
            raise storage_error("move the run log to", path, cause) from cause
        self.path = path

    def close(self) -> None:
        """Give up the lock and the file; closing twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _try_lock(fd: int, lock_descriptor: Any) -> bool:
    """Lock an open log, past those who look for an instant whether it is locked."""
    for wait in _LOCK_RETRY_DELAYS:
        if lock_descriptor(fd, blocking=False):
            return True
        time.sleep(wait)
    return False


def logs_being_written(paths: Iterable[Path]) -> set[Path]:
    """The logs that a being_written process writes, here or on another machine of a shared file system."""
    found = set(paths)
    for wait in _LOCK_RETRY_DELAYS:
        found = {path for path in found if is_log_locked(path)}
        if not found:
            break
        time.sleep(wait)
    return found


def is_log_locked(path: Path) -> bool:
    """Whether somebody locks a log: its writer, or for an instant another one who looks."""
    from filelock import lock_descriptor

    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # somebody else's, or on a read-only file system: then by its age
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
    """What a log holds.

    Args:
        run: the run.
        records: its records in their order, from the byte that was asked for.
        cursors: by backend, up to which byte its records were delivered.
        backends: by name, the backends that the run goes to, with the options that make each again.
        content_end: the byte after the last whole frame that holds anything of the run itself.
        end: the byte after the last whole frame.
        incomplete_bytes: how many bytes of an incomplete frame follow it.
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
        """Whether a backend has all of the run, and finished it.

        While a run goes on, cursors are noted in front of what comes next; only a finished one's is behind.
        """
        return self.cursors.get(backend, 0) >= self.content_end


def read_log(path: Path, since: int = 0, until: int | None = None) -> Log:
    """Read a log, also one that is being written.

    Args:
        path: the file.
        since: leave out the records of frames that begin before this byte.
        until: and those of frames that begin at or after this one.

    Raises:
        CorruptFile: there is damage, and not only an incomplete frame at the end.
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
            raise CorruptFile(path, "byte 0", "it was written by a newer legm", "Update legm to read it.")
        raise CorruptFile(path, "byte 0", "it is not a run log of legm", "Move it out of the folder.")
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
            decoder.take(kind, payload, wanted=start >= since and (until is None or start < until))
            content_end = end
    if log is None:
        raise _empty_log_error(path, end)
    log.records = decoder.taken()
    log.content_end, log.end, log.incomplete_bytes = content_end, end, len(data) - end
    return log


def read_log_head(path: Path) -> Log:
    """A log's run and backends, without its records.

    Raises:
        CorruptFile, StorageError: as :func:`read_log`.
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
    """Makes records of frames: a long run has many small frames of points, which become one record."""

    def __init__(self) -> None:
        self._layouts: list[tuple[Series, ...]] = []
        self._points: list[memoryview] = []
        self._records: list[Record] = []

    def take(self, kind: int, payload: memoryview, *, wanted: bool = True) -> None:
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

    def taken(self) -> list[Record]:
        """What was taken since the last time."""
        self._end_points()
        records, self._records = self._records, []
        return records


class LogTail:
    """Reads on in a log, also while it is written or gets another name.

    Args:
        path: the file.
        since: leave out the records of frames that begin before this byte.

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
        """The records of the next whole frames, about so many bytes of them.

        There may be none although frames were read: then :attr:`position` has moved.

        Raises:
            StorageError: the file cannot be read.
        """
        self._next_frames(most)
        return self._decoder.taken()

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
            self._decoder.take(view[at + 12], payload, wanted=self.position + at >= self._since)
            at += _FRAME.size + len(payload)
        self.position += at
        return at > 0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _empty_log_error(path: Path, end: int) -> CorruptFile:
    problem = "it ends before the run's first record"
    return CorruptFile(path, f"byte {end}", problem, "Delete it: it holds nothing.")


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
                f"the {later - start} bytes from here are not what was written",
                "Restore the file from a copy, or move it out of the folder to go on without this run.",
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
    """The rows of several frames as one record; none of none."""
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
