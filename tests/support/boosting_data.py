"""A small binary classification, made on the spot, that no model learns completely."""

from __future__ import annotations

import numpy as np

__all__ = ["halves"]


def halves(rows: int = 100) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The features and classes to train with, and to validate with.

    Args:
        rows: of each.
    """
    random = np.random.default_rng(0)
    x = random.random((2 * rows, 3))
    y = (x[:, 0] + random.random(2 * rows) / 2 > 0.7).astype(np.int64)
    return (x[:rows], y[:rows]), (x[rows:], y[rows:])
