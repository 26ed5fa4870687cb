"""Where the band of a curve is wider than it is drawn: between the points that are drawn."""

from __future__ import annotations

import math

import numpy as np

from legm.records import Curve
from legm.stats.downsampling import Line

__all__ = ["hidden_spread"]

_UNSEEN = 0.05  # of the height of what is drawn


def hidden_spread(curve: Curve, drawn: Line) -> tuple[int, float, float] | None:
    """The step at which the band of a curve is most beyond what is drawn beside it, and the ends of the band.

    Each drawn point and its band are those of the curve. Points are chosen by the line alone, so the band
    between two of them may be another one for a few steps.

    Args:
        curve: all of its points.
        drawn: those that were chosen.

    Returns:
        the step, the lower and the upper end; None where nothing is to be seen of it.
    """
    at = np.searchsorted(curve.steps, drawn.steps.astype(np.int64))
    if len(at) < 2 or at[-1] - at[0] + 1 == len(at):
        return None
    lower, upper = (of[at[0] : at[-1]] for of in (curve.lower, curve.upper))
    with np.errstate(invalid="ignore"):
        lowest, highest = np.fmin.reduceat(lower, at[:-1] - at[0]), np.fmax.reduceat(upper, at[:-1] - at[0])
        above = highest - np.fmax(drawn.upper[:-1], drawn.upper[1:])
        below = np.fmin(drawn.lower[:-1], drawn.lower[1:]) - lowest
        beyond = np.fmax(above, below)
        beyond[~np.isfinite(beyond)] = 0.0
        height = np.fmax.reduce(drawn.upper) - np.fmin.reduce(drawn.lower)
    worst = int(beyond.argmax())
    if not beyond[worst] > _UNSEEN * height:
        return None
    between = slice(at[worst] - at[0], at[worst + 1] - at[0])
    own = np.nanargmax(upper[between]) if above[worst] >= below[worst] else np.nanargmin(lower[between])
    found = int(at[worst] + own)
    ends = float(curve.lower[found]), float(curve.upper[found])
    return (int(curve.steps[found]), *ends) if all(map(math.isfinite, ends)) else None
