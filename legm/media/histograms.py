"""Histograms: how many values are in each of some bins."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from typing import Any

from legm.core.texts import counted
from legm.errors import MediaError
from legm.media.pending_file import PendingFile
from legm.media.pictures import plain_array

__all__ = ["BINS", "histogram_counts", "pending_histogram", "pending_histogram_counts"]

BINS = 64
_MOST_BINS = 10_000


def pending_histogram(name: str, values: Any, bins: Any = BINS) -> PendingFile:
    """The histogram of numbers of any shape.

    Args:
        name: under which it is shown, for errors.
        values: an array, a tensor, or nested lists; NaN and infinite values are counted beside the bins.
        bins: the number of bins of equal width from the smallest finite value to the largest one.

    Raises:
        MediaError: these are no numbers, there is none, or the number of bins is wrong.
    """
    import numpy as np

    try:
        number = 0 if isinstance(bins, bool) else operator.index(bins)
    except TypeError:
        number = 0
    if not 0 < number <= _MOST_BINS:
        raise MediaError(f"{name!r}: bins={bins!r} must be a whole number from 1 to {_MOST_BINS}")
    array = plain_array(name, values, "numbers")
    if not array.size:
        raise MediaError(f"{name!r} has the shape {array.shape}, and so no value")
    copy = np.array(array).ravel()
    return PendingFile(lambda: _histogram_json(copy, number), ".histogram.json", copy.nbytes)


def pending_histogram_counts(edges: Sequence[float], counts: Sequence[float]) -> PendingFile:
    """A histogram that was counted before.

    Args:
        edges: of the bins, rising, shape (n + 1,).
        counts: of each bin, shape (n,).
    """
    content = {"edges": list(edges), "counts": list(counts), "nan": 0, "infinite": 0}
    encoded = json.dumps(content).encode()
    return PendingFile(lambda: encoded, ".histogram.json", len(encoded))


def _histogram_json(values: Any, bins: int) -> bytes:
    import numpy as np

    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    content: dict[str, Any] = {
        "edges": [],
        "counts": [],
        "nan": int(np.isnan(numbers).sum()),
        "infinite": int(np.isinf(numbers).sum()),
    }
    if len(finite):
        counts, edges = np.histogram(*_binned_histogram(finite, bins))
        content |= {"edges": edges.tolist(), "counts": counts.tolist()}
    return json.dumps(content).encode()


def _binned_histogram(finite: Any, bins: int) -> tuple[Any, Any]:
    """The values and the edges of bins; few or one where neighbours are too close for more."""
    import numpy as np

    lowest, highest = float(finite.min()), float(finite.max())
    if lowest == highest:
        around = max(abs(lowest) * 1e-6, 1e-300) if lowest else 0.5
        return finite, np.array([lowest - around, highest + around])
    half = lowest / 2 - (lowest / 2 - highest / 2) * np.linspace(0, 1, bins + 1)  # of the edges: no overflow
    inner = (half[1:-1] * 2).clip(lowest, highest)
    return finite, np.unique(np.concatenate([[lowest], inner, [highest]]))


def histogram_counts(content: bytes) -> tuple[list[float], list[float]]:
    """The edges (n + 1) and counts (n) of a stored histogram; both empty where no value is finite.

    Args:
        content: of its file.

    Raises:
        ValueError: it is not a histogram.
    """
    found = json.loads(content)
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key), list) for key in ("edges", "counts")
    ):
        raise ValueError("not a histogram: it needs the lists edges and counts")
    try:
        edges, counts = [float(one) for one in found["edges"]], [float(one) for one in found["counts"]]
    except TypeError as cause:
        raise ValueError("not a histogram: an edge or a count is not a number") from cause
    if len(edges) != len(counts) + 1 and (edges or counts):
        bins = counted(len(counts), "bin needs", "bins need")
        raise ValueError(f"not a histogram: {bins} {len(counts) + 1:,} edges, not {len(edges):,}")
    return edges, counts
