"""Parameters: what counts, and what a configuration is called."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm import ExperimentHandler, ParameterError, StateError, UnstableValue
from legm.core.identity import fingerprint
from legm.core.parameters import EqualsCondition, Parameters, TruthyCondition

NAMES = [f"p{i}" for i in range(6)]


def handler(**params) -> ExperimentHandler:
    made = ExperimentHandler("unused", "e")
    made.set_dict_params(params)
    return made


@st.composite
def trees(draw):
    """Parameters with any values, edges from higher to lower names, some disabled, some absent values."""
    values = draw(
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from([None, False, True, 0, 1, "", "a", 0.5]))
    )
    params = Parameters()
    params.set(values)
    present = sorted(values)
    for child, parent in draw(st.lists(st.tuples(*[st.sampled_from(present or [""])] * 2), max_size=6)):
        if parent < child:
            wanted = draw(
                st.sampled_from(
                    [TruthyCondition(), EqualsCondition("a"), EqualsCondition(None), EqualsCondition(1)]
                )
            )
            params.set_parent(child, parent, wanted)
    if present:
        params.disable(draw(st.lists(st.sampled_from(present), max_size=2)))
        absent = draw(st.dictionaries(st.sampled_from(present), st.sampled_from([0, 1.0, "", "a", False])))
        params.set_metadata({name: {"absent_value": value} for name, value in absent.items()})
    return params


@given(st.lists(trees(), min_size=3, max_size=3))
def test_equality_is_an_equivalence_that_agrees_with_the_fingerprint(three):
    prints = [params.configuration("e").fingerprint for params in three]
    actives = [{k: (type(v) is bool, v) for k, v in params.active().items()} for params in three]
    for i in range(3):
        for j in range(3):
            assert (prints[i] == prints[j]) == (actives[i] == actives[j])


@given(trees())
def test_an_inactive_parameter_equals_an_absent_one(params):
    fingerprint = params.configuration("e").fingerprint
    reduced = Parameters()
    reduced.set({name: params[name] for name in params.active()})
    assert reduced.configuration("e").fingerprint == fingerprint


@given(trees())
def test_a_restored_configuration_is_the_same(params):
    configuration = params.configuration("e")
    restored = Parameters()
    restored.restore(configuration)
    again = restored.configuration("e")
    assert again.fingerprint == configuration.fingerprint
    assert again.active == configuration.active
    assert again.name == configuration.name


def test_a_stored_parameter_may_have_a_name_that_is_reserved_since():
    earlier = Parameters()
    earlier.set({"tag": "x", "lr": 0.1})
    configuration = earlier.configuration("e")
    later = Parameters({"tag"}.__contains__)
    later.restore(configuration)
    assert later.configuration("e").fingerprint == configuration.fingerprint
    with pytest.raises(ParameterError, match="'tag_'"):
        later.set({"tag": "y"})


@pytest.mark.parametrize(
    ("value", "active"), [(None, 0), (False, 0), (np.bool_(False), 0), (0, 1), (0.0, 1), ("", 1), ([], 1)]
)
def test_none_and_false_are_inactive_and_other_empty_values_are_not(value, active):
    assert (handler(a=value) == handler()) == (not active)


def test_a_child_counts_only_where_its_parent_is_active():
    def made(parent, child):
        made = handler(dropout=parent, rate=child)
        made.set_parent("rate", "dropout")
        return made

    assert made(False, 0.1) == made(False, 0.9)
    assert made(True, 0.1) != made(True, 0.9)


@pytest.mark.parametrize("active_value", ["sgd", lambda v: v == "sgd"])
def test_a_child_counts_only_where_its_parent_has_the_value(active_value):
    def made(optimizer, momentum):
        made = handler(optimizer=optimizer, momentum=momentum)
        made.set_parent("momentum", "optimizer", active_value)
        return made

    assert made("adam", 0.1) == made("adam", 0.9)
    assert made("sgd", 0.1) != made("sgd", 0.9)


@pytest.mark.parametrize("value", [None, False])
def test_an_edge_may_ask_for_none_or_false(value):
    made = handler(scheduler=value, lr=0.1)
    made.set_param_metadata({"lr": {"parent": "scheduler", "parent_active": value}})
    assert made != handler()


def test_an_edge_to_a_disabled_parent_does_not_hold():
    made = handler(device="cuda", amp=True)
    made.set_parent("amp", "device", "cuda")
    made.disable_param("device")
    assert made == handler()


def test_several_parents_all_have_to_hold():
    def made(a, b):
        made = handler(a=a, b=b, c=1)
        made.set_param_metadata({"c": {"parent": ["a", "b"], "parent_active": {"b": 2}}})
        return "c" not in {d.name for d in made.explain_difference(handler(a=a, b=b, c=1))}

    assert made(True, 2)
    assert not made(False, 2)
    assert not made(True, 3)


def test_a_grandparent_switches_off_what_is_below_its_child():
    made = handler(a=False, b=1, c=2)
    made.set_parent("b", "a")
    made.set_parent("c", "b")
    assert made == handler()


def test_a_cycle_is_refused_when_it_is_made():
    made = handler(a=1, b=2, c=3)
    made.set_parent("b", "a")
    made.set_parent("c", "b")
    with pytest.raises(ParameterError, match="'c' cannot be a parent of 'a'"):
        made.set_parent("a", "c")
    with pytest.raises(ParameterError, match="'a' cannot be a parent of 'a'"):
        made.set_param("a", 1, parent="a")


def test_metadata_is_set_atomically():
    made = handler(a=1, b=2)
    with pytest.raises(ParameterError, match="unknown field 'colour'"):
        made.set_param_metadata({"a": {"disable_comparison": True}, "b": {"colour": 1}})
    assert made == handler(a=1, b=2)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"lrate": {}}, "no parameter 'lrate'; known: 'lr', 'optimizer'"),
        ({"lr": {"parnt": "x"}}, r"unknown field 'parnt'; did you mean 'parent'"),
        ({"lr": {"parent": "optim"}}, r"no parameter 'optim'; did you mean 'optimizer'"),
        ({"lr": {"parent_active": 1}}, "parent_active but no parent"),
        ({"lr": {"parent": ["optimizer"], "parent_active": {"x": 1}}}, "not one of its parents"),
        ({"lr": {"parent": ["optimizer"], "parent_active": "sgd"}}, "must map each of its parents"),
        ({"lr": {"parent": 3}}, "must be a name or a list of names"),
        ({"lr": "optimizer"}, "must map fields to values"),
        ({"lr": {"name": True, "name_transform": 3}}, "must be a function"),
        ({"lr": {"name": True, "name_priority": "high"}}, "must be a number"),
    ],
)
def test_a_mistake_in_metadata_is_named(metadata, message):
    with pytest.raises(ParameterError, match=message):
        handler(lr=1, optimizer="sgd").set_param_metadata(metadata)


def test_metadata_may_name_what_the_namespace_sets_later():
    made = ExperimentHandler("unused", "e")
    namespace = SimpleNamespace(a=False, b=1)
    made.set_param_metadata({"b": {"parent": "a"}}, namespace)
    made.set_namespace_params(namespace)
    assert made == handler()


def test_the_order_of_metadata_does_not_matter():
    metadata = {"b": {"parent": "a"}, "c": {"parent": "b", "name": True}, "a": {"name": True}}
    one, other = handler(a=1, b=2, c=3), handler(a=1, b=2, c=3)
    one.set_param_metadata(metadata)
    other.set_param_metadata(dict(reversed(metadata.items())))
    assert one == other
    given = {"a": 1, "b": 2, "c": 3}
    assert named(metadata, **given) == named(dict(reversed(metadata.items())), **given) == "1,3"


def test_setting_returns_what_was_given():
    made = ExperimentHandler("unused", "e")
    mapping, namespace = {"b": 2}, SimpleNamespace(c=3)
    assert made.set_param("a", 1) == 1
    assert made.set_dict_params(mapping) is mapping
    assert made.set_namespace_params(namespace) is namespace
    assert (made.a, made.b, made.c) == (1, 2, 3)


def test_an_unknown_parameter_is_an_attribute_error_with_the_closest_names():
    with pytest.raises(AttributeError, match=r"did you mean 'learning_rate'\?"):
        handler(learning_rate=1).learning_rte  # noqa: B018


@pytest.mark.parametrize("name", ["start", "set_param", "log", "_session", "fingerprint", "__init__"])
def test_the_handlers_own_names_are_refused_at_once(name):
    with pytest.raises(ParameterError, match="the handler has a method or attribute"):
        ExperimentHandler("unused", "e").set_param(name, 1)


@pytest.mark.parametrize("name", ["", 3, None, "x" * 251, "\ud800"])
def test_a_name_that_is_no_usable_text_is_refused(name):
    with pytest.raises(ParameterError, match="name of a parameter"):
        ExperimentHandler("unused", "e").set_param(name, 1)


def test_nothing_of_a_refused_mapping_is_set():
    made = ExperimentHandler("unused", "e")
    with pytest.raises(ParameterError):
        made.set_dict_params({"a": 1, "log": 2})
    with pytest.raises(AttributeError):
        made.a  # noqa: B018


def test_a_disabled_parameter_may_have_any_value():
    made = handler(a=1, logger=object())
    made.disable_param("logger")
    assert made == handler(a=1)


def test_a_counted_parameter_without_a_stable_form_is_refused_at_start(tmp_path):
    made = ExperimentHandler(tmp_path / "root", "e")
    made.set_param("f", lambda x: x)
    with pytest.raises(UnstableValue, match="'f'"):
        made.start()
    assert not (tmp_path / "root").exists()


def test_parameters_are_frozen_by_start(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    made.start()
    with pytest.raises(StateError, match=r"before start\(\)"):
        made.set_param("a", 1)


def test_a_parent_that_was_never_set_is_an_error_when_it_matters():
    made = handler(a=1)
    made.set_parent("a", "optimiser")
    with pytest.raises(ParameterError, match="'optimiser' is a parent but was never set"):
        made.fingerprint  # noqa: B018


def test_a_difference_says_what_is_inactive_and_why():
    one, other = handler(opt="sgd", momentum=0.9), handler(opt="adam", momentum=0.9)
    for made in (one, other):
        made.set_parent("momentum", "opt", "sgd")
    assert [str(d) for d in one.explain_difference(other)] == [
        "momentum: 0.9 | inactive (opt = 'adam')",
        "opt: 'sgd' | 'adam'",
    ]


def test_what_changes_a_list_after_start_changes_neither_the_identity_nor_its_explanation(tmp_path):
    layers, stages = [64, 32], {"warm": [1]}
    one, other = ExperimentHandler(tmp_path, "e"), ExperimentHandler(tmp_path, "e")
    for made in (one, other):
        made.set_dict_params({"layers": layers, "stages": stages, "width": 3})
        made.set_parent("width", "layers", [64, 32])
        with made.start():
            layers.append(16)
            stages["warm"].append(2)
        assert made.explain_difference(made) == ()
        layers.pop()
    assert one != other
    assert [str(d) for d in one.explain_difference(other)] == ["stages: {'warm': [1]} | {'warm': [1, 2]}"]
    layers.clear()
    unstarted = handler(layers=layers)
    assert [d.name for d in one.explain_difference(unstarted)] == ["layers", "stages", "width"]
    assert one.fingerprint == fingerprint("e", {"layers": [64, 32], "stages": {"warm": [1]}, "width": 3})


def test_what_is_a_credential_is_remembered_with_a_configuration(tmp_path):
    made = ExperimentHandler(tmp_path, "e", credentials=["*key"])
    made.set_dict_params({"hub_key": "x1", "password": "hunter2"})
    with made.start():
        assert made.explain_difference(made) == ()
    again = ExperimentHandler.load_existent(made.configuration_folder)
    assert again == made
    again.set_param("hub_key", "x2")
    assert again == made


def test_handlers_of_other_experiments_differ():
    one, other = ExperimentHandler("r", "a"), ExperimentHandler("r", "b")
    assert one != other
    assert one.explain_difference(other)[0].name == "experiment"


# Names of configurations


def parameters(metadata, **params):
    made = Parameters()
    made.set(params)
    made.set_metadata(metadata)
    return made


def named(metadata, **params):
    return parameters(metadata, **params).configuration("e").name


def test_values_are_ordered_by_priority_and_then_by_name():
    metadata = {"a": {"name": True}, "b": {"name": True, "name_priority": 2}, "c": {"name": True}}
    assert named(metadata, a=1, b=2, c=3) == "2,1,3"


def test_a_list_is_joined_with_plus_after_the_transform():
    assert named({"a": {"name": True}}, a=[64, 32]) == "64+32"
    assert named({"a": {"name": True, "name_transform": lambda v: f"lr{v}"}}, a=0.1) == "lr0.1"


def test_a_function_may_decide_whether_a_value_is_in_the_name():
    metadata = {"a": {"name": lambda v: v > 1}}
    assert (named(metadata, a=1), named(metadata, a=2)) == ("", "2")


def test_what_is_inactive_or_below_something_disabled_stays_out_of_the_name():
    metadata = {
        "a": {"name": True, "disable_comparison": True},
        "b": {"name": True, "parent": "a"},
        "c": {"name": True},
    }
    assert named(metadata, a=1, b=2, c=None) == ""


def test_a_function_in_metadata_is_stored_as_its_outcome_only(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    made.set_dict_params({"opt": "sgd", "momentum": 0.9})
    made.set_parent("momentum", "opt", lambda v: v.startswith("s"))
    made.name_param("opt", str.upper)
    with made.start():
        pass
    again = ExperimentHandler.load_existent(made.get_save_filename("x").rsplit("/", 1)[0])
    assert again == made
    assert again.momentum == 0.9
    again.set_param("opt", "adam")
    with pytest.raises(ParameterError, match=r"set it again with set_param_metadata\(\)"):
        again.fingerprint  # noqa: B018


# Functions in metadata


def never_called(value):
    raise AssertionError(f"called for {value!r}")


def momentum_above_half(momentum):
    return momentum > 0.5


def nesterov(**params):
    metadata = {
        "momentum": {"parent": "opt", "parent_active": "sgd"},
        "nesterov": {"parent": "momentum", "parent_active": momentum_above_half},
    }
    return parameters(metadata, **params, nesterov=True)


def test_a_function_is_only_called_where_its_parent_counts(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    made.set_dict_params({"opt": "adam", "momentum": 0.9, "nesterov": True, "device": "cpu", "amp": 1})
    made.set_param_metadata(
        {
            "momentum": {"parent": "opt", "parent_active": "sgd", "name": never_called},
            "nesterov": {"parent": "momentum", "parent_active": never_called},
            "device": {"disable_comparison": True, "name": True, "name_transform": never_called},
            "amp": {"parent": "device", "parent_active": never_called},
        }
    )
    with made.start():
        assert made == handler_of("e", opt="adam")


def handler_of(experiment, **params):
    made = ExperimentHandler("unused", experiment)
    made.set_dict_params(params)
    return made


def test_a_function_that_cannot_judge_none_leaves_the_child_inactive():
    def active(**params):
        return nesterov(**params).configuration("e").active

    assert active(opt="adam", momentum=None) == ("opt",)
    assert active(opt="sgd", momentum=None) == ("opt",)
    assert active(opt="sgd", momentum=0.9) == ("momentum", "nesterov", "opt")


@pytest.mark.parametrize("value", [None, False, 0.9])
def test_a_function_with_a_fault_is_an_error_for_none_and_false_too(value):
    made = handler(momentum=value, nesterov=True)
    made.set_parent("nesterov", "momentum", lambda momentum: momentun and momentum > 0.5)  # noqa: F821
    with pytest.raises(ParameterError, match=r"decides by 'momentum' whether 'nesterov' counts, .*NameError"):
        made.start()


@pytest.mark.parametrize("value", [None, False])
def test_what_none_and_false_cannot_do_leaves_the_child_inactive(value):
    for function in (
        lambda value: value > 0.5,
        lambda value: value.startswith("s"),
        {0.9: True}.__getitem__,
        (0.9, 0.8).index,
        lambda value: 1 / value > 2,
    ):
        metadata = {"nesterov": {"parent": "momentum", "parent_active": function}}
        assert parameters(metadata, momentum=value, nesterov=True).configuration("e").active == ()


@pytest.mark.parametrize("value", [None, False])
def test_a_function_may_hold_for_none_or_false(value):
    made = handler(scheduler=value, lr=0.1)
    made.set_parent("lr", "scheduler", lambda scheduler: not scheduler)
    assert made == handler(lr=0.1)


def broken(value):
    raise KeyError(value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"lr": {"parent": "opt", "parent_active": broken}}, "decides by 'opt' whether 'lr' counts, broken"),
        ({"opt": {"name": broken}}, "whether 'opt' is in the configuration's name, broken"),
        ({"opt": {"name": True, "name_transform": broken}}, "the name_transform of 'opt', broken"),
        ({"opt": {"name": True, "name_transform": lambda _: Unprintable()}}, "'opt', .*<lambda>.*line"),
        ({"lr": {"parent": "opt", "parent_active": lambda _: np.arange(2)}}, "whether 'lr' counts.*<lambda>"),
    ],
)
def test_a_function_that_fails_is_named_with_its_parameter(metadata, message):
    made = parameters(metadata, lr=1, opt="sgd")
    with pytest.raises(ParameterError, match=message) as caught:
        made.configuration("e")
    assert "'sgd'" in str(caught.value)
    assert caught.value.__cause__ is not None


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")


def reloaded(made, **changes):
    """The parameters of a stored configuration, some of them changed."""
    again = Parameters()
    again.restore(made.configuration("e"))
    again.set(changes)
    return again


def test_a_function_that_was_not_called_is_asked_for_again_where_it_is_needed():
    again = reloaded(nesterov(opt="adam", momentum=0.9))
    assert again.configuration("e").active == ("opt",)
    again.set({"opt": "sgd"})
    with pytest.raises(ParameterError, match="condition of 'nesterov' on 'momentum' was a function"):
        again.configuration("e")


def test_the_name_rule_of_an_inactive_parameter_is_kept():
    metadata = {
        "momentum": {"parent": "opt", "parent_active": "sgd", "name": True, "name_transform": str},
        "decay": {"name": True, "name_priority": 1},
    }
    made = parameters(metadata, opt="adam", momentum=0.9, decay=None)
    assert reloaded(made, decay=0.1).configuration("e").name == "0.1"
    with pytest.raises(ParameterError, match="name rule of 'momentum' was a function"):
        reloaded(made, opt="sgd").configuration("e")


def test_the_stored_text_of_a_name_survives_a_time_of_inactivity():
    name = {"name": True, "name_transform": lambda value: f"m{value}"}
    metadata = {"momentum": {"parent": "opt", "parent_active": "sgd", **name}}
    made = parameters(metadata, opt="sgd", momentum=0.9)
    assert reloaded(reloaded(made, opt="adam"), opt="sgd").configuration("e").name == "m0.9"
