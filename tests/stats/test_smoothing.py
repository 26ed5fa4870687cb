"""Smoothing is the average that its formula says, however long the curve is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.stats.smoothing import smoothed_values


def by_the_formula(values: list[float], weight: float) -> list[float]:
    last, number, found = 0.0, 0, []
    for value in values:
        if not math.isfinite(value):
            found.append(value)
            continue
        last = last * weight + (1 - weight) * value
        number += 1
        found.append(last / (1 - weight**number))
    return found


@given(
    st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=60),
    st.sampled_from([0.0, 1e-9, 0.1, 0.6, 0.9, 0.999]),
)
def test_it_is_the_average_of_the_formula(values, weight):
    found = smoothed_values(np.array(values, np.float64), weight)
    np.testing.assert_allclose(found, by_the_formula(values, weight), rtol=1e-9, atol=1e-6)


def test_long_curves_of_any_weight_are_smoothed_without_overflow():
    values = np.sin(np.arange(30_000) / 50) + 2
    for weight in (0.01, 0.5, 0.97, 0.9999):
        np.testing.assert_allclose(
            smoothed_values(values, weight), by_the_formula(values.tolist(), weight), rtol=1e-9
        )


def test_a_constant_stays_what_it_is_from_the_first_value_on():
    np.testing.assert_allclose(smoothed_values(np.full(1000, 3.5), 0.99), 3.5, rtol=1e-12)


@pytest.mark.parametrize("weight", [-0.1, 1.0, math.nan])
def test_another_weight_is_an_error(weight):
    with pytest.raises(ValueError, match="smoothing"):
        smoothed_values(np.zeros(3), weight)
