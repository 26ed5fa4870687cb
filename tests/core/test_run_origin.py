"""What is said of two runs' environments."""

from __future__ import annotations

from legm.core.run_origin import origin_differences, versions_known_of_some

BEFORE = {"python": "3.11", "distributions": {"numpy": "2.0", "PyYAML": "6.0"}}


def test_a_package_that_one_run_had_not_imported_is_unknown_and_no_difference():
    after = {"python": "3.12", "distributions": {"numpy": "2.1", "torch": "2.9"}}
    assert origin_differences(BEFORE, after) == [
        ("python", "3.11", "3.12"),
        ("distributions.numpy", "2.0", "2.1"),
    ]
    assert versions_known_of_some([BEFORE, after]) == ["PyYAML 6.0", "torch 2.9"]


def test_a_package_that_is_unknown_of_one_of_three_is_named_with_each_version():
    others = [
        {"distributions": {"numpy": "2.0"}},
        {"distributions": {"numpy": "2.0", "pyyaml": "5", "PyYAML": "7"}},
    ]
    assert versions_known_of_some([BEFORE, *others]) == ["PyYAML 6.0 or 7", "pyyaml 5"]


def test_what_recorded_no_versions_says_nothing_of_them():
    assert versions_known_of_some([BEFORE, {}, {"distributions": None}]) == []
    assert origin_differences(BEFORE, {"python": "3.11"}) == []
