"""A log that is read in pieces has the same records, and never all of them in memory."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from legm.core.results import run_result
from legm.core.rewinding import without_rewound
from legm.errors import CorruptFile
from legm.records import (
    BestRule,
    Configuration,
    Display,
    Outcome,
    Points,
    Record,
    Rewind,
    Run,
    Series,
    Split,
    Status,
)
from legm.runlog.log_frames import HEADER, record_frame
from legm.runlog.log_reader import Log, read_log
from legm.runlog.log_records import read_log_in_pieces
from legm.runlog.log_writer import LogWriter, write_run_log

RUN = Run("run", Configuration("e", "f", "n", {"lr": 0.1}, ("lr",), {}), "", 0.0)
LOSS, ACCURACY, TEST = Series("loss"), Series("accuracy"), Series("loss", Split.TEST)


def rows(first: int, count: int, *layouts: tuple[Series, ...]) -> Points:
    """So many rows, of each layout in turn."""
    numbers = np.arange(first, first + count)
    layout = (numbers % len(layouts)).astype(np.uint32)
    width = sum(len(layouts[one]) for one in layout.tolist())
    values = np.random.default_rng(first).random(width)
    return Points(layouts, layout, numbers, numbers / 8, values)


RECORDS: tuple[Record, ...] = (
    rows(0, 70_000, (LOSS,)),
    Display("note", "a text", 3, 1.0),
    rows(70_000, 30_001, (LOSS,), (LOSS, ACCURACY), (TEST,)),
    BestRule("early_stopping", metric="loss", higher_better=False),
    Rewind(80_000, 13_000.0),
    rows(80_001, 100, (ACCURACY, LOSS)),
    Display("note", "another", 80_050, 13_000.0),
    rows(80_101, 10, (TEST,)),
    Outcome(Status.COMPLETED, 14_000.0),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_run_log(tmp_path / "run.log", RUN, RECORDS)
    return tmp_path / "run.log"


def columns_and_others(records: Sequence[Record]) -> list[object]:
    """The rows, as bytes, and the other records; how many records the rows make does not matter."""
    found: list[object] = []
    for is_points, group in itertools.groupby(records, lambda record: isinstance(record, Points)):
        if not is_points:
            found += group
            continue
        series: list[tuple[Series, ...]] = []
        columns = b"", b"", b""
        for points in group:
            series += map(points.layouts.__getitem__, points.layout.tolist())
            pieces = (points.steps, points.times, points.values)
            columns = tuple(before + new.tobytes() for before, new in zip(columns, pieces, strict=True))
        found.append((series, columns))
    return found


def test_the_records_are_the_same(path):
    whole, pieces = read_log(path), read_log_in_pieces(path)
    assert sum(isinstance(one, Points) for one in pieces.records) > sum(
        isinstance(one, Points) for one in whole.records
    ), "they are in pieces"
    assert columns_and_others(pieces.records) == columns_and_others(whole.records)
    assert columns_and_others(without_rewound(pieces.records)) == columns_and_others(
        without_rewound(whole.records)
    )
    for name in Log.__slots__:
        assert name == "records" or getattr(pieces, name) == getattr(whole, name), name


def test_so_is_the_result(path):
    found, expected = (run_result(RUN, read(path).records) for read in (read_log_in_pieces, read_log))
    assert [*found.histories] == [*expected.histories]
    for series, history in expected.histories.items():
        assert np.array_equal(found.histories[series].steps, history.steps)
        assert np.array_equal(found.histories[series].values, history.values)
    assert (found.best, found.test, found.points) == (expected.best, expected.test, expected.points)
    assert found.best_step is not None


def test_no_more_than_one_piece_is_in_memory(path):
    alive: list[weakref.ref[object]] = []
    most = 0
    for record in without_rewound(read_log_in_pieces(path).records):
        if isinstance(record, Points):
            alive.append(weakref.ref(record.values))
            most = max(most, sum(one() is not None for one in alive))
    assert len(alive) > 4
    assert most <= 3, "the one that is looked at, and those of the piece that was read last"


@pytest.mark.slow
def test_the_log_may_move_and_grow_after_it_was_read(path):
    expected = columns_and_others(read_log(path).records)
    known = read_log_in_pieces(path)
    moved = path.rename(path.with_name("moved.log"))
    writer = LogWriter(moved, create=False)
    writer.append(record_frame(Display("late", "a text", 1, 1.0)))
    writer.close()
    assert columns_and_others(known.records) == expected
    assert len(read_log_in_pieces(moved).records) == len(known.records) + 1


def test_an_incomplete_end_is_left_out(path):
    path.write_bytes(path.read_bytes()[:-3])
    found = read_log_in_pieces(path)
    assert found.incomplete_bytes == read_log(path).incomplete_bytes > 0
    assert not any(isinstance(one, Outcome) for one in found.records)


@pytest.mark.parametrize("at", [0, len(HEADER) + 20, 400_000])
def test_damage_is_the_same_error(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFile) as expected:
        read_log(path)
    with pytest.raises(CorruptFile) as found:
        read_log_in_pieces(path)
    assert str(found.value) == str(expected.value)
