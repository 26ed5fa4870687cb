"""What commands show of absent values."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import legm
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
    assert "dropout    equals its absent value 0.0  0.5" in text
    assert "noise      0.5                          equals its absent value 0.0" in text


def csv_column(text: str, name: str) -> dict[str, str]:
    return {row["configuration"]: row[name] for row in csv.DictReader(io.StringIO(text))}


def test_a_value_that_equals_the_absent_one_is_shown_wherever_another_one_is(tmp_path):
    run(tmp_path)  # from before the parameter existed
    run(tmp_path, dropout=0.5)
    root, names = tmp_path / "e", ["dropout=0.0", "dropout=0.5"]
    assert all(name in shown("ls", tmp_path) for name in names)
    assert [row[1:3] + row[4:] for row in map(str.split, shown("best", root, "loss").splitlines()[2:4])] == [
        [name, "1.000", name.removeprefix("dropout=")] for name in names
    ]
    assert csv_column(shown("table", root, "loss", "--format", "csv"), "dropout") == {
        "_0": "0.0",
        "_1": "0.5",
    }
    assert "|     0.0 |" in shown("table", root, "loss")
    groups = as_json("best", root, "loss", "--group-by", "dropout")
    assert [one["group"] for one in groups] == [{"dropout": 0.0}, {"dropout": 0.5}]
    assert as_json("show", root / "dropout=0.0")["fingerprint"] == as_json("show", root / "_0")["fingerprint"]
    table = legm.open(tmp_path).configurations("e")
    assert table["param.dropout"].tolist() == [0.0, 0.5]
    handler = ExperimentHandler(tmp_path, "e")
    (found,) = handler.get_best("loss", dropout=0.0)
    assert "dropout" not in found.configuration.active


def test_a_value_that_one_counts_and_another_does_not_is_shown_once(tmp_path):
    run(tmp_path, dropout=0.5)
    handler = ExperimentHandler(tmp_path, "e", provenance=False)  # gives no absent value: a configuration
    handler.set_dict_params({"lr": 0.1, "dropout": 0.0})  # of its own, of which a warning is logged
    handler.start().log()
    run(tmp_path)
    titles = [line.split()[0] for line in shown("ls", tmp_path).splitlines()[3:6]]
    assert sorted(titles) == ["dropout=0.0", "dropout=0.5", "no"]


def test_an_inactive_zero_names_the_parent_that_it_depends_on(tmp_path):
    handler = ExperimentHandler(tmp_path, "e", provenance=False)
    handler.set_dict_params({"opt": "adam", "momentum": 0.0})
    handler.set_parent("momentum", "opt", "sgd")
    handler.start().log()
    assert ["momentum", "0.0", "inactive (depends on opt)"] in rows(shown("show", tmp_path / "e" / "_0"))
