"""The scale on which small curves are drawn beside each other, in a terminal or a notebook. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from legm.stats.downsampling import LARGEST, Line

if TYPE_CHECKING:
    from legm.records import Curve, FloatArray

__all__ = ["CurveScale", "curve_scale", "curve_values_at", "share_of_scale"]

_TAIL = 0.05  # of a curve's values at each end may lie beyond the scale, and curves may,
_FAR = 10.0  # if the scale would be so many times as long with them


@dataclass(frozen=True, slots=True)
class CurveScale:
    """What the edges of all curves of a table stand for.

    Args:
        first, last: the steps at the left and the right edge.
        low, high: the values at the lower and the upper edge.
        has_beyond: whether curves have values beyond low or high, which are drawn at the edge.
    """

    first: float
    last: float
    low: float
    high: float
    has_beyond: bool


def curve_scale(curves: Iterable[Curve]) -> CurveScale | None:
    """The scale on which curves can be compared; None where they have no finite value.

    A few values of a curve, and a few curves, that are far from all others are left out of it: they would
    flatten everything else.

    Args:
        curves: all that are drawn.
    """
    drawn = [one for one in curves if len(one.steps)]
    ranges = [_own_curve_range(values) for one in drawn if len(values := _finite_curve_values(one))]
    if not ranges:
        return None
    reference = sorted(ranges, key=lambda ends: ends[1] - ends[0])[(len(ranges) - 1) // 2]
    far = _FAR * (reference[1] - reference[0]) or np.inf
    near = [ends for ends in ranges if ends[0] >= reference[0] - far and ends[1] <= reference[1] + far]
    low, high = min(ends[0] for ends in near), max(ends[1] for ends in near)
    first, last = min(one.steps[0] for one in drawn), max(one.steps[-1] for one in drawn)
    has_beyond = any(bool(((one.center < low) | (one.center > high)).any()) for one in drawn)
    return CurveScale(float(first), float(last), low, high, has_beyond)


def _own_curve_range(values: FloatArray) -> tuple[float, float]:
    """The smallest and largest value of a curve, without single ones that are far from the others."""
    low, high = float(values.min()), float(values.max())
    inner = tuple(map(float, np.quantile(values, [_TAIL, 1 - _TAIL])))
    return (inner[0], inner[1]) if high - low > _FAR * (inner[1] - inner[0]) > 0 else (low, high)


def _finite_curve_values(curve: Curve) -> FloatArray:
    values: FloatArray = curve.center[np.abs(curve.center) <= LARGEST]  # NaN is not
    return values


def share_of_scale(values: FloatArray, low: float, high: float) -> FloatArray:
    """Where values are between two ends, from 0 to 1; NaN stays, and what is beyond is at an end.

    Args:
        values: shape (n,).
        low, high: the ends; if they are equal, all values are in the middle.
    """
    with np.errstate(all="ignore"):  # halved, since the largest numbers are too far from each other
        share = (values / 2 - low / 2) / (high / 2 - low / 2) if high > low else values * 0 + 0.5
    share = np.where(np.isinf(values), values > 0, share)
    clipped: FloatArray = np.clip(share, 0, 1)
    return clipped


def curve_values_at(curve: Curve, line: Line) -> FloatArray:
    """The centers of a downsampled curve, with infinite ones as they are instead of gaps."""
    values: FloatArray = curve.center[np.searchsorted(curve.steps, line.steps)]
    return np.where(np.isinf(values), values, line.center)
