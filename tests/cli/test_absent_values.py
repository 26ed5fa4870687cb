"""What commands show of absent values."""

from __future__ import annotations

from pathlib import Path

from legm import ExperimentHandler
from tests.support.calling import as_json, shown


def run(root: Path, **params: float) -> None:
    handler = ExperimentHandler(root, "e", provenance=False)
    handler.set_dict_params({"lr": 0.1, **params})
    handler.set_param_metadata({name: {"absent_value": 0.0} for name in params})
    with handler.start():
        handler.set_metric("loss", 1.0)


def rows(text: str) -> list[list[str]]:
    return [line.split(maxsplit=2) for line in text.splitlines()]


def test_show_has_the_absent_values_of_the_experiment_and_of_the_configuration(tmp_path):
    run(tmp_path)
    run(tmp_path, dropout=0.5, noise=0.0)
    old, new = tmp_path / "e" / "_0", tmp_path / "e" / "_1"
    assert ["dropout", "0.0", "absent value"] in rows(shown("show", old))
    assert ["dropout", "0.5", "absent value 0.0"] in rows(shown("show", new))
    assert ["noise", "0.0", "equals its absent value"] in rows(shown("show", new))
    assert as_json("show", old)["absent_values"] == {"dropout": 0.0, "noise": 0.0}
    moved = tmp_path / "e" / "group" / "old"
    moved.parent.mkdir()
    old.rename(moved)
    assert as_json("show", moved)["absent_values"] == {"dropout": 0.0, "noise": 0.0}


def test_diff_says_what_equals_its_absent_value(tmp_path):
    run(tmp_path, dropout=0.0, noise=0.5)
    run(tmp_path, dropout=0.5, noise=0.0)
    text = shown("diff", tmp_path / "e" / "_0", tmp_path / "e" / "_1")
    assert "dropout    equals its absent value  0.5" in text
    assert "noise      0.5                      equals its absent value" in text


def test_an_inactive_zero_names_the_parent_that_it_depends_on(tmp_path):
    handler = ExperimentHandler(tmp_path, "e", provenance=False)
    handler.set_dict_params({"opt": "adam", "momentum": 0.0})
    handler.set_parent("momentum", "opt", "sgd")
    handler.start().log()
    assert ["momentum", "0.0", "inactive (depends on opt)"] in rows(shown("show", tmp_path / "e" / "_0"))
