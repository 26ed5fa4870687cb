"""The texts of centers and their spreads: tests/report/page.test.js has the same cases."""

from __future__ import annotations

import json

import pytest

from legm.records import Aggregate
from legm.stats.number_formatting import number_decimals_for, value_text
from tests.support.paths import ROOT

CASES = json.loads((ROOT / "tests" / "support" / "spread_texts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_a_column_has_the_decimals_that_its_spreads_justify(case):
    values = [Aggregate(mean, std, 5, 0, "mean", {}) for mean, std in case["numbers"]]
    assert [value_text(one, number_decimals_for(values)) for one in values] == case["texts"]
