"""What counts of a run whose training went back to a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from legm.core.record_sequences import LazyRecords, records_without_numbers
from legm.core.system_names import is_system_name
from legm.records import Display, Media, Points, Record, Rewind, Series, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["last_step_after_rewinds", "rewind_behind", "value_counts_after_rewinds", "without_rewound"]


def rewind_behind(records: Iterable[Record], step: int, time: float) -> Rewind:
    """A rewind that is later than everything before it, even where the clock was set back since.

    Args:
        records: all records of the run before it.
        step: the last step that stays.
        time: now, in seconds since 1970.
    """
    for record in records:
        if isinstance(record, Points) and len(record.times):
            time = max(time, float(record.times.max()))
        elif isinstance(record, (Display, Media, Rewind)):
            time = max(time, record.time)
    return Rewind(step, time)


def without_rewound(records: Sequence[Record]) -> Sequence[Record]:
    """The records of a run without what it was rewound behind, and without the rewinds themselves.

    A rewind makes earlier dev values, displays and media at a later step void. Test values have no step and
    stay, and so do files, the rule for the best step, and system metrics, whose step is a time.

    Args:
        records: all records of a run, in order.

    Returns:
        the same sequence where nothing was rewound.
    """
    if not any(isinstance(record, Rewind) for record in records_without_numbers(records)):
        return records
    makers: list[Callable[[], Record]] = []
    lowest: int | None = None  # the lowest step that a later rewind goes back to
    for at in range(len(records) - 1, -1, -1):
        record = records[at]
        if isinstance(record, Rewind):
            lowest = record.step if lowest is None else min(lowest, record.step)
        elif lowest is None or not _has_rewindable_step(record):
            makers.append(partial(records.__getitem__, at))
        elif isinstance(record, Points):
            if len(_points_up_to_rewind(record, lowest).layout):
                makers.append(partial(_points_rewound_at, records, at, lowest))
        elif isinstance(record, (Display, Media)) and record.step <= lowest:
            makers.append(partial(records.__getitem__, at))
    return LazyRecords(reversed(makers))


def _has_rewindable_step(record: Record) -> bool:
    """Whether a record has a step of the training; that of a system metric is seconds since the run began."""
    if isinstance(record, Display):
        return not is_system_name(record.name)
    return isinstance(record, (Points, Media))


def _points_rewound_at(records: Sequence[Record], at: int, step: int) -> Points:
    points = records[at]
    assert isinstance(points, Points)  # noqa: S101
    return _points_up_to_rewind(points, step)


def _points_up_to_rewind(points: Points, step: int) -> Points:
    """The rows of dev values up to a step, and all rows of test values."""
    import numpy as np

    if not len(points.layout):
        return points
    is_test = np.array([_is_unrewound_layout(layout) for layout in points.layouts], bool)
    kept: NDArray[np.bool_] = (points.steps <= step) | is_test[points.layout]
    if kept.all():
        return points
    widths = np.array([len(layout) for layout in points.layouts], np.int64)[points.layout]
    return Points(
        points.layouts,
        points.layout[kept],
        points.steps[kept],
        points.times[kept],
        points.values[np.repeat(kept, widths)],
    )


def _is_unrewound_layout(layout: Sequence[Series]) -> bool:
    return any(series.split is Split.TEST for series in layout)


def value_counts_after_rewinds(records: Sequence[Record]) -> dict[Series, int]:
    """By series, the number of values that count."""
    import numpy as np

    counts: dict[Series, int] = {}
    for record in without_rewound(records):
        if isinstance(record, Points):
            rows = np.bincount(record.layout, minlength=len(record.layouts)).tolist()
            for layout, number in zip(record.layouts, rows, strict=True):
                for series in layout if number else ():
                    counts[series] = counts.get(series, 0) + number
    return counts


def last_step_after_rewinds(records: Sequence[Record]) -> int | None:
    """The largest step of a dev value that counts; None without one."""
    import numpy as np

    last: int | None = None
    for record in without_rewound(records):
        if isinstance(record, Points) and len(record.layout):
            is_dev = np.array([not _is_unrewound_layout(layout) for layout in record.layouts], bool)
            steps = record.steps[is_dev[record.layout]]
            if len(steps):
                last = int(steps.max()) if last is None else max(last, int(steps.max()))
    return last
