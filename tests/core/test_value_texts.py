"""Values as users type them."""

from __future__ import annotations

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
        ("[" * 9, "[" * 9),
    ],
)
def test_a_text_is_the_value_that_json_or_yaml_reads_in_it(text, value):
    assert parse_value_text(text) == value


def test_brackets_are_values_up_to_a_depth_that_nobody_types():
    for depth in (100, 101):
        inner = "[" * depth + "a" + "]" * depth
        assert isinstance(parse_value_text(inner), list) == (depth == 100)
        assert isinstance(parse_value_text(inner.replace("a", "1")), list)  # JSON
    assert parse_value_text(", ".join(["[a]"] * 200).join("[]")) == [["a"]] * 200  # not inside one another
