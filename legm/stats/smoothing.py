"""Smoothed curves: the debiased exponential moving average that TensorBoard draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["smoothed_values"]

_LARGEST_POWER = 200.0  # of 10, by which values are multiplied on the way


def smoothed_values(values: FloatArray, weight: float) -> FloatArray:
    """The debiased exponential moving average of values, one after the other.

    ``y[n] = (1 - w) * sum(w**(n - i) * x[i] for i <= n) / (1 - w**(n + 1))``, where NaN and infinities are
    left out, and stay as they are.

    Args:
        values: shape (n,).
        weight: w, from 0 for the values themselves to below 1.

    Returns:
        shape (n,).

    Raises:
        ValueError: the weight is not in that range.

    Source: D. P. Kingma, J. Ba, Adam: A Method for Stochastic Optimization, 2015, for the debiasing.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"the weight of the smoothing has to be from 0 to below 1, not {weight!r}")
    smoothed: FloatArray = values.astype(np.float64)
    if weight == 0:
        return smoothed
    finite = np.flatnonzero(np.isfinite(values))
    own = smoothed[finite]
    length = max(1, int(_LARGEST_POWER / -math.log10(weight)))  # so that no power of the weight overflows
    falling = weight ** np.arange(1.0, min(length, len(own)) + 1)
    last = 0.0
    for start in range(0, len(own), length):
        block = own[start : start + length]
        powers = falling[: len(block)]
        sums = powers * (last + np.cumsum((1 - weight) * block / powers))
        own[start : start + length] = sums
        last = float(sums[-1])
    smoothed[finite] = own / -np.expm1(np.arange(1, len(own) + 1) * math.log(weight))
    return smoothed
