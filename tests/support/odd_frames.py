"""Frames of run logs that legm did not write, each with a valid checksum."""

from __future__ import annotations

import json
import struct
import zlib

from legm.runlog.log_frames import BACKENDS, CURSORS, FRAME_HEAD, MAGIC, POINTS, RECORD
from legm.runlog.log_frames import LAYOUT as LAYOUT_FRAME


def json_frame(kind: int, content: object) -> bytes:
    return encode_frame(kind, json.dumps(content).encode())


def encode_frame(kind: int, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(struct.pack("<IB", len(payload), kind)))
    return FRAME_HEAD.pack(MAGIC, len(payload), checksum, kind) + payload


def rows_frame(layout: int, values: int) -> bytes:
    """One row with a number of values."""
    return encode_frame(POINTS, struct.pack("<IIqd", 1, layout, 7, 1.0) + bytes(8 * values))


OUTCOME = {"type": "outcome", "status": "failed", "time": 1.0, "error": "x"}
ODD_FRAMES = {
    "no JSON": encode_frame(RECORD, b"{"),
    "nested too deep": encode_frame(RECORD, b"[" * 100_000),
    "no mapping": json_frame(RECORD, [1]),
    "no type": json_frame(RECORD, {"x": 1}),
    "a status that there is not": json_frame(RECORD, {**OUTCOME, "status": "exploded"}),
    "a time that is text": json_frame(RECORD, {**OUTCOME, "time": "now"}),
    "a missing field": json_frame(RECORD, {"type": "outcome"}),
    "a rule of other types": json_frame(RECORD, {"type": "best_rule", "method": 3}),
    "a layout without names": json_frame(LAYOUT_FRAME, [["a", "dev"]]),
    "a layout with a number as name": json_frame(LAYOUT_FRAME, [[3, "dev", None]]),
    "too few rows": encode_frame(POINTS, b"\x02\0\0\0" + bytes(50)),
    "a row with too few values": rows_frame(0, 1),
    "a row with too many values": rows_frame(0, 3),
    "two rows whose lengths balance": rows_frame(0, 1) + rows_frame(0, 3),
    "a row of an unknown layout": rows_frame(99, 2),
    "cursors that are a list": json_frame(CURSORS, [1]),
    "cursors that are texts": json_frame(CURSORS, {"local": "x"}),
    "backends without options": json_frame(BACKENDS, {"local": 3}),
}
NEWER_FRAMES = {
    "a kind of frame": encode_frame(99, b"whatever"),
    "a type of record": json_frame(RECORD, {"type": "hologram", "x": 1}),
    "a field": json_frame(RECORD, {**OUTCOME, "mood": "bad"}),
}
