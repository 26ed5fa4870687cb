"""A column has the numbers that it was given, in that order, however they came."""

from __future__ import annotations

import numpy as np
import pytest

from legm.core.growing_columns import GrowingColumn


@pytest.mark.parametrize(
    "sizes", [[], [0], [1], [64, 1], [3] * 100, [9000, 0, 1, 70_000, 8192, 5], [300_000]]
)
def test_a_column_is_what_it_was_given(sizes):
    random = np.random.default_rng(0)
    given = [random.integers(-(2**62), 2**62, size) for size in sizes]
    column = GrowingColumn(np.int64)
    for numbers in given:
        column.extend(numbers)
    whole = column.whole()
    assert whole.dtype == np.int64
    assert np.array_equal(whole, np.concatenate([*given, np.zeros(0, np.int64)]))
    assert not len(column.whole()), "it is empty afterwards"


def test_it_can_be_filled_again_and_keeps_every_bit_of_a_float():
    column = GrowingColumn(np.float64)
    for numbers in ([np.nan, -0.0, np.inf], [1e-310]):
        column.extend(np.array(numbers))
        assert column.whole().tobytes() == np.array(numbers).tobytes()
