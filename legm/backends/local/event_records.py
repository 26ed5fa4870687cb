"""Records of TensorBoard's event files, as bytes; see :mod:`legm.backends.local.event_file`."""

from __future__ import annotations

import struct
from typing import Any

import google_crc32c

__all__ = [
    "EVENT_FRAME",
    "clean_event_tag",
    "encode_event_field",
    "encode_event_head",
    "encode_event_record",
    "encode_event_varint",
    "is_event_frame",
    "mask_event_crc",
    "plugin_event",
]

EVENT_FRAME = 12
"""Bytes of a record before its event."""

_EMPTY_TENSOR = b"\x08\x01\x12\x02\x12\x00"  # of type float, in one dimension of size 0


def encode_event_record(event: bytes) -> bytes:
    """The event as a framed record."""
    length = struct.pack("<Q", len(event))
    checks = (struct.pack("<I", mask_event_crc(google_crc32c.value(part))) for part in (length, event))
    return length + next(checks) + event + next(checks)


def mask_event_crc(crc: Any) -> Any:
    """TensorFlow's masked CRC of a CRC (int or uint64 array): rotated right by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def encode_event_head(time: float, step: int) -> bytes:
    """The fields ``wall_time`` and ``step`` at the start of an event."""
    return b"\x09" + struct.pack("<d", time) + b"\x10" + encode_event_varint(step % 2**64)


def encode_event_field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that holds bytes, a string or a message."""
    return bytes([number << 3 | 2]) + encode_event_varint(len(content)) + content


def encode_event_varint(number: int, width: int = 1) -> bytes:
    """A number in at least so many bytes."""
    septets = bytearray()
    while number > 127 or len(septets) < width - 1:
        septets.append(number & 127 | 128)
        number >>= 7
    return bytes([*septets, number])


def clean_event_tag(text: str) -> str:
    """The text with question marks for lone surrogates, which UTF-8 cannot represent."""
    return text.encode("utf-8", "replace").decode()


def plugin_event(tag: str, plugin: str, content: bytes, time: float) -> bytes:
    """An event that has what a plugin keeps in the metadata of an empty tensor."""
    data = encode_event_field(1, plugin.encode()) + encode_event_field(2, content)
    value = encode_event_field(1, tag.encode()) + encode_event_field(8, _EMPTY_TENSOR)
    value += encode_event_field(9, encode_event_field(1, data))
    return encode_event_head(time, 0) + encode_event_field(5, encode_event_field(1, value))


def is_event_frame(frame: bytes) -> bool:
    """Whether the bytes before an event have the checksum of its length."""
    return frame[8:] == struct.pack("<I", mask_event_crc(google_crc32c.value(frame[:8])))
