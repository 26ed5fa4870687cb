"""What people read: numbers, values, and the names of configurations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.display_names import display_names, matches_display_name, truncate_display_names
from legm.core.effective_values import EffectiveValues
from legm.core.texts import counted, exact_text, json_text, number_text, number_texts, value_texts
from legm.records import Configuration


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (0.500012, "0.5000"),
        (1.0, "1"),
        (123456.789, "123457"),
        (0.000123456, "0.0001235"),
        (3.38358525856281e-05, "3.384e-05"),
        (-2.512345e9, "-2.512e+09"),
        (12345678901, "12345678901"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_a_number_has_four_significant_digits(value, text):
    assert number_text(value) == text


def test_large_numbers_that_need_all_digits_before_the_point_have_no_exponent():
    times = [1796083163.94, 1796083163.99]
    assert number_texts(times) == ["1796083163.94", "1796083163.99"]
    assert number_texts([1e8 + 1, 1e8 + 2]) == ["100000001", "100000002"]
    assert number_texts([1.5e12, 2.5e12]) == ["1.5e+12", "2.5e+12"]
    assert number_texts([1e22, 2e22]) == ["1e+22", "2e+22"]


@given(st.lists(st.floats(allow_nan=False), max_size=6))
def test_different_numbers_of_a_column_look_different(numbers):
    numbers = [number + 0.0 for number in numbers]  # without the sign of a zero
    for texts in (number_texts(numbers), value_texts(numbers)):
        assert len(set(texts)) == len(set(numbers))


def test_floats_of_parameters_are_rounded_and_the_rest_is_as_one_would_type_it():
    values = [3.38358525856281e-05, 0.30000000000000004, 1e-05, 1.0, 64, [0.1 + 0.2, 2], {"a": 1 / 3}]
    assert value_texts(values) == ["3.384e-05", "0.3", "1e-05", "1.0", "64", "[0.3, 2]", '{"a": 0.3333}']
    assert value_texts([0.12341, 0.12342]) == ["0.12341", "0.12342"]
    assert value_texts([True, None, "adam", "0.1", "true", "/data", ""]) == [
        *("true", "null", "adam", '"0.1"', '"true"', "/data", '""'),
    ]
    assert exact_text(3.38358525856281e-05) == "3.38358525856281e-05"


@given(st.lists(st.text(st.sampled_from("ab,/_1"), max_size=60), unique=True, max_size=8), st.integers(8, 40))
def test_shortened_names_fit_and_stay_different(names, room):
    short = truncate_display_names(names, room, len)
    assert len(set(short)) == len(set(names))
    assert all(len(text) <= room for text in short)


def test_names_of_long_dotted_parameters_are_shortened_to_the_values_that_differ():
    names = [
        f"policy.name={policy}, number_of_layers={layers}, learning_rate={rate}, configuration.name=adamw"
        for policy in ("none", "randaugment.magnitude_9.layers_2")
        for layers in (2, 4)
        for rate in (0.1, 0.01)
    ]
    assert truncate_display_names(names, 40, len) == [
        *("none, 2, 0.1", "none, 2, 0.01", "none, 4, 0.1", "none, 4, 0.01"),
        *("randau…ers_2, 2, 0.1", "randau…ers_2, 2, 0.01", "randau…ers_2, 4, 0.1", "randau…ers_2, 4, 0.01"),
    ]


def test_a_number_agrees_with_its_noun():
    assert [counted(n, "run") for n in (0, 1, 2000)] == ["0 runs", "1 run", "2,000 runs"]
    assert [counted(n, "delivery", "deliveries") for n in (1, 2)] == ["1 delivery", "2 deliveries"]


def configurations(*parameters, name=""):
    return [
        Configuration("e", str(i), name, own, tuple(k for k, v in own.items() if v is not None), {})
        for i, own in enumerate(parameters)
    ]


def named(*parameters):
    every = configurations(*parameters)
    return list(display_names(every, {one.fingerprint: f"_{one.fingerprint}" for one in every}).values())


def test_what_differs_names_configurations_without_a_name():
    assert named({"lr": 0.1, "depth": 3, "epochs": 9}, {"lr": 0.2, "depth": 4, "epochs": 9}) == [
        "depth=3, lr=0.1",
        "depth=4, lr=0.2",
    ]
    assert named({"model.encoder.dropout": 0.1 + 0.2}, {"model.encoder.dropout": 0.4}) == [
        "dropout=0.3",
        "dropout=0.4",
    ]
    assert named({"a.size": 1, "b.size": 1}, {"a.size": 2, "b.size": 3}) == [
        "a.size=1, b.size=1",
        "a.size=2, b.size=3",
    ]
    assert named({"lr": 1}, {"lr": 1, "momentum": 0.9}) == ["no momentum", "momentum=0.9"]
    assert named({"lr": 1}) == ["lr=1"]  # alone
    assert named(dict.fromkeys("abcdef", 1)) == ["a=1, b=1, c=1, d=1, e=1, …"]
    assert named({}) == ["no compared parameters"]


def test_a_name_has_the_fewest_parameters_that_distinguish_configurations():
    rows = [{f"p{k}": (i >> k) & 1 if k < 3 else i // 4 for k in range(9)} for i in range(8)]
    names = named(*rows)
    assert len(set(names)) == 8
    assert max(name.count("=") for name in names) == 3


def test_a_name_that_was_given_is_kept():
    every = [*configurations({"lr": 1}, name="first"), Configuration("e", "x", "", {"lr": 2}, ("lr",), {})]
    assert display_names(every, {"0": "first_0", "x": "_0"}) == {"0": "first_0", "x": "lr=2"}


ADAM = {"legm:class": "Adam", "lr": 0.1, "schedule": {"legm:class": "Warm.Up", "names": ["a, b=1"]}}


def test_an_object_is_shown_as_it_was_made():
    assert exact_text(ADAM) == 'Adam(lr=0.1, schedule=Warm.Up(names=["a, b=1"]))'
    assert value_texts([[ADAM], {"legm:class": "SGD", "lr": 1 / 3}])[1] == "SGD(lr=0.3333)"
    assert json_text(ADAM).startswith('{"legm:class": "Adam", "lr": 0.1, ')


@pytest.mark.parametrize(
    "value", [{"legm:class": "Adam"}, {"legm:class": 3, "lr": 1}, {"legm:class": "A\n", "lr": 1}, {"a b": 1}]
)
def test_another_mapping_is_json(value):
    assert exact_text(value) == json_text(value)


def test_a_configuration_is_found_by_the_name_that_its_object_gives_it():
    every = configurations({"opt": ADAM, "z": 1}, {"opt": {"legm:class": "SGD", "lr": 0.1}, "z": 2})
    names = display_names(every, dict.fromkeys("01", ""))
    effective = EffectiveValues(every)
    for one in every:
        found = [matches_display_name(one, names[other.fingerprint], effective) for other in every]
        assert found == [other is one for other in every]


def test_what_is_no_finite_number_differs_from_the_text_of_its_name():
    assert json_text([math.nan, "nan", {"a": -math.inf}]) == '[nan, "nan", {"a": -inf}]'
