"""What a run becomes by changes: pure, and undone by the inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.amending import AmendedConfiguration
from legm.core.amendment_changes import AmendmentChanges, ChangesCheck
from legm.core.parameters import EqualsCondition, NameRule, Parameters, TruthyCondition
from legm.errors import ParameterError
from legm.records import Configuration

NAMES = ("a", "b", "c", "d")
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(allow_nan=True), st.text(max_size=3)
)


@st.composite
def parameters(draw) -> Parameters:
    """Parameters with parents, names, absent values, and some that are not compared."""
    made = Parameters()
    made.set({name: draw(VALUES) for name in NAMES})
    for child, parent in draw(st.lists(st.sampled_from([("b", "a"), ("c", "a"), ("c", "b"), ("d", "c")]))):
        condition = draw(st.sampled_from([TruthyCondition(), EqualsCondition(1), EqualsCondition(None)]))
        made.set_parent(child, parent, condition)
    made.replace_absent_values(
        draw(st.dictionaries(st.sampled_from(NAMES), VALUES.filter(lambda v: v is not None)))
    )
    made.disable(draw(st.sets(st.sampled_from(NAMES))))
    made.set_name_rule(draw(st.sets(st.sampled_from(NAMES))), NameRule())
    return made


def changed(configuration: Configuration, own: dict, **changes) -> tuple[Configuration, dict]:
    found = AmendedConfiguration(configuration, AmendmentChanges(**changes)).of_run(own)
    return found.configuration, dict(found.parameters)


@given(parameters(), st.permutations(NAMES))
def test_renaming_back_gives_the_same_configuration(made, others):
    before, own = made.configuration("e"), made.uncompared()
    there = {name: f"new-{other}" for name, other in zip(NAMES, others, strict=True)}
    renamed, its = changed(before, own, rename=there)
    assert sorted(renamed.parameters) == sorted(there.values())
    again, back = changed(renamed, its, rename={new: old for old, new in there.items()})
    assert again.fingerprint == before.fingerprint
    assert (again.active, again.metadata, repr(back)) == (before.active, before.metadata, repr(own))


@given(parameters())
def test_two_names_may_be_exchanged(made):
    before = made.configuration("e")
    exchange = {"a": "b", "b": "a"}
    once, own = changed(before, made.uncompared(), rename=exchange)
    again, _ = changed(once, own, rename=exchange)
    assert again.fingerprint == before.fingerprint


@given(parameters(), st.sampled_from(NAMES), VALUES)
def test_comparing_what_is_ignored_takes_the_runs_own_value(made, name, value):
    made.disable([name])
    before, own = made.configuration("e"), {**made.uncompared(), name: value}
    compared, its = changed(before, own, compare=[name])
    assert repr(compared.parameters[name]) == repr(value)
    assert name not in its
    again, back = changed(compared, its, ignore=[name])
    assert again.fingerprint == before.fingerprint
    assert repr(back) == repr({key: own[key] for key in back})
    assert {*back} == {*own}


@given(parameters(), VALUES)
def test_setting_and_dropping_is_nothing(made, value):
    before = made.configuration("e")
    once, own = changed(before, made.uncompared(), set={"new": value})
    assert ("new" in once.active) == (value is not None and value is not False)
    again, _ = changed(once, own, drop=["new"])
    assert again.fingerprint == before.fingerprint


@given(parameters(), st.text(min_size=1, max_size=5).filter(str.isprintable))
def test_an_experiment_and_back(made, name):
    before = made.configuration("e")
    once, own = changed(before, made.uncompared(), experiment=name)
    assert once.experiment == name
    assert changed(once, own, experiment="e")[0].fingerprint == before.fingerprint


@given(parameters())
def test_a_change_is_the_same_configuration_as_a_handler_makes(made):
    """Of the same values and metadata, whatever way they came."""
    before = made.configuration("e")
    found, _ = changed(before, made.uncompared(), ignore=["a"])
    made.disable(["a"])
    assert found.fingerprint == made.configuration("e").fingerprint


def test_a_parent_is_not_dropped_without_its_children():
    made = Parameters()
    made.set({"optimizer": "sgd", "momentum": 0.9})
    made.set_parent("momentum", "optimizer", EqualsCondition("sgd"))
    before = made.configuration("e")
    with pytest.raises(ParameterError, match="it decides whether 'momentum' counts; drop 'momentum' too"):
        changed(before, {}, drop=["optimizer"])
    assert changed(before, {}, drop=["optimizer", "momentum"])[0].parameters == {}


def test_a_credential_is_not_compared():
    made = Parameters()
    made.set({"api_key": "secret-of-somebody", "lr": 0.1})
    before = made.configuration("e")
    with pytest.raises(ParameterError, match="it is a credential"):
        changed(before, made.uncompared(), compare=["api_key"])


def test_a_parameter_that_only_some_have_is_set_in_the_others():
    made = Parameters()
    made.set({"lr": 0.1})
    old = made.configuration("e")
    made.set({"dropout": 0.5})
    new = made.configuration("e")
    check = ChangesCheck(AmendmentChanges(set={"dropout": 0.0}))
    check.require_possible()
    check.add(new)
    with pytest.raises(ParameterError, match=r"'dropout' cannot be set to 0\.0: it has a value in every"):
        check.require_possible()
    check.add(old)
    check.require_possible()
    assert changed(new, {}, set={"dropout": 0.0})[0].fingerprint == new.fingerprint


def test_a_run_without_a_value_gets_none_of_another_run():
    """The configuration has the value of its first run, which says nothing of the others."""
    made = Parameters()
    made.set({"lr": 0.1, "seed": 7})
    made.disable(["seed"])
    before = made.configuration("e")
    assert changed(before, {}, rename={"seed": "s", "lr": "rate"})[1] == {}
    assert changed(before, {}, ignore=["lr"])[1] == {"lr": 0.1}
    assert changed(before, {"seed": 8}, ignore=["lr"])[1] == {"lr": 0.1, "seed": 8}
    assert "seed" not in changed(before, {}, compare=["seed"])[0].parameters
    assert changed(before, {"seed": 8}, compare=["seed"])[0].parameters["seed"] == 8
