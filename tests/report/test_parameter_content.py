"""The values of a parameter on the page: each distinct one once, and who has which."""

from __future__ import annotations

import itertools

from legm.core.plain_form import canonical_plain_text
from legm.report.parameter_content import ParameterContent
from tests.support.reports import decoded_numbers

ALIKE = [
    0,
    0.0,
    -0.0,
    False,
    None,
    "",
    "0",
    1,
    1.0,
    True,
    "1",
    [],
    [0],
    [0.0],
    [False],
    {},
    {"a": 0},
    float("inf"),
]


def numbers_of(values: dict[int, object], count: int) -> list[int]:
    found = ParameterContent()
    for index, value in values.items():
        found.put(index, value)
    return decoded_numbers(found.content("name", count)["of"]).tolist()


def test_values_are_one_where_their_texts_are():
    for one, other in itertools.product(ALIKE, ALIKE):
        assert numbers_of({0: one, 1: other}, 2) == [
            1,
            1 if canonical_plain_text(one) == canonical_plain_text(other) else 2,
        ]


def test_who_has_no_value_and_whose_is_not_active():
    found = ParameterContent()
    found.put(1, 0.5)
    found.put(3, [1, 2], active=False)
    found.put(4, 0.5)
    content = found.content("name", 6)
    assert decoded_numbers(content["of"]).tolist() == [0, 1, 0, 2, 1, 0]
    assert decoded_numbers(content["active"]).tolist() == [0, 1, 0, 0, 1, 0]
    assert [text for text, *_ in content["values"]] == ["0.5", "[1, 2]"]


def test_a_value_that_is_nested_deeply_is_one_too():
    deep: list[object] = []
    for _ in range(2500):
        deep = [deep]
    found = ParameterContent()
    try:
        canonical_plain_text(deep)
    except RecursionError:
        return  # it cannot be a parameter
    found.put(0, deep)
    assert decoded_numbers(found.content("name", 1)["of"]).tolist() == [1]
