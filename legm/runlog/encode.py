"""Records as a run log: imported runs get one, so that they are delivered like any other run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from legm.records import Points, Record, Run, Series
from legm.runlog import format as runlog

__all__ = ["encode_frames", "write_run_log"]

_ROWS_PER_FRAME = 8192  # so that a long run is delivered in several batches


def write_run_log(path: Path, run: Run, records: Iterable[Record]) -> None:
    """Write a new log with a run's records; equal records give an equal file, byte for byte.

    Args:
        path: the file, which must not exist; its folder must.
        run: the run.
        records: all its records, in order.

    Raises:
        StorageError: the file cannot be written.
    """
    writer = runlog.LogWriter(path, create=True)
    try:
        writer.append(runlog.run_frame(run))
        for frame in encode_frames(records):
            writer.append(frame)
    finally:
        writer.close()


def encode_frames(records: Iterable[Record]) -> Iterator[bytes]:
    """Encode records as frames, to be written after the run's frame.

    Args:
        records: all records of a run, in order.
    """
    known: dict[tuple[Series, ...], int] = {}
    for record in records:
        if not isinstance(record, Points):
            yield runlog.record_frame(record)
        elif len(record.layout):
            for series in record.layouts:
                if series not in known:
                    known[series] = len(known)
                    yield runlog.layout_frame(series)
            yield from _encode_points(record, known)


def _encode_points(points: Points, known: dict[tuple[Series, ...], int]) -> Iterator[bytes]:
    import numpy as np

    numbers = np.array([known[series] for series in points.layouts], "<u4")[points.layout]
    widths = np.array([len(series) for series in points.layouts], np.int64)[points.layout]
    ends = np.concatenate([[0], np.cumsum(widths)])
    for at in range(0, len(numbers), _ROWS_PER_FRAME):
        rows = slice(at, min(at + _ROWS_PER_FRAME, len(numbers)))
        columns: list[Any] = [
            np.ascontiguousarray(numbers[rows]),
            np.ascontiguousarray(points.steps[rows], "<i8"),
            np.ascontiguousarray(points.times[rows], "<f8"),
            np.ascontiguousarray(points.values[ends[rows.start] : ends[rows.stop]], "<f8"),
        ]
        yield runlog.points_frame(*columns)
