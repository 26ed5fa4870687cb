"""Curves downsampled to the resolution at which they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.records import Curve

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["POINTS_PER_BUCKET", "Line", "clip_downsampled", "line"]

POINTS_PER_BUCKET = 5
"""At most so many points of a bucket are kept by :func:`line`."""

LARGEST, SMALLEST = 1e300, 1e-300  # beyond these, axes overflow: drawn as infinite or zero


@dataclass(frozen=True, slots=True)
class Line:
    """A curve as it is drawn; NaN is a gap.

    Args:
        steps: shape (n,), increasing.
        center, lower, upper: shape (n,), as of the curve.
        above, below: shape (m,), the steps where the center is infinite or -infinite.
    """

    steps: FloatArray
    center: FloatArray
    lower: FloatArray
    upper: FloatArray
    above: FloatArray
    below: FloatArray


def line(curve: Curve, buckets: int = 2000) -> Line:
    """Downsample a curve by choosing steps: at each of them center and spread are those of the curve.

    A curve with more than 5 points per bucket is divided into buckets of equal width. Of each bucket the
    steps of the first, smallest, largest and last center are kept, and the first step without one, so that a
    gap stays a gap. Steps are chosen by the center alone: choosing wide spreads would widen the band.

    Args:
        curve: the curve.
        buckets: the number of buckets, about the number of pixels.

    Returns:
        at most ``POINTS_PER_BUCKET * buckets`` points.

    Source: U. Jugel et al., M4: A Visualization-Oriented Time Series Data Aggregation, 2014.
    """
    steps = curve.steps.astype(np.float64)
    center, lower, upper = (clip_downsampled(v) for v in (curve.center, curve.lower, curve.upper))
    above, below = curve.center > LARGEST, curve.center < -LARGEST
    if len(steps) <= POINTS_PER_BUCKET * buckets:
        return Line(steps, center, lower, upper, steps[above], steps[below])
    edges = np.linspace(steps[0], steps[-1], buckets + 1)
    starts = np.unique(np.searchsorted(steps, edges[:-1]))
    bucket = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(steps))))

    def extreme_of_bucket(reduce: Any) -> FloatArray:
        with np.errstate(invalid="ignore"):
            found: FloatArray = reduce.reduceat(center, starts)[bucket]  # NaN only where all are NaN
        return found

    def first_of_bucket(wanted: Any) -> Any:
        indices = np.flatnonzero(wanted)
        return indices[np.unique(bucket[indices], return_index=True)[1]]

    there = ~np.isnan(center)
    last = len(steps) - 1 - np.flatnonzero(there[::-1])
    last = last[np.unique(bucket[last], return_index=True)[1]]
    extremes = (
        first_of_bucket(center == extreme_of_bucket(np.fmin)),
        first_of_bucket(center == extreme_of_bucket(np.fmax)),
    )
    kept = np.unique(np.concatenate((first_of_bucket(there), *extremes, last, first_of_bucket(~there))))
    return Line(
        steps[kept],
        center[kept],
        lower[kept],
        upper[kept],
        steps[first_of_bucket(above)],
        steps[first_of_bucket(below)],
    )


def clip_downsampled(values: FloatArray) -> FloatArray:
    """The values, with NaN for those too large for an axis and 0 for those too small."""
    with np.errstate(invalid="ignore"):
        values = np.where(np.abs(values) <= LARGEST, values, np.nan)
        result: FloatArray = np.where(np.abs(values) < SMALLEST, 0.0, values)
    return result
