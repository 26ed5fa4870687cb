"""The command line: declared arguments, grids, conditions, and namespaces that fill functions."""

from __future__ import annotations

import argparse
import asyncio
import functools
import inspect
import sys
import types
from argparse import Namespace
from types import SimpleNamespace

import pytest

from legm import (
    ExperimentHandler,
    ParameterError,
    add_arguments,
    add_metadata,
    from_namespace,
    parse_args_and_metadata,
    splitify_namespace,
)


def parsed(declaration, words="", **options):
    parser = argparse.ArgumentParser()
    add_arguments(parser, declaration, **options)
    return vars(parser.parse_args(words.split()))


def metadata(declaration, **options):
    added: dict = {}
    add_metadata(added, declaration, **options)
    return added


def read(modules, words="", **options):
    return parse_args_and_metadata(modules, words.split(), **options)


def handlers(namespaces, metadata):
    """A handler for each namespace; that they take it is a part of every test."""
    made = []
    for namespace in namespaces if isinstance(namespaces, list) else [namespaces]:
        handler = ExperimentHandler("unused", "e")
        handler.set_namespace_params(namespace)
        handler.set_param_metadata(metadata, namespace)
        assert handler.fingerprint
        made.append(handler)
    return made


def active(handler):
    empty = ExperimentHandler("nowhere", "e")
    return {one.name for one in handler.explain_difference(empty) if one.name != "experiment"}


def refused(capsys, modules, words="", **options):
    """What the command line says when it is wrong."""
    with pytest.raises(SystemExit) as exit_:
        read(modules, words, **options)
    assert exit_.value.code == 2
    return capsys.readouterr().err


# add_arguments


LR = {"learning_rate": {"type": float, "default": 0.1, "metadata": {"name": True}}}


class WithDict:
    argparse_args = LR


class WithStatic:
    @staticmethod
    def argparse_args():
        return LR


class WithClassMethod(WithDict):
    @classmethod
    def argparse_args(cls):
        return dict(LR)


MODULE = types.ModuleType("settings")
MODULE.argparse_args = LR
CARRIERS = [LR, lambda: LR, WithDict, WithDict(), WithStatic, WithClassMethod, MODULE]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_arguments_and_metadata_come_from_dicts_functions_classes_objects_and_modules(carrier):
    assert parsed(carrier, "--learning_rate 0.5") == {"learning_rate": 0.5}
    assert metadata(carrier) == {"learning_rate": {"name": True}}
    assert read(carrier)[0] == Namespace(learning_rate=0.1)


def test_an_absent_value_is_metadata_too():
    late = {"dropout": {"type": float, "default": 0.0, "metadata": {"absent_value": 0.0}}}
    old, new = handlers(*read([LR], ""))[0], handlers(*read([LR, late], ""))[0]
    changed = handlers(*read([LR, late], "--dropout 0.5"))[0]
    assert new.dropout == 0.0
    assert new == old != changed


def test_underscores_are_replaced_on_the_command_line_only():
    assert parsed(LR, "--learning-rate 0.5", replace_underscores=True) == {"learning_rate": 0.5}
    split = {"data_path": {"splits": ["train"]}}
    assert parsed(split, "--train-data-path a", replace_underscores=True) == {"train_data_path": "a"}


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ({"--learning-rate": {}}, "--learning-rate 1"),
        ({"learning-rate": {}}, "--learning-rate 1"),
        ({"learning_rate": {"flags": "-l"}}, "-l 1"),
        ({"learning_rate": {"flags": ["-l", "--lr"]}}, "--lr 1"),
        ({"learning_rate": {"flags": ["-l", "--lr"]}}, "--learning_rate 1"),
        ({"-l": {"dest": "learning_rate"}}, "-l 1"),
        ({"lr": {"dest": "learning_rate"}}, "--lr 1"),
    ],
)
def test_flags_are_taken_as_given_and_the_parameter_has_the_name_of_argparse(declaration, words):
    assert parsed(declaration, words) == {"learning_rate": "1"}
    (key,) = declaration
    assert metadata({key: declaration[key] | {"metadata": {"name": True}}}) == {
        "learning_rate": {"name": True}
    }


def test_every_keyword_of_argparse_is_handed_on():
    class Upper(argparse.Action):
        def __init__(self, suffix, **keywords):
            super().__init__(**keywords)
            self.suffix = suffix

        def __call__(self, parser, namespace, values, option_string=None):
            setattr(namespace, self.dest, values.upper() + self.suffix)

    declaration = {
        "amp": {"action": "store_true"},
        "bias": {"action": argparse.BooleanOptionalAction, "default": True},
        "name": {"action": Upper, "suffix": "!", "required": True},
        "sizes": {"nargs": "+", "type": int, "choices": [1, 2], "metavar": "SIZE"},
        "verbose": {"action": "count", "flags": "-v"},
        "best": {"nargs": "?", "const": "loss"},
    }
    words = "--amp --no-bias --name a --sizes 1 2 -vv --best"
    wanted = {"amp": True, "bias": False, "name": "A!", "sizes": [1, 2], "verbose": 2, "best": "loss"}
    assert parsed(declaration, words) == wanted
    assert vars(read(declaration, words)[0]) == wanted


def test_arguments_can_be_added_to_a_group_of_a_parser():
    parser = argparse.ArgumentParser()
    add_arguments(parser.add_argument_group("Model"), LR)
    assert "Model:\n  --learning_rate" in parser.format_help()


def test_searchable_takes_one_value_without_a_grid():
    assert parsed({"lr": {"type": float, "searchable": True}}, "--lr 0.1") == {"lr": 0.1}


SPLIT = {
    "path": {"splits": ["train", "dev"], "metadata": {"parent": "kind", "parent_active": "file"}},
    "kind": {"splits": ["train", "dev", "test"], "default": "file"},
    "seed": {"type": int, "metadata": {"disable_comparison": True}},
}


def test_a_split_parameter_becomes_an_argument_for_each_split():
    assert parsed(SPLIT, "--train_path a --dev_kind url") == {
        "train_path": "a",
        "dev_path": None,
        "train_kind": "file",
        "dev_kind": "url",
        "test_kind": "file",
        "seed": None,
    }


def test_the_parent_of_a_split_parameter_is_that_of_its_split():
    assert metadata(SPLIT) == {
        "train_path": {"parent": "train_kind", "parent_active": "file"},
        "dev_path": {"parent": "dev_kind", "parent_active": "file"},
        "seed": {"disable_comparison": True},
    }
    several = SPLIT | {
        "path": {
            "splits": ["train", "dev"],
            "metadata": {"parent": ["kind", "seed"], "parent_active": {"kind": "file"}},
        }
    }
    assert metadata(several)["dev_path"] == {
        "parent": ["dev_kind", "seed"],
        "parent_active": {"dev_kind": "file"},
    }


def test_a_parent_without_splits_is_that_of_all_splits():
    added = metadata({"path": {"splits": ["a", "b"], "metadata": {"parent": "use"}}, "use": {}})
    assert added == {"a_path": {"parent": "use"}, "b_path": {"parent": "use"}}


def test_the_parent_of_a_split_may_have_been_added_before():
    added = {"train_kind": {"name": True}}
    add_metadata(added, {"path": {"splits": ["train"], "metadata": {"parent": "kind"}}})
    assert added["train_path"] == {"parent": "train_kind"}


def test_the_splits_of_a_parent_are_found_in_all_modules():
    child = {"path": {"splits": ["dev"], "metadata": {"parent": "kind"}}}
    parent = {"kind": {"splits": ["dev"], "default": "file"}}
    assert read([child, parent])[1] == {"dev_path": {"parent": "dev_kind"}}


@pytest.mark.parametrize(
    ("splits", "said"), [(None, "has none"), (["train", "test"], "has also 'test'"), (["x"], "has also 'x'")]
)
def test_a_parent_with_splits_that_the_child_does_not_have_is_an_error_that_names_both(splits, said):
    child = {"metadata": {"parent": "kind"}} | ({"splits": splits} if splits else {})
    declaration = {"path": child, "kind": {"splits": ["train", "dev"]}}
    with pytest.raises(ParameterError, match=rf"'kind' of 'path' .*\['train', 'dev'\].*{said}.*'train_kind'"):
        metadata(declaration)
    with pytest.raises(ParameterError, match="'kind' of 'path'"):
        read(declaration)


def test_a_child_without_splits_may_name_the_parent_of_one_split():
    declaration = {"path": {"metadata": {"parent": "dev_kind"}}, "kind": {"splits": ["train", "dev"]}}
    assert metadata(declaration) == {"path": {"parent": "dev_kind"}}


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (None, {"train_path", "dev_path", "seed"}),
        ("path", {"seed"}),
        (["dev_path", "seed"], {"train_path"}),
        (("nothing",), {"train_path", "dev_path", "seed"}),
    ],
)
def test_excluded_names_are_left_out_with_all_their_splits_or_one(exclude, left):
    assert set(metadata(SPLIT, exclude=exclude)) == left
    kinds = {"train_kind", "dev_kind", "test_kind"}
    assert set(parsed(SPLIT, exclude=exclude)) == left | kinds


def test_metadata_that_are_there_already_may_be_the_same_but_not_others():
    added = {"learning_rate": {"name": True}}
    add_metadata(added, LR)
    added["learning_rate"] = {"name": False}
    before = {name: dict(fields) for name, fields in added.items()}
    with pytest.raises(ParameterError, match="there are already other metadata of 'learning_rate'"):
        add_metadata(added, {"momentum": {"metadata": {"name": True}}, **LR})
    assert added == before
    add_metadata(added, LR, exclude="learning_rate")


def test_the_declaration_is_never_changed():
    declaration = {"lr": {"type": float, "flags": "-l", "metadata": {"parent": "a"}, "searchable": True}}
    added: dict = {}
    add_metadata(added, declaration)
    added["lr"]["name"] = True
    read([declaration, {"a": {}}], "-l 1 2")
    assert declaration == {
        "lr": {"type": float, "flags": "-l", "metadata": {"parent": "a"}, "searchable": True}
    }


class NoArguments:
    pass


class NeedsSelf:
    def argparse_args(self):
        return LR


@pytest.mark.parametrize(
    ("carrier", "said"),
    [
        (NoArguments, "NoArguments has no argparse_args"),
        (NoArguments(), "NoArguments has no argparse_args"),
        (sys, "sys has no argparse_args"),
        (3, "int has no argparse_args"),
        ("lr", "str has no argparse_args"),
        (None, "NoneType has no argparse_args"),
        (NeedsSelf, "NeedsSelf must be callable without arguments"),
        (lambda: [1], r"must be a dict from names to keywords, not \[1\]"),
        (SimpleNamespace(argparse_args=[1]), r"must be a dict from names to keywords, not \[1\]"),
        ({"lr": 0.1}, "'lr' must be a dict of keywords, not 0.1"),
        ({3: {}}, "must be a string, not 3"),
        ({"": {}}, "must not be empty"),
        ({"--": {}}, "'--' cannot be used on the command line"),
        ({"a b": {}}, "'a b' cannot be used on the command line"),
        ({"a=b": {}}, "'a=b' cannot be used on the command line"),
        ({"lr": {"tpye": float}}, "'lr' has an unknown keyword 'tpye'; did you mean 'type'"),
        ({"lr": {"metdata": {}}}, "unknown keyword 'metdata'; did you mean 'metadata'"),
        ({"lr": {"metadata": {"parnet": "a"}}}, "unknown field 'parnet'; did you mean 'parent'"),
        ({"lr": {"metadata": ["name"]}}, r"metadata of 'lr' must map fields to values, not be \['name'\]"),
        ({"lr": {"metadata": {"parent": 3}}}, "parent of 'lr' must be a name or a list of names, not 3"),
        ({"lr": {"metadata": {"parent": [3]}}}, "parent of 'lr' must be a name"),
        ({"lr": {"splits": "train"}}, "splits of 'lr' must be a list of names, not 'train'"),
        ({"lr": {"splits": []}}, "splits of 'lr' must be a list of names"),
        ({"lr": {"splits": 3}}, "splits of 'lr' must be a list of names"),
        ({"lr": {"splits": ["train", 3]}}, "split of 'lr' must be a name like 'train', not 3"),
        ({"lr": {"splits": ["a b"]}}, "not 'a b'"),
        ({"lr": {"splits": ["--dev"]}}, "not '--dev'"),
        ({"lr": {"splits": ["dev", "dev"]}}, "splits of 'lr' contain a duplicate"),
        ({"--lr": {"splits": ["dev"]}}, "'--lr' has splits"),
        ({"lr": {"splits": ["dev"], "flags": "-l"}}, "'lr' has splits"),
        ({"lr": {"splits": ["dev"], "dest": "x"}}, "'lr' has splits"),
        ({"lr": {"flags": "l"}}, "flags of 'lr' must be like '-l' or '--lr', not 'l'"),
        ({"lr": {"flags": [3]}}, "flags of 'lr' must be like"),
        ({"lr": {"searchable": "yes"}}, "searchable of 'lr' must be True or False, not 'yes'"),
        ({"lr": {"searchable": True, "action": "store_true"}}, "'lr' cannot be searchable .*'store_true'"),
        ({"lr": {"searchable": True, "nargs": "?"}}, "'lr' cannot be searchable with nargs='?'"),
        ({"path": {"splits": ["dev"]}, "dev_path": {}}, "declares 'dev_path' twice"),
        ({"a-b": {}, "a_b": {}}, "declares 'a_b' twice"),
        ({"lr": {"type": "float"}}, "argparse refuses the argument 'lr'"),
        ({"lr": {"action": "stroe"}}, "argparse refuses the argument 'lr'.*stroe"),
        ({"lr": {"flags": "-x"}, "mu": {"flags": "-x"}}, "argument 'mu': .*conflicting option string: -x"),
        ({"help": {}}, "argument 'help': .*conflicting option string: --help"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_an_error_that_says_why(carrier, said):
    with pytest.raises(ParameterError, match=said):
        add_arguments(argparse.ArgumentParser(), carrier)
    with pytest.raises(ParameterError, match=said):
        read([carrier])


def test_an_error_in_the_users_own_function_is_not_hidden():
    def broken():
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        add_arguments(argparse.ArgumentParser(), broken)


# parse_args_and_metadata


class Trainer:
    argparse_args = {
        "model": {"default": "lstm", "choices": ["lstm", "cnn", "none"], "searchable": True},
        "lr": {"type": float, "default": 0.1, "searchable": True, "metadata": {"name": True}},
        "seed": {"type": int, "default": 0, "metadata": {"disable_comparison": True}},
    }


class Lstm:
    argparse_args = {
        "hidden": {"type": int, "default": 5, "searchable": True},
        "cell": {"default": "plain", "choices": ["plain", "gru"]},
    }


class Cnn:
    argparse_args = {
        "kernel": {"type": int, "default": 3},
        "hidden": {"type": int, "default": 7, "searchable": True},
        "dilation": {"type": int, "metadata": {"parent": "kernel", "parent_active": 3}},
    }


GRU = {"gate": {"default": "sigmoid"}}
MODELS = {"conditional_modules": {"model": {"lstm": Lstm, "cnn": [Cnn]}, "cell": {"gru": GRU}}}


def test_the_namespace_and_the_metadata_of_several_modules_come_in_one_call():
    namespace, added = read(
        [Trainer, {"wd": {"type": float, "metadata": {"parent": "lr"}}}], "--wd 0.5 --lr 1"
    )
    assert namespace == Namespace(model="lstm", lr=1.0, seed=0, wd=0.5)
    assert added == {
        "lr": {"name": True},
        "seed": {"disable_comparison": True},
        "wd": {"parent": "lr"},
    }
    (handler,) = handlers(namespace, added)
    assert active(handler) == {"model", "lr", "wd"}


def test_the_command_line_is_that_of_the_process_when_none_is_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "3"])
    assert parse_args_and_metadata(Trainer)[0].lr == 3


def test_an_argument_that_two_modules_declare_alike_is_shared():
    one, other = {"seed": {"type": int}}, {"seed": {"type": int}, "lr": {}}
    assert read([one, other], "--seed 3")[0] == Namespace(seed=3, lr=None)


def test_an_argument_that_two_modules_declare_differently_is_an_error_that_names_them():
    with pytest.raises(ParameterError, match="Lstm and Cnn both declare 'hidden', but differently"):
        read([Lstm, Cnn])


def test_the_metadata_leave_out_what_is_not_in_the_namespace():
    declaration = {"lr": {"default": argparse.SUPPRESS, "metadata": {"name": True}}}
    assert read(declaration) == (Namespace(), {})
    assert read(declaration, "--lr 1") == (Namespace(lr="1"), {"lr": {"name": True}})


def test_a_word_that_no_argument_takes_is_an_error(capsys):
    assert "unrecognized arguments: --rate 3" in refused(capsys, Trainer, "--rate 3")
    assert "unrecognized arguments: 3" in refused(capsys, Trainer, "3")


def test_arguments_cannot_be_abbreviated(capsys):
    assert "unrecognized arguments: --mod cnn" in refused(capsys, Trainer, "--mod cnn", **MODELS)


# Conditions


def test_a_module_is_added_by_the_value_of_an_argument():
    namespace, added = read(Trainer, "--model cnn --kernel 9", **MODELS)
    assert namespace == Namespace(model="cnn", lr=0.1, seed=0, kernel=9, hidden=7, dilation=None)
    assert added["kernel"] == {"parent": "model", "parent_active": "cnn"}
    assert added["dilation"] == {"parent": "kernel", "parent_active": 3}
    handlers(namespace, added)


def test_the_default_of_an_argument_adds_its_module_and_order_does_not_matter():
    assert read(Trainer, "--hidden 9 --seed 2", **MODELS)[0].hidden == 9
    assert read(Trainer, "--kernel 9 --model cnn", **MODELS)[0].kernel == 9


def test_a_value_without_a_module_adds_none(capsys):
    assert read(Trainer, "--model none", **MODELS)[0] == Namespace(model="none", lr=0.1, seed=0)
    assert "unrecognized arguments: --hidden 3" in refused(
        capsys, Trainer, "--model none --hidden 3", **MODELS
    )


def test_arguments_that_come_by_a_condition_may_be_the_condition_of_others():
    namespace, added = read(Trainer, "--gate relu --cell gru", **MODELS)
    assert namespace.gate == "relu"
    assert added["cell"] == {"parent": "model", "parent_active": "lstm"}
    assert added["gate"] == {"parent": "cell", "parent_active": "gru"}
    (handler,) = handlers(namespace, added)
    assert active(handler) == {"model", "lr", "hidden", "cell", "gate"}


def test_an_argument_that_is_a_prefix_of_a_later_one_keeps_its_value():
    modules = {"lr_scheduler": {"choices": ["cosine"]}, "model": {"default": "lstm"}}
    options = {"conditional_args": {"model": {"lstm": {"lr": {"type": float}}}}}
    assert read(modules, "--lr 0.5", **options)[0] == Namespace(lr_scheduler=None, model="lstm", lr=0.5)


@pytest.mark.parametrize(("words", "there"), [("", False), ("--amp", True)])
def test_a_condition_may_be_about_true_and_none(words, there):
    options = {"conditional_args": {"amp": {True: {"scale": {"type": int, "default": 1}}}}}
    namespace, added = read({"amp": {"action": "store_true"}}, words, **options)
    assert hasattr(namespace, "scale") == there
    handlers(namespace, added)
    options = {"conditional_args": {"amp": {None: {"scale": {"type": int, "default": 1}}, 1: {"x": {}}}}}
    namespace, added = read({"amp": {"action": "store_const", "const": True}}, words, **options)
    assert hasattr(namespace, "scale") != there
    assert not hasattr(namespace, "x")
    for handler in handlers(namespace, added):
        assert ("scale" in active(handler)) != there


def test_a_condition_may_be_a_function_of_the_value():
    def layers(count):
        return {f"width_{i}": {"type": int, "default": 8} for i in range(count)}

    modules = {"layers": {"type": int, "default": 1}}
    namespace, added = read(modules, "--layers 3 --width_2 9", conditional_args={"layers": layers})
    assert vars(namespace) == {"layers": 3, "width_0": 8, "width_1": 8, "width_2": 9}
    assert added["width_2"] == {"parent": "layers", "parent_active": 3}
    assert active(*handlers(namespace, added)) == set(vars(namespace))


def test_all_conditions_may_be_one_function_of_the_namespace():
    def more(namespace):
        if namespace.model == "lstm" and namespace.lr > 1:
            return {"clip": {"type": float, "default": 1.0}}
        if hasattr(namespace, "clip"):
            raise AssertionError("it exists without its condition")
        return None

    namespace, added = read(Trainer, "--lr 2 --clip 3", conditional_args=more)
    assert namespace.clip == 3
    assert "clip" not in added
    assert not hasattr(read(Trainer, "--lr 1", conditional_args=more)[0], "clip")


def test_a_function_of_the_namespace_sees_what_it_added_and_is_asked_again():
    def more(namespace):
        return {f"a{i}": {"type": int, "default": i + 1} for i in range(getattr(namespace, "a1", 1) + 1)}

    namespace, _ = read({}, "--a1 3", conditional_args=more)
    assert vars(namespace) == {"a0": 1, "a1": 3, "a2": 3, "a3": 4}


def test_a_function_that_adds_arguments_without_end_is_an_error():
    with pytest.raises(ParameterError, match="must stop adding new"):
        read({}, conditional_args=lambda namespace: {f"a{len(vars(namespace))}": {}})


def test_a_condition_on_several_values_takes_the_modules_of_each():
    modules = {"losses": {"nargs": "+", "default": ["mse"]}}
    options = {
        "conditional_args": {
            "losses": {"mse": {"scale": {"default": 1}}, "nll": {"smoothing": {"default": 2}}}
        }
    }
    namespace, added = read(modules, "--losses nll mse", **options)
    assert vars(namespace) == {"losses": ["nll", "mse"], "smoothing": 2, "scale": 1}
    (handler,) = handlers(namespace, added)
    assert active(handler) == {"losses", "smoothing", "scale"}
    assert set(vars(read(modules, **options)[0])) == {"losses", "scale"}


def test_a_value_that_is_a_function_is_compared_not_called():
    def relu(value):
        raise AssertionError("it was called")

    modules = {"activation": {"type": {"relu": relu}.get, "metadata": {"disable_comparison": False}}}
    options = {"conditional_args": {"activation": {relu: {"slope": {"default": 0.1}}}}}
    namespace, added = read(modules, "--activation relu", **options)
    assert added["slope"]["parent_active"](relu)
    assert not added["slope"]["parent_active"](print)
    assert namespace.slope == 0.1


def test_an_own_parent_even_none_replaces_that_of_the_condition():
    options = {
        "conditional_args": {
            "model": {"lstm": {"a": {"metadata": {"parent": None}}, "b": {"metadata": {"name": True}}}}
        }
    }
    _, added = read(Trainer, **options)
    assert added["a"] == {"parent": None}
    assert added["b"] == {"name": True, "parent": "model", "parent_active": "lstm"}


def test_a_parent_whose_module_was_not_chosen_is_none():
    modules = {"opt": {"default": "sgd"}, "warmup": {"default": 3, "metadata": {"parent": "momentum"}}}
    options = {"conditional_args": {"opt": {"sgd": {"momentum": {"default": 0.9}}}}}
    namespace, added = read(modules, "--opt adam", **options)
    assert namespace.momentum is None
    assert active(*handlers(namespace, added)) == {"opt"}
    assert active(*handlers(*read(modules, **options))) == {"opt", "warmup", "momentum"}


def test_an_argument_of_a_condition_and_of_the_modules_always_counts():
    options = {"conditional_args": {"model": {"lstm": {"seed": Trainer.argparse_args["seed"]}}}}
    assert read(Trainer, **options)[1]["seed"] == {"disable_comparison": True}


def test_a_required_argument_of_a_chosen_module_has_to_be_given(capsys):
    options = {"conditional_args": {"model": {"cnn": {"stride": {"required": True}}}}}
    assert "arguments are required: --stride" in refused(capsys, Trainer, "--model cnn", **options)
    assert read(Trainer, **options)[0].model == "lstm"
    modules = {"model": {"required": True}}
    assert "arguments are required: --model" in refused(capsys, modules, **options)
    assert read(modules, "--stride 3 --model cnn", **options)[0].stride == "3"


def test_help_shows_the_arguments_of_the_values_given(capsys):
    def help_(words):
        with pytest.raises(SystemExit) as exit_:
            read(Trainer, words, **MODELS)
        assert exit_.value.code == 0
        return capsys.readouterr().out

    assert "--kernel" not in help_("--help")
    assert "Lstm, with model = 'lstm':\n  --hidden" in help_("--help")
    assert "--kernel KERNEL" in help_("-h --model cnn")
    assert "--gate GATE" in help_("--cell gru --help")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--model cnm", "argument --model: invalid choice: 'cnm'"),
        ("--model", "argument --model: expected at least one argument"),
        ("--seed x --model cnn", "argument --seed: invalid int value: 'x'"),
        ("--model cnn --kernel x", "argument --kernel: invalid int value: 'x'"),
    ],
)
def test_a_wrong_value_is_reported_as_by_argparse(capsys, words, said):
    assert said in refused(capsys, Trainer, words, **MODELS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"conditional_modules": {"modle": {"lstm": Lstm}}},
            "'modle', which is not an argument; did you mean 'model'",
        ),
        ({"conditional_modules": {"model": {"lstn": Lstm}}}, "model='lstn', .* did you mean 'lstm'"),
        ({"conditional_modules": {"model": Lstm}}, r"conditional_modules\['model'\] must be a mapping"),
        ({"conditional_modules": [Lstm]}, "conditional_modules must be a mapping"),
        ({"conditional_args": {"model": {"lstm": {"a": 3}}}}, "'a' must be a dict of keywords"),
        ({"conditional_args": {"model": {"lstm": {"lr": {}}}}}, "'lr', but differently"),
        ({"conditional_args": lambda namespace: 3}, "int has no argparse_args"),
        ({"subparsers": {"train": {}}}, "subparsers= must be a mapping .* requires dest="),
        ({"dest": "command"}, "subparsers= must be a mapping .* requires dest="),
        ({"subparsers": [Lstm], "dest": "command"}, "subparsers= must be a mapping"),
    ],
)
def test_conditions_that_cannot_be_used_are_an_error_that_says_why(options, said):
    with pytest.raises(ParameterError, match=said):
        read(Trainer, **options)


@pytest.mark.parametrize("words", ["--lr 3", ["--lr", 3]])
def test_a_command_line_that_is_no_list_of_strings_is_an_error(words):
    with pytest.raises(ParameterError, match="args must be a list of strings"):
        parse_args_and_metadata(Trainer, words)


# Commands


COMMANDS = {
    "subparsers": {
        "train": [Lstm, {"epochs": {"type": int, "default": 2, "metadata": {"name": True}}}],
        "test": {"checkpoint": {"required": True}},
    },
    "dest": "command",
}


@pytest.mark.parametrize(
    "words",
    [
        "train --epochs 3 --lr 1",
        "--lr 1 train --epochs 3",
        "--epochs 3 --lr 1 train",
        "--lr 1 --epochs 3 train",
    ],
)
def test_a_command_brings_its_modules_at_any_position(words):
    namespace, added = read({"lr": {"type": float}}, words, **COMMANDS)
    assert vars(namespace) == {"command": "train", "lr": 1, "hidden": 5, "cell": "plain", "epochs": 3}
    assert added == {"epochs": {"name": True}}
    assert active(*handlers(namespace, added)) == set(vars(namespace))


def test_the_arguments_of_another_command_are_not_there(capsys):
    assert "unrecognized arguments: --epochs 3" in refused(
        capsys, {}, "test --checkpoint a --epochs 3", **COMMANDS
    )
    assert "arguments are required: --checkpoint" in refused(capsys, {}, "test", **COMMANDS)
    assert vars(read({}, "test --checkpoint train", **COMMANDS)[0])["checkpoint"] == "train"


def test_a_command_has_to_be_given_and_to_exist(capsys):
    assert "arguments are required: command" in refused(capsys, {}, **COMMANDS)
    assert "argument command: invalid choice: 'trian'" in refused(capsys, {}, "trian", **COMMANDS)
    assert "unrecognized arguments: test" in refused(capsys, {}, "train test", **COMMANDS)


def test_a_value_that_looks_like_a_command_asks_for_the_command_first(capsys):
    options = {"subparsers": {"train": {"mode": {}}, "test": {}}, "dest": "command"}
    assert read({}, "train --mode test", **options)[0] == Namespace(command="train", mode="test")
    assert read({}, "--mode test train", **options)[0] == Namespace(command="train", mode="test")
    assert "required: command" in refused(capsys, {}, "--mode train", **options)


def test_a_condition_may_be_about_the_command_and_commands_have_conditions():
    options = COMMANDS | {"conditional_args": {"cell": {"gru": GRU}, "command": {"train": {"resume": {}}}}}
    namespace, _ = read({}, "train --cell gru --gate x --resume y", **options)
    assert (namespace.gate, namespace.resume) == ("x", "y")
    with pytest.raises(ParameterError, match=r"command='trane', .* did you mean 'train'"):
        read({}, "train", **COMMANDS, conditional_args={"command": {"trane": GRU}})


def test_the_command_and_an_argument_cannot_have_one_name():
    with pytest.raises(ParameterError, match="dest='command' is also an argument of argparse_args"):
        read({"command": {}}, "train", **COMMANDS)


# Grids


def test_several_values_of_searchable_arguments_make_a_grid_in_the_order_given():
    modules = {
        "lr": {"type": float, "searchable": True, "metadata": {"name": True}},
        "seed": {"type": int, "default": 7, "searchable": True},
    }
    grid, added = read(modules, "--seed 2 1 --lr 0.2 0.1")
    assert [(n.lr, n.seed) for n in grid] == [(0.2, 2), (0.2, 1), (0.1, 2), (0.1, 1)]
    assert len({h.fingerprint for h in handlers(grid, added)}) == 4
    assert read(modules, "--lr 0.2")[0] == Namespace(lr=0.2, seed=7)
    assert [n.lr for n in read(modules, "--lr 1 --lr 2")[0]] == [1, 2]


def test_a_list_is_one_value_and_is_given_once_for_each_point():
    modules = {"layers": {"type": int, "nargs": "+", "default": [8], "searchable": True}}
    assert read(modules, "--layers 64 32")[0] == Namespace(layers=[64, 32])
    assert read(modules)[0] == Namespace(layers=[8])
    grid, _ = read(modules, "--layers 64 32 --layers 128")
    assert [n.layers for n in grid] == [[64, 32], [128]]
    fixed = {"betas": {"type": float, "nargs": 2, "searchable": True}}
    assert [n.betas for n in read(fixed, "--betas 0 1 --betas 2 3")[0]] == [[0, 1], [2, 3]]


def test_a_default_is_one_value_even_if_it_is_a_list_or_text():
    modules = {
        "lr": {"type": float, "default": "0.5", "searchable": True},
        "x": {"default": [1, 2], "searchable": True},
    }
    assert read(modules)[0] == Namespace(lr=0.5, x=[1, 2])


def test_choices_and_types_hold_for_every_value_of_a_grid(capsys):
    assert "invalid choice: 'rnn'" in refused(capsys, Trainer, "--model lstm rnn")
    assert "invalid float value: 'x'" in refused(capsys, Trainer, "--lr 1 x")


def test_several_values_of_an_argument_that_is_not_searchable_are_an_error(capsys):
    assert "unrecognized arguments: 2" in refused(capsys, Trainer, "--seed 1 2")


def test_a_grid_over_modules_has_at_each_point_the_arguments_of_its_own():
    grid, added = read(Trainer, "--model cnn lstm none --hidden 1 2 --kernel 9 --cell gru", **MODELS)
    points = [(n.model, n.hidden, n.kernel, n.cell, n.gate) for n in grid]
    assert points == [
        ("cnn", 1, 9, None, None),
        ("cnn", 2, 9, None, None),
        ("lstm", 1, None, "gru", "sigmoid"),
        ("lstm", 2, None, "gru", "sigmoid"),
        ("none", None, None, None, None),
    ]
    made = handlers(grid, added)
    assert len({handler.fingerprint for handler in made}) == 5
    assert active(made[0]) == {"model", "lr", "hidden", "kernel"}
    assert active(made[4]) == {"model", "lr"}


def test_defaults_of_one_name_may_differ_between_modules_of_a_grid():
    grid, added = read(Trainer, "--model lstm cnn", **MODELS)
    assert [n.hidden for n in grid] == [5, 7]
    handlers(grid, added)


def test_a_configuration_is_the_same_in_a_grid_and_alone():
    grid = handlers(*read(Trainer, "--model lstm cnn --lr 1 2 --hidden 3", **MODELS))
    alone = [
        handlers(*read(Trainer, f"--model {model} --lr {lr} --hidden 3", **MODELS))[0]
        for model in ("lstm", "cnn")
        for lr in (1, 2)
    ]
    assert [h.fingerprint for h in grid] == [h.fingerprint for h in alone]


def test_words_that_no_point_of_a_grid_takes_are_an_error(capsys):
    said = refused(capsys, Trainer, "--model lstm cnn --kernel 3 --typo 4", **MODELS)
    assert "unrecognized arguments: --typo 4" in said
    types_ = {
        "conditional_args": {"model": {"lstm": {"size": {"type": float}}, "cnn": {"size": {"type": int}}}}
    }
    assert "invalid int value: '0.5'" in refused(capsys, Trainer, "--model lstm cnn --size 0.5", **types_)


def test_one_name_takes_as_many_values_in_every_module_of_a_grid():
    cnn = {"hidden": {"type": int}}
    options = {"conditional_args": {"model": {"lstm": Lstm, "cnn": cnn}}}
    with pytest.raises(ParameterError, match=r"model = 'lstm' and .*model = 'cnn' both declare 'hidden'"):
        read(Trainer, "--model lstm cnn --hidden 1 2", **options)


def test_a_function_of_the_namespace_is_asked_at_each_point():
    def more(namespace):
        return {"clip": {"type": float, "default": 1.0}} if namespace.lr > 1 else None

    grid, added = read(Trainer, "--lr 1 2", conditional_args=more)
    assert [n.clip for n in grid] == [None, 1.0]
    handlers(grid, added)


def test_functions_in_metadata_may_be_made_anew_at_each_point():
    def more(namespace):
        text = namespace.model
        return {"clip": {"metadata": {"name": True, "name_transform": lambda value: f"{text}{value}"}}}

    grid, added = read(Trainer, "--lr 1 2", conditional_args=more)
    assert added["clip"]["name_transform"](3) == "lstm3"
    handlers(grid, added)
    with pytest.raises(ParameterError, match="metadata of 'clip' differ"):
        read(Trainer, "--model lstm cnn", conditional_args=more)


def test_an_argument_may_have_other_choices_in_another_module():
    cnn = {"cell": {"choices": ["dense"], "default": "dense"}}
    options = {
        "conditional_args": {
            "model": {"lstm": Lstm, "cnn": cnn},
            "cell": {"gru": GRU, "dense": {"growth": {}}},
        }
    }
    grid, added = read(Trainer, "--model lstm cnn", **options)
    assert [n.cell for n in grid] == ["plain", "dense"]
    assert added["growth"] == {"parent": "cell", "parent_active": "dense"}
    handlers(grid, added)


def test_metadata_that_differ_between_points_are_an_error_that_names_the_parameter():
    options = {
        "conditional_args": {
            "model": {
                "lstm": {"size": {"metadata": {"name": True}}},
                "cnn": {"size": {"metadata": {"disable_comparison": True}}},
            }
        }
    }
    with pytest.raises(ParameterError, match="metadata of 'size' differ between points of the grid"):
        read(Trainer, "--model lstm cnn", **options)
    assert read(Trainer, "--model cnn", **options)[1]["size"]["disable_comparison"]


def test_a_large_grid_is_read_at_once():
    words = (
        "--model lstm cnn --lr "
        + " ".join(map(str, range(50)))
        + " --hidden "
        + " ".join(map(str, range(20)))
    )
    grid, _ = read(Trainer, words, **MODELS)
    assert len(grid) == 2000
    assert len({tuple(sorted(vars(n).items(), key=repr)) for n in grid}) == 2000


# from_namespace


def test_parameters_come_from_the_call_then_the_namespace_then_the_default():
    @from_namespace
    def function(a, b, c=3, *, d=4, e):
        return a, b, c, d, e

    namespace = Namespace(a=10, b=20, d=40, e=50, other=60)
    assert function(1, init__namespace=namespace) == (1, 20, 3, 40, 50)
    assert function(c=7, e=8, init__namespace=namespace) == (10, 20, 7, 40, 8)
    assert function(1, 2, e=5) == (1, 2, 3, 4, 5)
    assert function(1, 2, e=5, init__namespace=None) == (1, 2, 3, 4, 5)


def test_of_several_namespaces_the_later_wins():
    @from_namespace
    def function(a, b, c):
        return a, b, c

    one, other = Namespace(a=1, b=1, c=1), SimpleNamespace(b=2, c=2)
    assert function(init__namespace=[one, other, {"c": 3}]) == (1, 2, 3)
    assert function(init__namespace=(other, one)) == (1, 1, 1)
    assert function(1, 2, 3, init__namespace=[]) == (1, 2, 3)


def test_none_in_the_namespace_is_a_value():
    @from_namespace
    def function(a=1):
        return a

    assert function(init__namespace=Namespace(a=None)) is None


def test_positional_only_parameters_and_those_before_a_default_come_from_the_namespace():
    @from_namespace
    def function(a, b=2, c=3, /, d=4, *rest, e=5):
        return a, b, c, d, rest, e

    namespace = Namespace(a=1, c=30, rest=[9], e=50)
    assert function(init__namespace=namespace) == (1, 2, 30, 4, (), 50)
    assert function(7, 8, 9, 10, 11, init__namespace=namespace) == (7, 8, 9, 10, (11,), 50)


def test_everything_that_is_missing_is_named_at_once():
    @from_namespace
    def function(alpha, beta, gamma=1, *, delta):
        raise AssertionError("it was called")

    with pytest.raises(
        ParameterError, match=r"function\(\) is missing alpha, delta: .* \('alpha': did .*'alpah'"
    ):
        function(init__namespace=Namespace(beta=1, alpah=2))
    with pytest.raises(TypeError, match="missing 2 required"):
        function()


def test_a_wrong_call_is_pythons_own_error():
    @from_namespace
    def function(a):
        return a

    with pytest.raises(TypeError, match="'b'"):
        function(b=1, init__namespace=Namespace(a=1))
    with pytest.raises(TypeError, match="too many positional"):
        function(1, 2, init__namespace=Namespace(a=1))


def test_signature_docstring_and_name_are_preserved():
    def function(a: int, *, b: str = "x") -> float:
        """What it does."""

    decorated = from_namespace(function)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert (decorated.__doc__, decorated.__name__) == ("What it does.", "function")
    assert decorated.__annotations__ == function.__annotations__


def test_a_coroutine_function_stays_one():
    @from_namespace
    async def function(a, b=2):
        await asyncio.sleep(0)
        return a, b

    assert inspect.iscoroutinefunction(function)
    assert asyncio.run(function(init__namespace=Namespace(a=1))) == (1, 2)
    assert asyncio.run(function(3)) == (3, 2)
    with pytest.raises(ParameterError, match="is missing a: "):
        asyncio.run(function(init__namespace=Namespace()))


def test_generators_are_filled_too():
    @from_namespace
    def function(count):
        yield from range(count)

    assert list(function(init__namespace=Namespace(count=3))) == [0, 1, 2]


class Base:
    def __init__(self, size, bias=True):
        self.size, self.bias = size, bias


class Middle(Base):
    @from_namespace
    def __init__(self, depth=1, *, kind="a", **kwargs):
        super().__init__(**kwargs)
        self.depth, self.kind = depth, kind


class Leaf(Middle):
    @from_namespace
    def __init__(self, rate, **kwargs):
        self.kwargs = dict(kwargs)
        super().__init__(**kwargs)
        self.rate = rate


def test_keyword_arguments_collect_the_parameters_of_the_classes_above():
    namespace = Namespace(rate=1, depth=2, size=3, bias=False, unrelated=4)
    leaf = Leaf(init__namespace=namespace)
    assert (leaf.rate, leaf.depth, leaf.kind, leaf.size, leaf.bias) == (1, 2, "a", 3, False)
    assert leaf.kwargs == {"depth": 2, "size": 3, "bias": False}
    leaf = Leaf(9, size=8, init__namespace=namespace)
    assert (leaf.rate, leaf.size) == (9, 8)
    middle = Middle(init__namespace=namespace)
    assert (middle.depth, middle.size) == (2, 3)
    assert not hasattr(middle, "rate")


def test_a_parameter_of_the_method_itself_is_not_passed_on_too():
    class Child(Base):
        @from_namespace
        def __init__(self, size, **kwargs):
            super().__init__(size + 1, **kwargs)

    child = Child(init__namespace=Namespace(size=3, bias=False))
    assert (child.size, child.bias) == (4, False)


def test_nothing_is_collected_beyond_a_class_that_cannot_pass_it_on():
    class Top:
        def __init__(self, hidden=0):
            self.hidden = hidden

    class Closed(Top):
        def __init__(self, size):
            super().__init__()
            self.size = size

    class Child(Closed):
        @from_namespace
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    child = Child(init__namespace=Namespace(size=3, hidden=4))
    assert (child.size, child.hidden) == (3, 0)


def test_several_base_classes_are_collected_in_the_order_of_super():
    class Left:
        def __init__(self, left, **kwargs):
            super().__init__(**kwargs)
            self.left = left

    class Skipped(Left):
        pass

    class Right:
        def __init__(self, *, right, **kwargs):
            super().__init__(**kwargs)
            self.right = right

    class Both(Skipped, Right):
        @from_namespace
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    both = Both(init__namespace=Namespace(left=1, right=2))
    assert (both.left, both.right) == (1, 2)


def test_decorated_parents_are_unwrapped():
    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Parent:
        @logged
        @from_namespace
        def __init__(self, size, /, *, bias=True, kind="x"):
            self.made = size, bias, kind

    class Child(Parent):
        @logged
        @from_namespace
        @logged
        def __init__(self, depth, **kwargs):
            super().__init__(depth, **kwargs)

    assert Child(init__namespace=Namespace(depth=2, size=3, bias=False)).made == (2, False, "x")


def test_any_method_collects_and_so_do_class_methods_and_new():
    class Parent:
        def fit(self, epochs=1):
            return epochs

        @classmethod
        def make(cls, size=1):
            return cls, size

        def __new__(cls, slot=0):
            made = super().__new__(cls)
            made.slot = slot
            return made

    class Child(Parent):
        @from_namespace
        def fit(self, **kwargs):
            return super().fit(**kwargs)

        @from_namespace
        @classmethod
        def make(cls, **kwargs):
            return super().make(**kwargs)

        @from_namespace
        def __new__(cls, **kwargs):
            return super().__new__(cls, **kwargs)

        def __init__(self, **kwargs):
            pass

    class Grandchild(Child):
        @classmethod
        @from_namespace
        def make(cls, extra=None, **kwargs):
            return (*super().make(**kwargs), extra)

    namespace = Namespace(epochs=2, size=3, extra=4, slot=5)
    child = Child(init__namespace=namespace)
    assert child.slot == 5
    assert child.fit(init__namespace=namespace) == 2
    assert Child.make(init__namespace=namespace) == (Child, 3)
    assert child.make(init__namespace=namespace) == (Child, 3)
    assert Grandchild.make(init__namespace=namespace) == (Grandchild, 3, 4)


def test_static_methods_and_plain_functions_collect_nothing():
    class Parent:
        @staticmethod
        def load(path, size=0):
            return path, size

    class Child(Parent):
        @from_namespace
        @staticmethod
        def load(path, **kwargs):
            return path, kwargs

    @from_namespace
    def function(first, **kwargs):
        return first, kwargs

    namespace = Namespace(path="p", size=3, first=1)
    assert Child.load(init__namespace=namespace) == ("p", {})
    assert Child().load("q", init__namespace=namespace) == ("q", {})
    assert function(Child(), x=1, init__namespace=namespace)[1] == {"x": 1}


def test_classes_above_that_say_nothing_of_their_parameters_are_passed_over():
    class Child(dict):
        @from_namespace
        def __init__(self, size, **kwargs):
            super().__init__(**kwargs)
            self.size = size

    child = Child(init__namespace=Namespace(size=3), a=1)
    assert (child, child.size) == ({"a": 1}, 3)


@pytest.mark.parametrize("bad", [Base, 3, None])
def test_only_functions_can_be_decorated(bad):
    with pytest.raises(ParameterError, match="from_namespace decorates functions"):
        from_namespace(bad)


def test_the_name_of_the_keyword_is_taken():
    with pytest.raises(ParameterError, match="must not have a parameter 'init__namespace'"):
        from_namespace(lambda init__namespace: None)


@pytest.mark.parametrize("bad", [3, "a", [3], Base])
def test_what_is_no_namespace_is_an_error(bad):
    @from_namespace
    def function(a=1):
        return a

    with pytest.raises(ParameterError, match="init__namespace= takes a mapping, namespace"):
        function(init__namespace=bad)


# splitify_namespace


def test_the_parameters_of_a_split_are_read_without_its_name():
    namespace = Namespace(train_path="a", dev_path="b", dev_mode="m", seed=0, train=True, train_=1)
    train = splitify_namespace(namespace, "train")
    assert vars(train) == {"path": "a", "dev_mode": "m", "seed": 0, "train": True, "train_": 1}
    assert type(train) is Namespace
    assert vars(splitify_namespace(namespace, "dev")) == {
        "path": "b",
        "mode": "m",
        "seed": 0,
        "train": True,
        "train_": 1,
    }
    assert namespace == Namespace(train_path="a", dev_path="b", dev_mode="m", seed=0, train=True, train_=1)


def test_a_split_parameter_hides_the_one_without_split_and_no_other_prefix():
    namespace = Namespace(path="x", train_path="a", data_path="d", dev_path="b")
    assert vars(splitify_namespace(namespace, "train")) == {"path": "a", "data_path": "d"}
    assert vars(splitify_namespace(namespace, "test")) == vars(namespace)


def test_splits_of_other_names_are_found_by_their_prefix_or_given():
    namespace = Namespace(fold_a_path=1, fold_b_path=2, fold_path=3)
    assert vars(splitify_namespace(namespace, "fold_a")) == {"path": 1, "fold_b_path": 2, "fold_path": 3}
    splits = ["fold", "fold_a", "fold_b"]
    assert vars(splitify_namespace(namespace, "fold_a", splits)) == {"path": 1}
    assert vars(splitify_namespace(namespace, "fold", splits)) == {"path": 3}


@pytest.mark.parametrize("kind", [SimpleNamespace, dict, type("Own", (Namespace,), {})])
def test_a_split_namespace_is_of_the_same_kind(kind):
    result = splitify_namespace(kind(train_path="a", seed=1), "train")
    assert type(result) is kind
    assert result == kind(path="a", seed=1)


def test_a_split_that_does_not_exist_is_an_error():
    namespace = Namespace(train_path="a")
    with pytest.raises(ParameterError, match="no split 'trian'; did you mean 'train'"):
        splitify_namespace(namespace, "trian")
    with pytest.raises(ParameterError, match="no split 'train'; known: 'x'"):
        splitify_namespace(namespace, "train", splits=["x"])
    with pytest.raises(ParameterError, match="takes a namespace of argparse or a mapping, not int"):
        splitify_namespace(3, "train")


def test_a_module_gets_the_parameters_of_its_split():
    class Data:
        argparse_args = {"path": {"splits": ["train", "dev"]}, "limit": {"type": int, "default": 9}}

        @from_namespace
        def __init__(self, path, limit):
            self.path, self.limit = path, limit

    namespace, _ = read(Data, "--train_path a --dev_path b")
    made = [Data(init__namespace=splitify_namespace(namespace, split)) for split in ("train", "dev")]
    assert [(data.path, data.limit) for data in made] == [("a", 9), ("b", 9)]
