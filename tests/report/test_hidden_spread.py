"""A band that is wider between the drawn points is not kept secret."""

from __future__ import annotations

import numpy as np
import pytest

from legm.records import Curve
from legm.report.curve_detail import CurveDetail
from legm.report.hidden_spread import hidden_spread

STEPS = 20_000
BUCKETS = 100


def curve_with(spread: np.ndarray, steps: int = STEPS) -> Curve:
    """A line that falls smoothly, so that no point of it shows where the band is wide."""
    center = np.linspace(1.0, 0.0, steps)
    spread = spread[:steps]
    return Curve("loss", "", np.arange(steps), center, center - spread, center + spread, np.full(steps, 2))


def hidden(curve: Curve, detail: CurveDetail) -> tuple[int, float, float] | None:
    thin, _ = detail.downsampled(curve, BUCKETS)
    return hidden_spread(curve, thin)


@pytest.mark.parametrize("step", [50, 7_777, STEPS - 50])
def test_a_band_that_is_wide_for_few_steps_is_reported_at_its_widest_one(step):
    spread = np.full(STEPS, 0.05)
    spread[step - 3 : step + 4] = [0.2, 0.3, 0.6, 0.8, 0.6, 0.3, 0.2]
    curve = curve_with(spread)
    found = hidden(curve, CurveDetail())
    assert found == (step, curve.lower[step], curve.upper[step])
    assert hidden(curve, CurveDetail(start=step - 100, end=step + 100)) is None  # after a zoom all is drawn


def test_nothing_is_reported_where_all_is_drawn_or_nothing_more_would_be_seen():
    wide = np.full(STEPS, 0.05)
    wide[7] = 0.8
    assert hidden(curve_with(wide, 300), CurveDetail()) is None
    assert hidden(curve_with(np.full(STEPS, 0.05)), CurveDetail()) is None
    assert hidden(curve_with(0.05 + 0.01 * np.random.default_rng(0).random(STEPS)), CurveDetail()) is None
    assert hidden(curve_with(np.full(STEPS, np.nan)), CurveDetail()) is None
