"""The points of a curve that are drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.records import Curve
from legm.stats import downsampling
from legm.stats.downsampling import LARGEST, line

VALUES = st.one_of(st.floats(-9, 9), st.sampled_from([np.nan, np.inf, -np.inf, 1e305, 0.0, -0.0, 1e-310]))


@pytest.mark.parametrize("part", [1, 20, 1 << 15])
@given(
    st.lists(VALUES, min_size=1, max_size=120),
    st.integers(1, 12),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_each_bucket_has_its_ends_extremes_and_gaps_as_they_are(part, values, buckets, gaps):
    center = np.array(values)
    steps = np.cumsum(np.resize(gaps, len(values)))
    curve = Curve("m", "mean", steps, center, center - 1, center + 1, np.ones(len(steps), np.int64))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(downsampling, "_PART", part)
        found = line(curve, buckets)
    at = np.searchsorted(steps, found.steps)
    assert (steps[at] == found.steps).all()
    drawn = np.where(np.abs(center) > LARGEST, np.nan, center)
    np.testing.assert_allclose(found.center, drawn[at], atol=1e-300)
    np.testing.assert_array_equal(found.lower, np.where(np.abs(center) > LARGEST, np.nan, center - 1)[at])
    np.testing.assert_array_equal(found.upper, np.where(np.abs(center) > LARGEST, np.nan, center + 1)[at])
    edges = np.append(np.linspace(steps[0], steps[-1], buckets + 1)[:-1], np.inf)
    for low, high in itertools.pairwise(edges):
        own = np.flatnonzero((steps >= low) & (steps < high))
        there = own[~np.isnan(drawn[own])]
        missing = own[np.isnan(drawn[own])]
        assert set(there[[0, -1]] if len(there) else ()) | set(missing[:1]) <= set(at)
        kept = drawn[at[(at >= own[0]) & (at <= own[-1])]] if len(own) else drawn[:0]
        if len(there):
            assert (np.nanmin(kept), np.nanmax(kept)) == (drawn[there].min(), drawn[there].max())
    for infinite, shown in ((center > LARGEST, found.above), (center < -LARGEST, found.below)):
        assert set(shown) <= set(steps[infinite])
        assert len(shown) > 0 or not infinite.any()
