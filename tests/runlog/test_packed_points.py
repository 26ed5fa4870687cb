"""Packed rows of numbers in run logs."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.errors import CorruptFile
from legm.records import Configuration, Points, Run, Series, Split
from legm.runlog.log_frames import FRAME_HEAD, HEADER, MAGIC, PACKED, layout_frame, points_frame, run_frame
from legm.runlog.log_reader import read_log
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.log_writer import LogWriter, write_run_log
from legm.runlog.packed_points import PACKED_HEAD, pack_points, unpack_points

RUN = Run("20260101-000000-000-abcdef", Configuration("packed", "v1-0", "packed", {}, (), {}), "", 1.7e9)
SERIES = tuple(Series(f"metric_{number}", Split.DEV) for number in range(4))
ANY_BITS = st.integers(-(2**63), 2**63 - 1)


def raw(layout, steps, times, values):
    parts = (np.asarray(layout, "<u4"), np.asarray(steps, "<i8"), np.asarray(times), np.asarray(values))
    return [part.tobytes() for part in parts]


def unpacked(packed):
    return [column.tobytes() for column in unpack_points(memoryview(packed))]


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=40),
    st.lists(ANY_BITS, min_size=200, max_size=200),
)
def test_every_bit_of_steps_times_and_values_comes_back(layout, bits):
    layout = np.repeat(np.array(layout, "<u4"), 20)
    rows = len(layout)
    every = np.resize(np.array(bits, "<i8"), 8 * rows)
    steps, times = every[:rows], every[rows : 2 * rows].view("<f8")
    values = every[2 * rows : 2 * rows + int((layout + 1).sum())].view("<f8")
    packed = pack_points(layout, steps, times, values)
    if packed is not None:
        assert unpacked(packed) == raw(layout, steps, times, values)


@pytest.mark.parametrize(
    ("what", "most"),
    [("random", 7.3), ("single precision", 4.0), ("constant", 0.3), ("NaN", 0.3)],
)
def test_a_value_of_ten_in_a_step_takes_few_bytes(what, most):
    random = np.random.default_rng(7).random((1000, 10))
    values = {
        "random": random,
        "single precision": random.astype("f4").astype("f8"),
        "constant": np.full((1000, 10), 1e-5),
        "NaN": np.full((1000, 10), np.nan),
    }[what]
    times = 1.8e9 + np.cumsum(np.random.default_rng(8).random(1000) / 1000)
    packed = pack_points(np.zeros(1000, "<u4"), np.arange(1000), times, values.ravel())
    assert packed is not None
    assert len(packed) / 10_000 < most
    assert unpacked(packed) == raw(np.zeros(1000), np.arange(1000), times, values.ravel())


def test_a_long_log_is_read_in_pieces_like_the_whole(tmp_path):
    rows = 120_000
    layout = np.arange(rows, dtype="<u4") % 2
    steps, times = np.arange(rows) // 2, 1.8e9 + np.arange(rows) / 1000
    values = np.resize([0.5, 1 / 3, 1 / 3], rows // 2 * 4)
    points = Points((SERIES[:1], SERIES[1:]), layout, steps, times, values)
    path = tmp_path / f"{RUN.run_id}.log"
    write_run_log(path, RUN, [points])
    assert path.stat().st_size < 28 * rows / 4
    whole, pieces = read_log(path), read_log_in_pieces(path)
    assert pieces.end == whole.end == path.stat().st_size
    assert len(pieces.records) > 2  # the numbers are never unpacked all at once
    for log in (whole, pieces):
        found = np.concatenate([np.asarray(one.values) for one in log.records])
        assert np.array_equal(found, points.values)
        assert np.array_equal(np.concatenate([np.asarray(one.steps) for one in log.records]), steps)


def frame(content: bytes) -> bytes:
    crc = zlib.crc32(struct.pack("<IB", len(content), PACKED) + content)
    return FRAME_HEAD.pack(MAGIC, len(content), crc, PACKED) + content


def packed_content(rows=100):
    packed = pack_points(np.zeros(rows, "<u4"), np.arange(rows), np.arange(rows) / 8, np.ones(rows))
    assert packed is not None
    return packed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01\x00\x00",
        PACKED_HEAD.pack(100, 100, 0),
        PACKED_HEAD.pack(100, 100, 0) + b"no zlib",
        PACKED_HEAD.pack(2**32 - 1, 2**32 - 1, 0) + packed_content()[9:],
        PACKED_HEAD.pack(100, 101, 0) + packed_content()[9:],
        PACKED_HEAD.pack(100, 99, 0) + packed_content()[9:],
        PACKED_HEAD.pack(100, 100, 1) + packed_content()[9:],
        packed_content()[:-6],
        packed_content() + b"more",
    ],
    ids=[
        "empty",
        "no head",
        "no data",
        "no zlib",
        "huge",
        "more values",
        "fewer values",
        "other bits",
        "cut",
        "more",
    ],
)
def test_a_packed_frame_that_cannot_be_understood_is_reported_and_passed_over(tmp_path, caplog, content):
    own = points_frame(np.zeros(100, "<u4"), np.arange(100), np.arange(100) / 8, np.full(100, 0.5))
    assert own[12] == PACKED
    before = HEADER + run_frame(RUN) + layout_frame(SERIES[:1]) + own
    path = tmp_path / f"{RUN.run_id}.log"
    path.write_bytes(before + frame(content) + own)
    (record,) = read_log(path).records
    assert len(record.values) == 200
    assert f"byte {len(before)}: not written by legm, skipped" in caplog.text


def test_a_log_of_the_first_version_is_of_the_second_once_it_is_written(tmp_path):
    path = tmp_path / f"{RUN.run_id}.log"
    first = b"legm run log 1\n" + run_frame(RUN) + layout_frame(SERIES[:1])
    path.write_bytes(first)
    assert read_log(path).run == RUN
    assert path.read_bytes() == first
    writer = LogWriter(path, create=False)
    writer.append(points_frame(np.zeros(100, "<u4"), np.arange(100), np.arange(100) / 8, np.ones(100)))
    writer.close()
    assert path.read_bytes().startswith(b"legm run log 2\n" + first[15:])
    assert len(read_log(path).records[0].values) == 100


def test_damage_in_a_packed_frame_is_found(tmp_path):
    own = points_frame(np.zeros(100, "<u4"), np.arange(100), np.arange(100) / 8, np.full(100, 0.5))
    before = HEADER + run_frame(RUN) + layout_frame(SERIES[:1])
    path = tmp_path / f"{RUN.run_id}.log"
    damaged = bytearray(own)
    damaged[-3] ^= 1
    path.write_bytes(before + bytes(damaged) + own)
    with pytest.raises(CorruptFile, match=f"byte {len(before)}"):
        read_log(path)
