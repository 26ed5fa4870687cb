"""The value of a parameter that equals its absent value, or that did not exist yet."""

from __future__ import annotations

from typing import Any

import pytest

from legm.core.display_names import display_names
from legm.core.effective_values import EffectiveValues, ineffective_value_note
from legm.core.missing import MISSING
from legm.core.parameters import Parameters
from legm.records import Configuration


def made(experiment: str = "e", parents: dict[str, Any] | None = None, **values: Any) -> Configuration:
    parameters = Parameters()
    parameters.set({"lr": 0.1, **values})
    fields: dict[str, dict[str, Any]] = {
        name: {"absent_value": 0.0} for name in ("dropout", "momentum") if name in values
    }
    for child, edge in (parents or {}).items():
        fields.setdefault(child, {}).update(edge)
    parameters.set_metadata(fields)
    return parameters.configuration(experiment)


def values_of(name: str, *configurations: Configuration) -> list[Any]:
    return EffectiveValues(configurations).values(configurations, name)


def test_an_absent_value_is_that_of_configurations_of_the_experiment_without_it():
    old, default, changed, other = made(), made(dropout=0.0), made(dropout=0.5), made("other")
    assert values_of("dropout", old, default, changed, other) == [0.0, 0.0, 0.5, MISSING]
    assert values_of("dropout", old) == [MISSING]
    assert EffectiveValues([old, changed]).parameters_of(old) == {"lr": 0.1, "dropout": 0.0}
    assert ineffective_value_note(default, "dropout") == "equals its absent value"


ON_SGD = {"momentum": {"parent": "opt", "parent_active": "sgd"}}
IF_DECAYED = {"momentum": {"parent": "decay"}}
IF_ANY = {"momentum": {"parent": "opt", "parent_active": lambda opt: opt != "adam"}}


@pytest.mark.parametrize("parents", [ON_SGD, IF_ANY])
def test_what_a_parent_makes_inactive_has_no_value(parents):
    with_it = [
        made(parents=parents, opt=opt, momentum=m) for opt, m in (("sgd", 0.0), ("adam", 0.0), ("sgd", 0.9))
    ]
    before = [made(opt="sgd"), made(opt="adam")]
    assert values_of("momentum", *with_it, *before) == [0.0, MISSING, 0.9, 0.0, MISSING]


def test_a_parent_without_a_condition_has_to_be_active():
    every = [made(parents=IF_DECAYED, decay=decay, momentum=0.0) for decay in (True, False)]
    assert values_of("momentum", *every, made(decay=True), made()) == [0.0, MISSING, 0.0, MISSING]


def test_what_is_not_compared_or_false_has_no_value():
    every = [made(dropout=0.0, parents={"dropout": {"disable_comparison": True}}), made(dropout=False)]
    assert values_of("dropout", *every, made(dropout=0.5)) == [MISSING, MISSING, 0.5]


def test_names_have_the_absent_value_unless_an_active_one_equals_it():
    def names(*configurations: Configuration) -> list[str]:
        labels = {one.fingerprint: one.fingerprint for one in configurations}
        return [*display_names(configurations, labels).values()]

    counted = Parameters()
    counted.set({"lr": 0.1, "dropout": 0.0})
    old, changed = made(), made(dropout=0.5)
    assert names(old, changed) == ["dropout=0.0", "dropout=0.5"]
    assert names(made(dropout=0.0)) == ["lr=0.1"]
    assert names(old, changed, counted.configuration("e")) == ["no dropout", "dropout=0.5", "dropout=0.0"]
