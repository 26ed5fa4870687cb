"""Curves downsampled to the resolution at which they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.records import Curve

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = ["POINTS_PER_BUCKET", "Line", "clip_downsampled", "line"]

POINTS_PER_BUCKET = 5
"""At most so many points of a bucket are kept by :func:`line`."""

_PART = 1 << 15  # points of which some are chosen at once
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
    if len(curve.steps) <= POINTS_PER_BUCKET * buckets:
        every = np.arange(len(curve.steps))
        return _line_of(curve, every, every[curve.center > LARGEST], every[curve.center < -LARGEST])
    first, last = curve.steps[[0, -1]].tolist()
    edges = np.ceil(np.linspace(first, last, buckets + 1)[:-1]).astype(np.int64)
    starts = np.unique(np.append(0, np.searchsorted(curve.steps, edges)))
    parts = []
    while len(starts):  # whole buckets, so many that their numbers stay in the processor's cache
        count = max(1, int(np.searchsorted(starts, starts[0] + _PART, "right")) - 1)
        end = int(starts[count]) if count < len(starts) else len(curve.steps)
        part = _chosen_in_buckets(curve.center[starts[0] : end], starts[:count] - starts[0])
        parts.append([chosen + starts[0] for chosen in part])
        starts = starts[count:]
    return _line_of(curve, *(np.concatenate(chosen) for chosen in zip(*parts, strict=True)))


def _line_of(curve: Curve, kept: IntArray, above: IntArray, below: IntArray) -> Line:
    steps = curve.steps
    center, lower, upper = (clip_downsampled(of[kept]) for of in (curve.center, curve.lower, curve.upper))
    return Line(
        steps[kept].astype(np.float64),
        center,
        lower,
        upper,
        steps[above].astype(np.float64),
        steps[below].astype(np.float64),
    )


def _chosen_in_buckets(values: FloatArray, starts: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The positions that are kept, and those of the first infinite and the first -infinite value of a bucket.

    Args:
        values: shape (n,), n > 0, of whole buckets.
        starts: where each bucket starts; the first is 0.
    """
    center, ends = clip_downsampled(values), np.append(starts[1:], len(values))

    def first_and_last(wanted: Any) -> tuple[IntArray, IntArray]:
        indices = np.flatnonzero(wanted)
        first, behind = np.searchsorted(indices, starts), np.searchsorted(indices, ends)
        has_one = behind > first
        return indices[first[has_one]], indices[behind[has_one] - 1]

    def first_extreme(reduce: Any) -> IntArray:
        with np.errstate(invalid="ignore"):
            found = reduce.reduceat(center, starts)  # NaN only where all are NaN
        return first_and_last(center == np.repeat(found, ends - starts))[0]

    missing = np.isnan(center)
    gaps = first_and_last(missing)[0]
    shown = (*first_and_last(~missing), first_extreme(np.fmin), first_extreme(np.fmax), gaps)
    above, below = (first_and_last(of)[0] for of in (values > LARGEST, values < -LARGEST))
    return np.unique(np.concatenate(shown)), above, below


def clip_downsampled(values: FloatArray) -> FloatArray:
    """The values, with NaN for those too large for an axis and 0 for those too small."""
    with np.errstate(invalid="ignore"):
        values = np.where(np.abs(values) <= LARGEST, values, np.nan)
        result: FloatArray = np.where(np.abs(values) < SMALLEST, 0.0, values)
    return result
