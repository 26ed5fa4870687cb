"""The page that lists which words in a metric's name mean that lower values are better."""

from __future__ import annotations

import re

from legm.core.direction import LOWER_IS_BETTER, direction_by_name
from tests.support.paths import ROOT


def test_the_page_lists_the_words_that_decide():
    page = (ROOT / "docs" / "aggregation.md").read_text(encoding="utf-8")
    listed = re.search(r"Words that mean lower: \*(.+?)\*", page, re.DOTALL)
    words = [" ".join(word.split()) for word in listed[1].split(",")]
    assert {word for word in words if " " not in word} == LOWER_IS_BETTER
    assert [word for word in words if direction_by_name(word.replace(" ", "_")) is not False] == []
