"""How much of each curve a page has: its resolution, the steps in view, and how it is smoothed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from legm.records import Curve
from legm.stats.downsampling import Line, line
from legm.stats.smoothing import smoothed_values

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["CurveDetail"]


@dataclass(frozen=True, slots=True)
class CurveDetail:
    """How curves are put on a page; what is averaged is not changed by it.

    Args:
        buckets: at most so many of a curve, about the number of pixels.
        start, end: the steps in view; a point beyond either end is there too, so that lines reach the edges.
        smoothing: the weight of the average that is drawn over the curve; 0 for none.
    """

    buckets: int = 60
    start: float = -math.inf
    end: float = math.inf
    smoothing: float = 0.0

    def downsampled(self, curve: Curve, buckets: int) -> tuple[Line, FloatArray | None]:
        """The points of a curve that are drawn, and the average at these; None without one.

        The average is that of all values, also of those that are not drawn.

        Args:
            curve: the curve.
            buckets: of the part that is in view.

        Raises:
            ValueError: the weight of the average is not from 0 to below 1.
        """
        smoothed = smoothed_values(curve.center, self.smoothing) if self.smoothing else None
        thin = line(self._in_view(curve), buckets)
        if smoothed is None:
            return thin, None
        at = np.searchsorted(curve.steps, thin.steps.astype(np.int64))
        own = smoothed[at]
        return thin, np.where(np.isfinite(own), own, np.nan)

    def _in_view(self, curve: Curve) -> Curve:
        first = max(0, int(np.searchsorted(curve.steps, self.start, "left")) - 1)
        last = min(len(curve.steps), int(np.searchsorted(curve.steps, self.end, "right")) + 1)
        if (first, last) == (0, len(curve.steps)):
            return curve
        part = slice(first, max(last, first + 1))
        return replace(
            curve,
            steps=curve.steps[part],
            center=curve.center[part],
            lower=curve.lower[part],
            upper=curve.upper[part],
            runs=curve.runs[part],
        )
