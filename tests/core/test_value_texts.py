"""Values as users type them."""

from __future__ import annotations

import math

import pytest

from legm.core.value_texts import parse_value_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("[64, 32]", [64, 32]),
        ("[a, 'b']", ["a", "b"]),
        ("{a: [1, {b: c}]}", {"a": [1, {"b": "c"}]}),
        ("true", True),
        ("~", None),
        ("adam", "adam"),
        ("&a [x, *a]", "&a [x, *a]"),
        ("2024-13-45", "2024-13-45"),
        ("2024-01-15", "2024-01-15"),
        ("12:30", "12:30"),
        ("010", "010"),
        ("007", 7),
        ("1_000", 1000),
        ("0x10", 16),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("-.inf", -math.inf),
        ("[" * 9, "[" * 9),
    ],
)
def test_a_text_is_the_value_that_json_or_yaml_reads_in_it(text, value):
    assert parse_value_text(text) == value
    assert type(parse_value_text(text)) is type(value)


def test_nan_is_read_as_it_is_shown_and_a_text_in_quotes_stays_text():
    assert math.isnan(parse_value_text("nan"))
    assert parse_value_text('"nan"') == "nan"


def test_brackets_are_values_up_to_a_depth_that_nobody_types():
    for depth in (100, 101):
        inner = "[" * depth + "a" + "]" * depth
        assert isinstance(parse_value_text(inner), list) == (depth == 100)
        assert isinstance(parse_value_text(inner.replace("a", "1")), list)  # JSON
    assert parse_value_text(", ".join(["[a]"] * 200).join("[]")) == [["a"]] * 200  # not inside one another
