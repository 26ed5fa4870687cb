"""Parents and names of parameters are changed and taken away; each run counts with its own values."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from legm import ExperimentHandler, ParameterError, amend
from legm.changes.remove import restore
from legm.changes.trash import trash_items
from legm.records import Plain
from legm.runlog.configuration_folders import configuration_folders
from tests.support.calling import as_json, failed, shown
from tests.support.local_runs import local_runs, numbers


def train(root: Path, optimizer: str, momentum: float | None, *, is_child: bool = True) -> None:
    """A run whose momentum counts for sgd alone, if it is a child; None for one from before it was there."""
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"optimizer": optimizer, "lr": 0.1})
    if momentum is not None:
        handler.set_param("momentum", momentum)
        if is_child:
            handler.set_parent("momentum", "optimizer", "sgd")
    with handler.start():
        handler.set_metric("loss", momentum or 1.0)


def counted(root: Path, *, name: str = "momentum") -> list[tuple[str, Plain]]:
    """Of each run, its optimizer and the momentum that it is compared by."""
    found = []
    for one in local_runs(root):
        its = one.run.configuration
        found.append((its.parameters["optimizer"], its.parameters[name] if name in its.active else None))
    return sorted(found, key=repr)


def folders(root: Path) -> list[str]:
    return sorted(folder.name for folder in configuration_folders(root))


@pytest.fixture
def root(tmp_path):
    """Three runs of one configuration whose momentums differ, and do not count, and one where it counts."""
    for momentum in (0.9, 0.5, None):
        train(tmp_path, "adam", momentum)
    train(tmp_path, "sgd", 0.9)
    assert counted(tmp_path) == [("adam", None)] * 3 + [("sgd", 0.9)]
    assert len(folders(tmp_path)) == 2
    return tmp_path


APART = [("adam", 0.5), ("adam", 0.9), ("adam", None), ("sgd", 0.9)]


@pytest.mark.parametrize("no_parent", ["momentum", ["momentum"], {"momentum": "optimizer"}])
def test_a_parent_is_taken_away_and_each_run_counts_with_its_own_value(root, no_parent):
    before = numbers(local_runs(root))

    planned = amend(root / "e", no_parent=no_parent, dry_run=True).plan
    assert planned.counts() == {"united": 0, "parted": 1, "changed": 1, "untouched": 0}
    done = amend(root / "e", no_parent=no_parent)

    assert counted(root) == APART
    assert not any("momentum" in one.run.configuration.metadata for one in local_runs(root))
    assert numbers(local_runs(root)) == before
    shown("restore", root, done.trash)
    assert counted(root) == [("adam", None)] * 3 + [("sgd", 0.9)]


@pytest.mark.parametrize(
    "between",
    [
        [{"rename": {"momentum": "m"}}, {"rename": {"m": "momentum"}}],
        [{"rename": {"lr": "rate"}}, {"ignore": ["rate"]}, {"compare": ["rate"]}],
        [{"to": "f"}, {"to": "e"}],
        [{"set": {"decay": 0.5}}, {"drop": ["decay"]}],
        [{"name": ["optimizer"]}, {"no_name": ["optimizer"]}],
        [{"parent": {"momentum": {"optimizer": "adam"}}}, {"parent": {"momentum": {"optimizer": "sgd"}}}],
        [{"rename": {"lr": "rate"}}, None],
        [{"no_parent": ["momentum"]}, None, {"rename": {"lr": "rate"}}, None],
    ],
)
def test_the_values_of_runs_that_were_amended_and_brought_back_are_still_their_own(root, between):
    for one in between:
        if one is None:
            restore(root, trash_items(root)[-1])
        else:
            amend(root / ("f" if (root / "f").exists() else "e"), **one)
    amend(root / "e", no_parent="momentum")
    assert counted(root) == APART


def test_a_condition_that_changes_finds_each_runs_own_value(root):
    """Once it was that of the first run, for all of them."""
    amend(root / "e", parent={"momentum": {"optimizer": "adam"}})
    assert counted(root) == [("adam", 0.5), ("adam", 0.9), ("adam", None), ("sgd", None)]


def test_values_that_a_new_parent_united_are_parted_without_it(tmp_path):
    for momentum in (0.9, 0.5):
        train(tmp_path, "adam", momentum, is_child=False)
    before = {one.run.run_id: one.run.configuration.fingerprint for one in local_runs(tmp_path)}
    assert len({*before.values()}) == 2
    done = amend(tmp_path / "e", parent={"momentum": {"optimizer": "sgd"}})
    assert done.plan.counts()["united"] == 2
    amend(tmp_path / "e", no_parent={"momentum": ["optimizer"]})
    assert {one.run.run_id: one.run.configuration.fingerprint for one in local_runs(tmp_path)} == before


def test_a_folder_of_a_run_without_the_parameter_does_not_hide_it(tmp_path):
    """The folder's parameters, and so its parents, are those of its first run."""
    train(tmp_path, "adam", None)
    train(tmp_path, "adam", 0.5)
    train(tmp_path, "sgd", 0.9)
    amend(tmp_path / "e", rename={"lr": "rate"})
    amend(tmp_path / "e", no_parent="momentum")
    assert counted(tmp_path) == [("adam", 0.5), ("adam", None), ("sgd", 0.9)]


@pytest.mark.parametrize("order", [(0.0, None), (None, 0.0)])
@pytest.mark.parametrize("between", [[], [{"rename": {"lr": "rate"}}], [{"rename": {"lr": "rate"}}, None]])
def test_a_run_from_before_a_parameter_is_known_whoever_made_the_folder(tmp_path, order, between):
    """Also after an amendment, and after it was undone."""
    for value in order:
        handler = ExperimentHandler(tmp_path, "e")
        handler.set_dict_params({"optimizer": "adam", "lr": 0.1})
        if value is not None:
            handler.set_param("dropout", value, absent_value=0.0)
        with handler.start():
            handler.set_metric("loss", 1.0)
    for one in between:
        amend(tmp_path / "e", **one) if one else restore(tmp_path, trash_items(tmp_path)[-1])
    assert len(folders(tmp_path)) == 1
    amend(tmp_path / "e", no_absent="dropout")
    assert counted(tmp_path, name="dropout") == [("adam", 0.0), ("adam", None)]


def test_one_of_several_parents_is_taken_away(tmp_path):
    for norm in (True, False):
        handler = ExperimentHandler(tmp_path, "e")
        handler.set_dict_params({"optimizer": "sgd", "norm": norm, "momentum": 0.9})
        handler.set_param_metadata({"momentum": {"parent": ["optimizer", "norm"]}})
        with handler.start():
            handler.set_metric("loss", 1.0)
    assert counted(tmp_path) == [("sgd", 0.9), ("sgd", None)]
    shown("amend", tmp_path / "e", "--no-parent", "momentum=norm", "--yes")
    assert counted(tmp_path) == [("sgd", 0.9)] * 2
    assert {*local_runs(tmp_path)[0].run.configuration.metadata["momentum"]["parents"]} == {"optimizer"}
    shown("amend", tmp_path / "e", "--no-parent", "momentum", "--parent", "momentum=norm:false", "--yes")
    assert counted(tmp_path) == [("sgd", 0.9), ("sgd", None)]


def test_a_parent_is_dropped_once_nothing_depends_on_it(root):
    assert "it decides whether 'momentum' counts" in failed(
        "amend", root / "e", "--drop", "optimizer", "--yes"
    )
    amend(root / "e", no_parent={"momentum": "optimizer"}, drop="optimizer")
    found = Counter(one.run.configuration.parameters.get("momentum") for one in local_runs(root))
    assert found == {0.9: 2, 0.5: 1, None: 1}


def test_a_name_is_taken_away_and_others_are_put_in_order(tmp_path):
    train(tmp_path, "adam", 0.5, is_child=False)
    before = numbers(local_runs(tmp_path))
    experiment = tmp_path / "e"
    shown("amend", experiment, "--name", "lr", "--name", "momentum=2", "--name", "optimizer=0.5", "--yes")
    assert folders(tmp_path) == ["0.5,adam,0.1_0"]
    shown("amend", experiment, "--no-name", "momentum", "--name", "lr=1", "--yes")
    assert folders(tmp_path) == ["0.1,adam_0"]
    shown("amend", experiment, "--name", "lr", "--name", "momentum", "--yes")
    assert folders(tmp_path) == ["0.1,adam,0.5_0"], "lr keeps its priority"
    amend(experiment, no_name=["lr", "optimizer"], name={"momentum": -1})
    assert folders(tmp_path) == ["0.5_0"]
    amend(experiment, no_name="momentum")
    assert folders(tmp_path) == ["_0"]
    assert numbers(local_runs(tmp_path)) == before
    assert local_runs(tmp_path)[0].run.configuration.metadata == {}


def test_a_name_with_an_equals_sign_is_a_name(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_param("a=b", 1)
    with handler.start():
        handler.set_metric("loss", 1.0)
    shown("amend", tmp_path / "e", "--name", "a=b", "--yes")
    assert folders(tmp_path) == ["1_0"]
    shown("amend", tmp_path / "e", "--name", "a=b=3", "--yes")
    assert local_runs(tmp_path)[0].run.configuration.metadata["a=b"]["name"] == {"priority": 3.0}


def test_a_wrong_value_is_corrected_in_the_selected_runs(tmp_path):
    for optimizer in ("adam", "sgd"):
        train(tmp_path, optimizer, 0.5, is_child=False)
    before = numbers(local_runs(tmp_path))
    planned = as_json("amend", tmp_path / "e", "--correct", "momentum=0.9", "--dry-run")
    assert planned["counts"] == {"united": 0, "parted": 0, "changed": 2, "untouched": 0}
    said = shown("amend", tmp_path / "e", "--correct", "momentum=0.9", "--where", "optimizer=sgd", "--yes")
    assert "momentum: 0.5 | 0.9" in said
    assert counted(tmp_path) == [("adam", 0.5), ("sgd", 0.9)]
    shown("amend", tmp_path / "e", "--correct", "optimizer=adam", "--yes")
    amend(tmp_path / "e", correct={"momentum": 0.5})
    assert counted(tmp_path) == [("adam", 0.5)] * 2
    assert len(folders(tmp_path)) == 1
    assert numbers(local_runs(tmp_path)) == before
    assert "momentum = 0.5 instead" in shown("trash", tmp_path)


def test_a_value_that_is_not_compared_is_corrected_of_each_run(tmp_path):
    for seed in (0, 1):
        handler = ExperimentHandler(tmp_path, "e")
        handler.set_dict_params({"lr": 0.1, "seed": seed})
        handler.disable_param("seed")
        handler.name_param("lr")
        handler.set_param_metadata({"lr": {"name": True, "name_transform": lambda value: f"lr{value}"}})
        with handler.start():
            handler.set_metric("loss", seed)
    assert folders(tmp_path) == ["lr0.1_0"]
    done = amend(tmp_path / "e", correct={"seed": 7}, where="seed=1")
    assert done.plan.counts() == {"united": 0, "parted": 0, "changed": 1, "untouched": 0}
    assert sorted(one.run.parameters["seed"] for one in local_runs(tmp_path)) == [0, 7]
    amend(tmp_path / "e", correct={"lr": 0.2, "seed": 8}, compare="seed")
    found = [one.run.configuration for one in local_runs(tmp_path)]
    assert [(one.parameters["lr"], one.parameters["seed"]) for one in found] == [(0.2, 8)] * 2
    assert folders(tmp_path) == ["0.2_0"], "what the function returned was for another value"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"no_parent": "lr"}, "'lr' has no parent; known: 'momentum'"),
        ({"no_parent": "momentun"}, "no configuration has a parameter 'momentun'; did you mean 'momentum'"),
        ({"no_parent": {"momentum": "lr"}}, "'lr' is no parent of 'momentum'; known: 'optimizer'"),
        ({"no_parent": 3}, "no_parent must be a name or several, not 3"),
        ({"no_parent": {"momentum": 3}}, "no_parent must be a name or several, not 3"),
        (
            {"no_parent": {"momentum": "optimizer"}, "parent": {"momentum": {"optimizer": "adam"}}},
            "the parent 'optimizer' of 'momentum' cannot be both given and taken away",
        ),
        ({"no_name": "lr"}, "'lr' is in no configuration's name"),
        (
            {"no_name": "momentum", "name": "momentum"},
            "'momentum' cannot be changed by both name and no_name",
        ),
        ({"no_name": [None]}, "no_name must be a name or several"),
        ({"name": {"lr": "first"}}, "the priority of 'lr' in names must be a finite number, not 'first'"),
        ({"name": {"lr": float("nan")}}, "the priority of 'lr' in names must be a finite number, not nan"),
        ({"name": {"lr": float("inf")}}, "must be a finite number, not inf"),
        ({"name": {"lr": True}}, "must be a finite number, not True"),
        ({"correct": {"ler": 1}}, "no configuration has a parameter 'ler'; did you mean 'lr'"),
        ({"correct": "lr"}, "correct must be a mapping"),
        ({"correct": {"lr": 1}, "drop": "lr"}, "'lr' cannot be changed by both correct and drop"),
        ({"correct": {"lr": "https://me:pw@host"}}, "'lr' has a credential in it"),
        ({"set": {"lr": 1}}, "in every configuration, 0.1, say; correct changes values that are there"),
    ],
)
def test_what_is_not_there_cannot_be_taken_away_or_corrected(root, given, message):
    before = {path: path.read_bytes() for path in root.rglob("params.yml")}
    for dry_run in (True, False):
        with pytest.raises(ParameterError, match=message):
            amend(root / "e", **given, dry_run=dry_run)
    assert {path: path.read_bytes() for path in root.rglob("params.yml")} == before
    assert not list((root / ".legm").glob("*/*"))


def test_a_function_whose_result_does_not_hold_any_more_says_what_to_do(tmp_path):
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_dict_params({"optimizer": "sgd", "momentum": 0.9})
    handler.set_parent("momentum", "optimizer", lambda value: value.startswith("s"))
    with handler.start():
        handler.set_metric("loss", 1.0)
    assert "or for stored runs by legm amend … --parent, --no-parent" in failed(
        "amend", tmp_path / "e", "--correct", "optimizer=adam", "--yes"
    )
    amend(tmp_path / "e", correct={"optimizer": "adam"}, no_parent="momentum")
    assert counted(tmp_path) == [("adam", 0.9)]
