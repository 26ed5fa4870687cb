"""Histograms in event files as what legm keeps of one: edges and counts.

TensorFlow 1, PyTorch and tensorboardX write a ``HistogramProto``: the right edge and the count of each of up
to some thousand buckets, which cover all doubles, with the least and the greatest value beside them
(``core/framework/summary.proto``). TensorFlow 2 writes a tensor with a row of left edge, right edge and count
for each bin (TensorBoard's ``plugins/histogram/summary_v2.py``).
"""

from __future__ import annotations

import json
import math
from typing import Any

from legm.importers.tensorboard.tensors import tensor_doubles

__all__ = ["event_histogram_json"]


def event_histogram_json(value: Any) -> bytes:
    """The histogram of a ``Summary.Value``.

    Args:
        value: one with a ``histo``, or a tensor of the plugin ``histograms``.

    Returns:
        JSON with ``edges`` (n + 1), ``counts`` (n), and 0 for ``nan`` and ``infinite``, which no event has.
    """
    if value.WhichOneof("value") == "histo":
        edges, counts = _histogram_bins_of_histo(value.histo)
    else:
        edges, counts = _histogram_bins_of_rows(tensor_doubles(value.tensor) or [])
    content = {"edges": edges, "counts": counts, "nan": 0, "infinite": 0}
    return json.dumps(content).encode()


def _histogram_bins_of_histo(histo: Any) -> tuple[list[float], list[float]]:
    """Bins between the least and the greatest value; buckets outside are empty."""
    low, high = float(histo.min), float(histo.max)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high and len(histo.bucket)):
        return [], []
    edges, counts = [low], []
    for limit, count in zip(histo.bucket_limit, histo.bucket, strict=False):
        right = min(float(limit), high)
        if right > edges[-1]:
            edges.append(right)
            counts.append(float(count))
        elif counts:
            counts[-1] += float(count)
        elif count:  # all values are equal, or the first bucket ends at the least one
            edges.append(_above_histogram_value(low))
            counts.append(float(count))
    return (edges, counts) if counts else ([], [])


def _above_histogram_value(value: float) -> float:
    return value + max(abs(value) * 1e-6, 1e-300) if value else 0.5


def _histogram_bins_of_rows(numbers: list[float]) -> tuple[list[float], list[float]]:
    """The bins of rows; those without width, which all hold the same value, become one."""
    rows = [numbers[at : at + 3] for at in range(0, len(numbers) - 2, 3)]
    rows = [row for row in rows if all(map(math.isfinite, row))]
    wide = [row for row in rows if row[1] > row[0]]
    if rows and not wide:
        return [rows[0][0], _above_histogram_value(rows[0][0])], [sum(row[2] for row in rows)]
    return ([wide[0][0], *(row[1] for row in wide)], [row[2] for row in wide]) if wide else ([], [])
