"""A run's entry in TensorBoard's HPARAMS table: written with spare bytes, and replaced where it is."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import secrets
import struct
from collections.abc import Mapping

from legm.backends.local.event_records import (
    EVENT_FRAME,
    clean_event_tag,
    encode_event_field,
    encode_event_record,
    encode_event_varint,
    is_event_frame,
    plugin_event,
)
from legm.records import Plain

__all__ = ["hparams_event_record", "hparams_session", "replace_event_hparams"]

_SESSION_START = "_hparams_/session_start_info"
_SESSION_START_TAG = b"\x0a\x1c" + _SESSION_START.encode()
_BEFORE_TAG = 60  # bytes of a record before its tag, at most
_TAIL = 1 << 16  # bytes at the end of a file in which the entry is looked for first
_HPARAMS_SPARE = 128  # bytes by which an entry may become longer, at least


def hparams_session(parameters: Mapping[str, Plain], group: str) -> bytes:
    """What the entries of the runs of a configuration in TensorBoard's HPARAMS table have in common.

    Args:
        parameters, group: as of :meth:`EventFile.hparams`.
    """
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo

    info = SessionStartInfo(group_name=clean_event_tag(group))
    for name, value in parameters.items():
        setattr(info.hparams[clean_event_tag(name)], *_encode_event_hparam(value))
    session: bytes = info.SerializeToString(deterministic=True)
    return session


def replace_event_hparams(folder: str, session: bytes, started: float) -> None:
    """Replace the run's entry in TensorBoard's HPARAMS table; everything else stays as it is.

    The entry is overwritten where it is, in the space that was kept for it; only one that is too long is
    written by making a new file. A TensorBoard that has read the files shows the old entry until it is
    started again.

    Args:
        folder: the folder of the run's event files.
        session: what :func:`hparams_session` returned.
        started: when the run started, in seconds since 1970 (UTC).

    Raises:
        OSError: the disk refuses.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - quicker than Path's
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.startswith("events.out.tfevents."):
            _replace_hparams_in_file(f"{folder}/{name}", session, started)


def _replace_hparams_in_file(path: str, session: bytes, started: float) -> None:
    try:
        file = _open_hparams_file(path, os.O_RDWR)
    except PermissionError:  # the file, but not its folder, is read-only
        file = _open_hparams_file(path, os.O_RDONLY)
    if file is None:
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        for begin in sorted({max(0, size - _TAIL), 0}, reverse=True):
            file.seek(begin)
            tail = file.read(size - begin)
            found = _find_hparams_record(tail)
            if found is not None:
                break
        else:
            return
        start, end = found
        new = _sized_hparams_record(session, started, end - start)
        if new == tail[start:end]:
            return
        if new is not None and file.writable():
            file.seek(begin + start)
            file.write(new)
            return
        file.seek(0)
        before = file.read(begin + start)
    temporary = f"{os.path.dirname(path)}/.{secrets.token_hex(8)}.partial"  # noqa: PTH120
    with open(temporary, "xb") as made:  # noqa: PTH123
        made.writelines([before, hparams_event_record(session, started), tail[end:]])
    os.replace(temporary, path)  # noqa: PTH105


def _open_hparams_file(path: str, flags: int) -> io.FileIO | None:
    """A file, open; None for a link, which may lead anywhere."""
    try:
        fd = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            return None
        raise
    return io.FileIO(fd, "r+" if flags & os.O_RDWR else "r")


def _find_hparams_record(data: bytes) -> tuple[int, int] | None:
    """Where the record of the last entry in the HPARAMS table starts and ends; None where there is none.

    One that was written in part, when the power failed, is found too.
    """
    at = data.rfind(_SESSION_START_TAG)
    while at >= 0:
        for start in range(at - EVENT_FRAME, max(-1, at - _BEFORE_TAG), -1):
            end = start + EVENT_FRAME + struct.unpack_from("<Q", data, start)[0] + 4
            if at < end <= len(data) and is_event_frame(data[start : start + EVENT_FRAME]):
                return start, end
        at = data.rfind(_SESSION_START_TAG, 0, at)
    return None


def _sized_hparams_record(session: bytes, started: float, size: int) -> bytes | None:
    """The record of a run's entry in the HPARAMS table, of exactly so many bytes; None where it is longer."""
    event = _hparams_event(session, started)
    missing = size - EVENT_FRAME - len(event) - 4
    return None if missing < 0 else encode_event_record(_lengthen_event(event, missing))


def hparams_event_record(session: bytes, started: float) -> bytes:
    """The same with space for a longer entry, so that parameters can be renamed and added."""
    event = _hparams_event(session, started)
    spare = max(_HPARAMS_SPARE, len(event) // 2)
    return encode_event_record(_lengthen_event(event, spare))


def _hparams_event(session: bytes, started: float) -> bytes:
    info = session + b"\x29" + struct.pack("<d", started)
    return plugin_event(_SESSION_START, "hparams", encode_event_field(3, info), started)


def _lengthen_event(event: bytes, missing: int) -> bytes:
    """The same event with so many bytes more, which say nothing.

    A few make the step's varint longer; more are spaces in ``source_metadata.writer``, which no reader shows.
    """
    if missing < 10:
        return event[:9] + b"\x10" + b"\x80" * missing + b"\x00" + event[11:] if missing else event
    width = 1 if missing < 100 else 5
    spaces = missing - 2 - 2 * width
    lengths = (encode_event_varint(spaces + 1 + width, width), encode_event_varint(spaces, width))
    return event + b"\x52" + lengths[0] + b"\x0a" + lengths[1] + b" " * spaces


def _encode_event_hparam(value: Plain) -> tuple[str, bool | float | str]:
    """The field of a ``google.protobuf.Value`` that shows the value, and what to put in it."""
    if isinstance(value, bool):
        return "bool_value", value
    exact = isinstance(value, int) and abs(value) <= 2**53
    if exact or (isinstance(value, float) and math.isfinite(value)):
        return "number_value", value
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return "string_value", clean_event_tag(value)
