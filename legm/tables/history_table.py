"""The table with a row for each value of a series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.records import RunResult, Series
from legm.tables.columns import Column, number_column, repeated_label_column
from legm.tables.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from legm.records import FloatArray, IntArray

__all__ = ["AXES", "RunSeries", "SeriesRows", "history_table"]

AXES = ("step", "time")
"""What x can be beside a metric."""

_LABELS = {
    "experiment": "the experiment's name",
    "configuration": "the configuration's folder; its name where there are no folders",
    "fingerprint": "the identity of the configuration",
    "run_id": "the run's id",
    "status": "completed, failed, interrupted, pruned or running",
    "metric": "the metric's name",
    "split": "dev for a series over steps, test for a single value",
    "index": "the example of an indexed metric; missing for a metric of the whole run",
}
_STEP = "the step; missing for test values"
_TIME = "when the value was set, in seconds since 1970 (UTC); missing where the store does not have it"


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """The values of one series of a run.

    Args:
        series: the series.
        steps: shape (n,), strictly increasing; None for a test value.
        times: shape (n,), in seconds since 1970; None where they are unknown.
        values: shape (n,).
    """

    series: Series
    steps: IntArray | None
    times: FloatArray | None
    values: FloatArray


@dataclass(frozen=True, slots=True)
class RunSeries:
    """A run with the series that are shown of it.

    Args:
        result: the run.
        label: that of its configuration.
        rows: its series.
        x: the series of the metric that is the horizontal axis; None where the run has none.
    """

    result: RunResult
    label: str
    rows: Sequence[SeriesRows]
    x: SeriesRows | None = None


def history_table(runs: Iterable[RunSeries], x: str = "step") -> Table:
    """A row for each value: run by run, series by series, by step.

    Args:
        runs: the runs.
        x: "step" for no further column; else the column x: "time" for seconds since the run began, or the
            name of a metric for its value at the same step, else its last one before, NaN before the first.
    """
    found = list(runs)
    blocks = [(run, rows) for run in found for rows in run.rows]
    lengths = np.array([len(rows.values) for _, rows in blocks], np.int64)
    labels = [_history_labels(run, rows.series) for run, rows in blocks]
    columns = [
        repeated_label_column(name, [row[at] for row in labels], lengths, about)
        for at, (name, about) in enumerate(_LABELS.items())
    ]
    steps = [rows.steps for _, rows in blocks]
    times = [rows.times for _, rows in blocks]
    columns += [
        _joined_history_column("step", steps, lengths, np.int64(0), _STEP),
        _joined_history_column("time", times, lengths, np.float64("nan"), _TIME),
        _joined_history_column(
            "value", [rows.values for _, rows in blocks], lengths, np.float64("nan"), "the value"
        ),
    ]
    if x != "step":
        columns.append(_history_x_column(x, blocks, lengths))
    return Table("value", columns)


def _history_labels(run: RunSeries, series: Series) -> tuple[str | None, ...]:
    of = run.result.run
    return (
        of.configuration.experiment,
        run.label,
        of.configuration.fingerprint,
        of.run_id,
        run.result.status.value,
        series.name,
        series.split.value,
        series.index,
    )


def _joined_history_column(
    name: str, pieces: Sequence[NDArray[Any] | None], lengths: NDArray[np.int64], empty: Any, about: str
) -> Column:
    """A column of the numbers of all blocks; those of a block that has none are missing."""
    if len(pieces) == 1 and pieces[0] is not None and _is_history_array_whole(pieces[0]):
        return number_column(name, pieces[0], about, None)  # not copied
    whole = np.empty(int(lengths.sum()), empty.dtype)
    start = 0
    for piece, length in zip(pieces, lengths.tolist(), strict=True):
        whole[start : start + length] = empty if piece is None else piece
        start += length
    unknown = [piece is None for piece in pieces]
    return number_column(name, whole, about, np.repeat(unknown, lengths) if any(unknown) else None)


def _is_history_array_whole(array: NDArray[Any]) -> bool:
    return bool(array.flags.c_contiguous and array.flags.writeable)


def _history_x_column(
    x: str, blocks: Sequence[tuple[RunSeries, SeriesRows]], lengths: NDArray[np.int64]
) -> Column:
    if x == "time":
        pieces = [None if rows.times is None else rows.times - run.result.run.started for run, rows in blocks]
        about = "seconds from the start of the run"
    else:
        pieces = [_history_x_values(run.x, rows.steps) for run, rows in blocks]
        about = f"the value of {x} at the step, else its last one before"
    return _joined_history_column("x", pieces, lengths, np.float64("nan"), about)


def _history_x_values(x: SeriesRows | None, steps: IntArray | None) -> FloatArray | None:
    """The last values of a series at or before steps; NaN before the first."""
    if x is None or steps is None or x.steps is None or not len(x.steps):
        return None
    if x.steps is steps:
        return x.values
    at = np.searchsorted(x.steps, steps, side="right") - 1
    return np.where(at >= 0, x.values[np.maximum(at, 0)], np.nan)
