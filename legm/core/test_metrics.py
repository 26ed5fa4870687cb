"""Which metrics of another tracker's run are test metrics, which such trackers do not distinguish: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from legm.records import Series, Split

if TYPE_CHECKING:
    from legm.core.point_columns import Columns

__all__ = ["columns_with_tests", "has_test_prefix", "series_with_tests"]

_TEST_PREFIX = re.compile(r"test[/_.-](?=.)", re.IGNORECASE | re.DOTALL)


def has_test_prefix(name: str) -> bool:
    """Whether a metric is a test metric if it has a single value: ``test/accuracy``, ``test_loss``."""
    return _TEST_PREFIX.match(name) is not None


def series_with_tests(counts: Mapping[Series, int]) -> dict[Series, Series]:
    """The series that each becomes: a single value of ``test/accuracy`` is the test metric ``accuracy``.

    Where there is a test metric of that name, it keeps its own.

    Args:
        counts: how many values each series has.
    """
    found: dict[Series, Series] = {}
    taken = set()
    for series, count in sorted(counts.items(), key=lambda item: item[0].split is Split.DEV):
        new = series
        prefix = _TEST_PREFIX.match(series.name)
        if prefix is not None and count == 1 and series.split is Split.DEV:
            short = Series(series.name[prefix.end() :], Split.TEST, series.index)
            new = short if short not in taken else replace(series, split=Split.TEST)
        taken.add(new)
        found[series] = new
    return found


def columns_with_tests(columns: Columns, known: Mapping[str, str]) -> tuple[Columns, dict[str, str]]:
    """The numbers of a run whose script distinguishes no test metrics, with those that are.

    Args:
        columns: by series.
        known: by test metric its name in the script, where that is known from an earlier end of the run.

    Returns:
        the numbers by series, and the names of the test metrics, as ``known``.
    """
    import numpy as np

    given = {Series(name, Split.TEST): Series(own) for name, own in known.items()}
    own: dict[Series, Any] = {}
    for series, one in columns.items():
        name = given.get(series, series)
        own[name] = tuple(map(np.concatenate, zip(own[name], one, strict=True))) if name in own else one
    found = series_with_tests({series: len(steps) for series, (steps, _, _) in own.items()})
    names = {new.name: one.name for one, new in found.items() if new.split is not one.split}
    return {new: own[series] for series, new in found.items()}, names
