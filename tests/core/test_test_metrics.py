"""Which metrics of other trackers are test metrics."""

from __future__ import annotations

import numpy as np
import pytest

from legm.core.test_metrics import columns_with_tests, has_test_prefix, series_with_tests
from legm.records import Series, Split


def column(*values: float):
    steps = np.arange(len(values))
    return steps, np.zeros(len(values)), np.array(values, float)


@pytest.mark.parametrize("name", ["test/acc", "test_acc", "Test-acc", "TEST.acc"])
def test_a_single_value_of_a_name_with_test_in_front_is_a_test_metric(name):
    assert has_test_prefix(name)
    assert series_with_tests({Series(name): 1}) == {Series(name): Series("acc", Split.TEST)}
    assert series_with_tests({Series(name): 2}) == {Series(name): Series(name)}


@pytest.mark.parametrize("name", ["testing", "test", "test_", "latest_acc", "val/test_acc"])
def test_other_names_are_no_test_metrics(name):
    assert not has_test_prefix(name)
    assert series_with_tests({Series(name): 1}) == {Series(name): Series(name)}


def test_two_test_metrics_never_get_one_name():
    given = {Series("acc", Split.TEST): 1, Series("test/acc"): 1, Series("test_acc"): 1}
    found = series_with_tests(given)
    assert len(set(found.values())) == 3
    assert all(one.split is Split.TEST for one in found.values())


def test_a_test_metric_that_gets_a_second_value_is_a_series_of_its_name_again():
    first, names = columns_with_tests({Series("test_acc"): column(0.5), Series("loss"): column(1, 2)}, {})
    assert names == {"acc": "test_acc"}
    later = {**first, Series("test_acc"): column(0.75)}
    second, names = columns_with_tests(later, names)
    assert names == {}
    assert second[Series("test_acc")][2].tolist() == [0.5, 0.75]
    assert Series("acc", Split.TEST) not in second
