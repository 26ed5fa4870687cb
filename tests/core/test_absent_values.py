"""Absent values: which parameters they make inactive, and what is refused."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm import ExperimentHandler, ParameterError, UnstableValue
from legm.core.absent_values import LibraryDefault, equals_absent_value, stored_absent_values
from legm.core.identity import configuration_differences
from legm.core.parameters import Parameters
from legm.core.plain_form import canonical_plain_text, to_plain

NAMES = [f"p{i}" for i in range(5)]
VALUES = st.sampled_from([None, False, True, 0, 0.0, 1, "", "a", 0.5, (1, 2), [1, 2], math.nan])


def parameters(values, metadata=None) -> Parameters:
    made = Parameters()
    made.set(values)
    made.set_metadata(metadata or {})
    return made


def fingerprint(values, metadata=None) -> str:
    return parameters(values, metadata).configuration("e").fingerprint


def same(one: object, other: object) -> bool:
    return canonical_plain_text(to_plain("x", one)) == canonical_plain_text(to_plain("x", other))


@st.composite
def described(draw):
    """Values and metadata: parents with lower numbers, with and without a value, disabled, absent values."""
    values = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1))
    metadata = {}
    for name in sorted(values):
        fields = metadata[name] = {}
        lower = [other for other in values if other < name]
        if lower and draw(st.booleans()):
            fields["parent"] = draw(st.sampled_from(sorted(lower)))
            if draw(st.booleans()):
                fields["parent_active"] = draw(st.just(values[fields["parent"]]) | VALUES)
        fields["disable_comparison"] = draw(st.integers(0, 4)) == 0
        if draw(st.booleans()):
            fields["absent_value"] = draw(st.just(values[name]) | VALUES)
    return values, metadata


def active_by_the_specification(values, metadata) -> dict:
    """Which parameters count, as the specification says it, one sentence a line."""

    def is_off(name):
        absent = metadata[name].get("absent_value")
        return (
            values[name] is None
            or values[name] is False
            or (absent is not None and same(values[name], absent))
        )

    def edges_hold(name):
        parent = metadata[name].get("parent")
        if parent is None:
            return True
        if metadata[parent]["disable_comparison"] or not edges_hold(parent):
            return False
        if "parent_active" in metadata[name]:
            return same(values[parent], metadata[name]["parent_active"])
        return not is_off(parent)

    return {
        name: value
        for name, value in values.items()
        if not metadata[name]["disable_comparison"] and not is_off(name) and edges_hold(name)
    }


SIMILAR = st.sampled_from(
    [
        *(None, False, True, 0, -0.0, 0.0, 1, 1.0, 2**60, float(2**60), 2**60 + 1, 0.1),
        *(math.nan, math.inf, -math.inf, "", "1", [1], [True], {"a": 1}, {"a": 1.0}),
    ]
)


@given(SIMILAR, SIMILAR)
def test_values_are_equal_that_have_one_canonical_text(value, absent):
    one, other = to_plain("p", value), to_plain("p", absent)
    assert equals_absent_value(one, other) == (canonical_plain_text(one) == canonical_plain_text(other))


@given(described())
def test_what_counts_is_what_the_specification_says(given_):
    values, metadata = given_
    expected = active_by_the_specification(values, metadata)
    made = parameters(values, metadata)
    assert {*made.active()} == {*expected}
    assert made.configuration("e").fingerprint == fingerprint(expected)
    for name in values:
        assert bool(made.inactive_reason(name)) == (name not in expected)


@given(st.tuples(described(), described(), described()))
def test_identity_stays_an_equivalence_with_absent_values(three):
    made = [parameters(*one) for one in three]
    prints = [one.configuration("e").fingerprint for one in made]
    counting = [
        {
            name: canonical_plain_text(to_plain(name, value))
            for name, value in active_by_the_specification(*one).items()
        }
        for one in three
    ]
    for i in range(3):
        for j in range(3):
            assert (prints[i] == prints[j]) == (counting[i] == counting[j])


@given(described())
def test_a_restored_configuration_has_the_absent_values(given_):
    values, metadata = given_
    configuration = parameters(values, metadata).configuration("e")
    restored = Parameters()
    restored.restore(configuration)
    again = restored.configuration("e")
    assert again.fingerprint == configuration.fingerprint
    known = stored_absent_values(configuration)
    assert {*known} == {n for n, fields in metadata.items() if fields.get("absent_value") is not None}
    assert stored_absent_values(again).keys() == known.keys()


@pytest.mark.parametrize(
    ("value", "absent"),
    [(0, 0.0), ((1, 2), [1, 2]), (np.float64(0.5), 0.5), (np.int8(3), 3), (math.nan, math.nan), ("", "")],
)
def test_a_value_that_equals_the_absent_one_equals_none_at_all(value, absent):
    assert fingerprint({"lr": 1, "x": value}, {"x": {"absent_value": absent}}) == fingerprint({"lr": 1})


@pytest.mark.parametrize(("value", "absent"), [(True, 1), (0, ""), (1, "1"), (0.1, np.float32(0.1))])
def test_a_value_that_only_looks_like_the_absent_one_counts(value, absent):
    assert fingerprint({"lr": 1, "x": value}, {"x": {"absent_value": absent}}) != fingerprint({"lr": 1})


def test_a_child_counts_where_its_parent_must_have_the_absent_value():
    def made(momentum, **wanted):
        metadata = {"opt": {"absent_value": "sgd"}, "momentum": {"parent": "opt", **wanted}}
        return fingerprint({"opt": "sgd", "momentum": momentum}, metadata)

    assert made(0.9, parent_active="sgd") == fingerprint({"momentum": 0.9})
    assert made(0.9, parent_active=lambda opt: opt == "sgd") == fingerprint({"momentum": 0.9})
    assert made(0.9) == made(0.1) == fingerprint({})


def test_a_value_without_a_stable_form_equals_no_absent_value():
    made = parameters({"x": object()}, {"x": {"absent_value": 0}})
    assert made.inactive_reason("x") == ""
    with pytest.raises(UnstableValue, match="'x'"):
        made.active()


def test_another_absent_value_is_refused_with_the_old_one_and_nothing_is_set():
    made = ExperimentHandler("unused", "e")
    made.set_param("dropout", 0.1, absent_value=0.0)
    made.set_param("dropout", 0.2, absent_value=0)
    made.set_param("dropout", 0.3)
    with pytest.raises(ParameterError, match=r"absent_value of 'dropout' is 0\.0 .* cannot be 0\.5 too"):
        made.set_param("dropout", 0.4, absent_value=0.5)
    assert made.dropout == 0.3
    with pytest.raises(ParameterError, match="absent_value of 'dropout'"):
        made.set_param_metadata({"dropout": {"absent_value": 0.5, "name": True}})


def test_an_absent_value_without_a_stable_form_is_refused():
    made = ExperimentHandler("unused", "e")
    with pytest.raises(ParameterError, match="absent_value of 'x' must be a value that is the same"):
        made.set_param("x", 1, absent_value=lambda: 0)
    with pytest.raises(AttributeError):
        _ = made.x


def test_a_difference_says_what_equals_its_absent_value():
    def made(dropout):
        one = ExperimentHandler("unused", "e")
        one.set_param("dropout", dropout, absent_value=0.0)
        return one

    (found,) = made(0.0).explain_difference(made(0.5))
    assert str(found) == "dropout: equals its absent value 0.0 | 0.5"
    one, other = (made(value)._current() for value in (0, 0.5))  # noqa: SLF001 - as a run has it
    assert [str(d) for d in configuration_differences(one, other)] == [
        "dropout: equals its absent value 0 | 0.5"
    ]


def test_what_equals_its_absent_value_stays_out_of_the_name():
    made = parameters({"dropout": 0.0}, {"dropout": {"absent_value": 0, "name": True}})
    assert made.configuration("e").name == ""


def test_a_pickled_handler_has_the_same_identity_and_absent_values():
    made = ExperimentHandler("unused", "e")
    made.set_param("lr", 0.1)
    made.set_param("dropout", 0.0, absent_value=0.0)
    copied = pickle.loads(pickle.dumps(made))
    assert copied == made
    assert copied.explain_difference(made) == ()
    assert stored_absent_values(copied._current()) == {"dropout": 0.0}  # noqa: SLF001 - as a run has it


def test_a_credential_is_no_absent_value_in_what_is_stored():
    made = parameters({"api_key": "s3cr3t"}, {"api_key": {"absent_value": "0ld-s3cr3t"}})
    assert "s3cr3t" not in repr(made.configuration("e"))
    assert made.absent_values() == {}


def test_a_librarys_default_is_an_absent_value_too():
    metadata = {"eps": {"absent_value": LibraryDefault(1e-8, "trainer 2.0")}}
    assert fingerprint({"eps": 1e-8}, metadata) == fingerprint({})
    assert fingerprint({"eps": 1e-6}, metadata) != fingerprint({})
