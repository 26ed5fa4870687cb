"""The curves of single runs over their steps, over time, or over another metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from legm.records import Curve, Plain, Series
from legm.report.curve_detail import CurveDetail
from legm.report.number_encoding import encode_numbers_exactly, encode_numbers_for_drawing
from legm.stats.downsampling import line
from legm.stats.smoothing import smoothed_values
from legm.tables.history_table import RunSeries, SeriesRows
from legm.ui.stored_runs import StoredRuns

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["single_curves"]

_MOST_RUNS = 40  # of a configuration that are drawn, the newest


def single_curves(
    stored: StoredRuns,
    experiment: str,
    fingerprints: Sequence[str],
    metrics: Sequence[str],
    axis: str,
    detail: CurveDetail,
) -> list[dict[str, Plain]]:
    """Every run of some configurations by itself.

    Args:
        stored: where they are.
        experiment, fingerprints: which configurations; those that are not there are left out.
        metrics: the dev metrics.
        axis: ``step``; ``since``, for the seconds since the run began; ``time``, for those since 1970; or
            ``metric:`` and the name of a dev metric.
        detail: how much of each curve there is; its ends are those of the axis.

    Returns:
        for each run and metric the run's ``id``, ``fingerprint``, ``description`` and ``status``, the
        ``metric``, and the points ``x`` and ``y``, with the average over them where one is wanted
        (``smoothed``). A run without what the axis needs has none.

    Raises:
        LegmError: the runs cannot be read.
    """
    other = axis.removeprefix("metric:") if axis.startswith("metric:") else ""
    found: list[dict[str, Plain]] = []
    for fingerprint in stored.present_fingerprints(experiment, fingerprints):
        for one in stored.series_of(experiment, fingerprint, metrics, other or "step", _MOST_RUNS):
            for rows in one.rows:
                if rows.series.name not in metrics or rows.series.index is not None or rows.steps is None:
                    continue
                points = _single_curve_points(one, rows, axis)
                if points is not None:
                    found.append(
                        {
                            "id": one.result.run.run_id,
                            "fingerprint": fingerprint,
                            "description": one.result.run.description,
                            "status": one.result.status.value,
                            "metric": rows.series.name,
                            **_drawn_single_curve(rows.series, *points, detail),
                        }
                    )
    return found


def _single_curve_points(run: RunSeries, rows: SeriesRows, axis: str) -> tuple[FloatArray, FloatArray] | None:
    """The values with where each is on the axis; None where that is not known."""
    assert rows.steps is not None  # noqa: S101
    if axis == "step":
        return rows.steps.astype(np.float64), rows.values
    if axis in {"since", "time"}:
        if rows.times is None:
            return None
        return (rows.times - run.result.run.started if axis == "since" else rows.times), rows.values
    if run.x is None or run.x.steps is None:
        return None
    _, own, others = np.intersect1d(rows.steps, run.x.steps, assume_unique=True, return_indices=True)
    return (run.x.values[others], rows.values[own]) if len(own) else None


def _drawn_single_curve(
    series: Series, x: FloatArray, values: FloatArray, detail: CurveDetail
) -> dict[str, Plain]:
    """The points that are drawn: those with the extremes, in the order in which they were set."""
    values = values.astype(np.float64)
    smoothed = smoothed_values(values, detail.smoothing) if detail.smoothing else None
    first, last = _single_curve_in_view(x, detail)
    part = slice(first, last)
    positions = np.arange(first, last, dtype=np.int64)
    own = values[part]
    curve = Curve(series.name, "", positions, own, own, own, np.ones(len(own), np.int64))
    thin = line(curve, detail.buckets)
    at = thin.steps.astype(np.int64)
    found: dict[str, Plain] = {
        "x": encode_numbers_exactly(x[at]),
        "y": encode_numbers_for_drawing(thin.center),
    }
    if smoothed is not None:
        shown = smoothed[at]
        found["smoothed"] = encode_numbers_for_drawing(np.where(np.isfinite(shown), shown, np.nan))
    return found


def _single_curve_in_view(x: FloatArray, detail: CurveDetail) -> tuple[int, int]:
    """The part of the points that is in view, with one beyond each end; all where the axis goes back."""
    if len(x) < 2 or not (np.diff(x) >= 0).all():
        return 0, len(x)
    first = max(0, int(np.searchsorted(x, detail.start, "left")) - 1)
    last = min(len(x), int(np.searchsorted(x, detail.end, "right")) + 1)
    return first, max(last, first + 1)
