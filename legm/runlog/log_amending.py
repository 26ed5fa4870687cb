"""Appends an amendment to the log of a run, which is never rewritten, and says which runs have one."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from legm.core.plain_form import canonical_plain_text
from legm.errors import CorruptFile, StateError, storage_error
from legm.records import Amendment, Run
from legm.runlog.log_frames import (
    AMENDMENT,
    FRAME_HEAD,
    HEADER,
    amendment_frame,
    amendment_frame_content,
    is_log_header,
    iterate_frame_heads,
)
from legm.runlog.log_reader import parse_log, read_log_head
from legm.runlog.log_writer import lock_log_descriptor

__all__ = ["append_log_amendment", "locked_log", "read_amended_run"]

_BUFFER_SIZE = 512  # bytes: many logs are open at the same time


@contextmanager
def locked_log(path: Path) -> Iterator[BinaryIO]:
    """Hold the log of a run, so that no process resumes it meanwhile.

    Args:
        path: the log.

    Yields:
        the open file.

    Raises:
        StateError: a process is writing it.
        StorageError: it cannot be opened.
    """
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        fd = os.open(path, flags)
    except OSError as cause:
        raise storage_error("write the run log", path, cause) from cause
    with os.fdopen(fd, "r+b", buffering=_BUFFER_SIZE) as file:
        if not lock_log_descriptor(fd):
            raise StateError(f"the run {path.stem} is running: end its process first")
        yield file


def append_log_amendment(
    path: Path, file: BinaryIO, amendment: Amendment, configuration: str | None = None
) -> None:
    """Append an amendment, unless the last one says the same; the file keeps its time of change.

    One that backends have to follow is the same only if it was made at the same time.

    Args:
        path: the log, for messages.
        file: the log, locked.
        amendment: the amendment.
        configuration: its configuration as :func:`legm.runlog.log_frames.encoded_configuration` has it.

    Raises:
        CorruptFile: the log is damaged.
        StorageError: it cannot be written.
    """
    end, last = _log_end(path, file)
    if last is not None and _is_same_amendment(last, amendment):
        return
    try:
        status = os.fstat(file.fileno())
        frame = amendment_frame(amendment, configuration)
        file.seek(end)
        file.write(frame)
        if status.st_size > end + len(frame):  # an incomplete frame was longer
            file.truncate()
        file.flush()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # when an interrupted run ended
    except OSError as cause:
        raise storage_error("write the run log", path, cause) from cause


def read_amended_run(path: Path) -> Run | None:
    """The run of a log as a user amended it; None where it is as it began, also because that was undone.

    Args:
        path: the file.

    Raises:
        CorruptFile: it is damaged.
        StorageError: it cannot be read.
    """
    now = read_log_head(path).run
    try:
        with path.open("rb") as file:
            data = file.read(len(HEADER) + FRAME_HEAD.size)
            data += file.read(FRAME_HEAD.unpack(data[len(HEADER) :])[1])
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    begun = parse_log(path, data).run
    own = {name: now.parameters.get(name) for name in begun.parameters}
    is_same = (
        begun.configuration.fingerprint,
        begun.description,
        canonical_plain_text(begun.parameters),
    ) == (
        now.configuration.fingerprint,
        now.description,
        canonical_plain_text(own),
    )
    return None if is_same else now


def _is_same_amendment(payload: bytes, amendment: Amendment) -> bool:
    if json.dumps(amendment.configuration.fingerprint).encode() not in payload:
        return False
    try:
        last = json.loads(payload)
    except ValueError:
        return False
    if not isinstance(last, dict):
        return False
    ignored = {} if amendment.undelivered_to else {"time": 0, "undelivered_to": []}
    wanted = json.loads(json.dumps({**amendment_frame_content(amendment), **ignored}))
    return json.dumps({**last, **ignored}, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def _log_end(path: Path, file: BinaryIO) -> tuple[int, bytes | None]:
    """The byte after the last complete frame, and the payload of the last amendment.

    Raises:
        CorruptFile: the log is damaged.
    """
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if not is_log_header(file.read(len(HEADER))):
            raise CorruptFile(path, "byte 0", "it is not a run log", "Try `legm recover`.")
        end, last, amendment = len(HEADER), -1, None
        for start, length, kind in iterate_frame_heads(file, end):
            if kind is None:
                raise CorruptFile(path, f"byte {start}", "no frame starts there", "Try `legm recover`.")
            if start + FRAME_HEAD.size + length > size:
                break
            last, end = start, start + FRAME_HEAD.size + length
            if kind == AMENDMENT:
                amendment = start + FRAME_HEAD.size, length
        amended = None
        if amendment is not None:
            file.seek(amendment[0])
            amended = file.read(amendment[1])
        if last >= 0 and not _is_log_frame_sound(file, last):
            end = last  # incomplete, as power failures leave it
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    return end, amended


def _is_log_frame_sound(file: BinaryIO, start: int) -> bool:
    file.seek(start)
    head = file.read(FRAME_HEAD.size)
    _, length, crc, _ = FRAME_HEAD.unpack(head)
    checksum = zlib.crc32(head[4:8] + head[12:13])
    while length > 0 and (piece := file.read(min(length, 1 << 20))):
        checksum, length = zlib.crc32(piece, checksum), length - len(piece)
    return checksum == int(crc)
