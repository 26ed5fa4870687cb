"""A wrong absent value is corrected, and a proposed one accepted or refused, by a command."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from legm import ExperimentHandler, ParameterError, amend
from legm.changes import amend as amending
from legm.changes.amend import continue_changes
from legm.importers.identity_file import identity_file_path, read_identity_file, write_identity_file
from legm.importers.identity_inference import Identity
from legm.runlog.configuration_folders import configuration_folders
from tests.support.calling import as_json, failed, shown
from tests.support.local_runs import local_runs, numbers, train


def train_late(root: Path, seed: int, value: float, absent: float | None = 0.0) -> None:
    """A run from after the parameter dropout was there."""
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"rate": 0.125, "seed": seed})
    handler.disable_param("seed")
    handler.set_param("dropout", value, absent_value=absent)
    with handler.start():
        handler.set_metric("loss", value + seed)


def counted(root: Path, name: str = "dropout") -> list[dict[int, object]]:
    """Of each folder, by seed the value of dropout that its runs are compared by."""
    found: dict[str, dict[int, object]] = {}
    for one in local_runs(root):
        its = one.run.configuration
        seeds = found.setdefault(its.fingerprint, {})
        seeds[one.run.parameters["seed"]] = its.parameters[name] if name in its.active else None
    return sorted(found.values(), key=min)


def kept(root: Path) -> dict:
    content = yaml.safe_load((root / "e" / ".legm" / "absent_values.yml").read_text("utf-8"))
    return content["absent_values"]


@pytest.fixture
def root(tmp_path):
    """A run from before dropout, and later ones with 0.0, which is its absent value, 0.5 and 0.25."""
    train(tmp_path, rate=0.125, seed=0)
    for seed, value in ((1, 0.0), (2, 0.5), (3, 0.25)):
        train_late(tmp_path, seed, value)
    assert counted(tmp_path) == [{0: None, 1: None}, {2: 0.5}, {3: 0.25}]
    return tmp_path


def test_a_wrong_absent_value_is_corrected_and_what_it_united_is_parted(root):
    before = numbers(local_runs(root))
    planned = as_json("amend", root / "e", "--absent", "dropout=0.5", "--dry-run", "--json")
    assert planned["counts"] == {"united": 1, "parted": 1, "changed": 1, "untouched": 0}
    assert (counted(root)[0], kept(root)) == ({0: None, 1: None}, {"dropout": 0.0})

    shown("amend", root / "e", "--absent", "dropout=0.5", "--yes")

    assert counted(root) == [{0: None, 2: None}, {1: 0.0}, {3: 0.25}]
    assert kept(root) == {"dropout": 0.5}
    assert numbers(local_runs(root)) == before
    assert len(list(configuration_folders(root))) == 3
    train_late(root, 4, 0.5, absent=0.5)
    assert counted(root)[0] == {0: None, 2: None, 4: None}
    with pytest.raises(
        ParameterError, match=r"Give 0.5, or correct it if it was wrong: legm amend … --absent"
    ):
        train_late(root, 5, 0.5, absent=0.0)


def test_corrected_again_it_is_as_it_was(root):
    before = {one.run.run_id: one.run.configuration.fingerprint for one in local_runs(root)}
    amend(root / "e", absent={"dropout": 0.5})
    amend(root / "e", absent={"dropout": 0.0})
    assert {one.run.run_id: one.run.configuration.fingerprint for one in local_runs(root)} == before
    assert kept(root) == {"dropout": 0.0}


def test_an_absent_value_is_taken_away_and_comes_back_from_the_trash(root):
    done = amend(root / "e", no_absent=["dropout"])
    assert done.plan.counts() == {"united": 0, "parted": 1, "changed": 2, "untouched": 0}
    assert counted(root) == [{0: None}, {1: 0.0}, {2: 0.5}, {3: 0.25}]
    assert kept(root) == {}

    shown("restore", root, done.trash)

    assert counted(root) == [{0: None, 1: None}, {2: 0.5}, {3: 0.25}]
    assert kept(root) == {"dropout": 0.0}


def test_a_parameter_without_an_absent_value_gets_one(tmp_path):
    train(tmp_path, rate=0.125, seed=0)
    train(tmp_path, rate=0.125, seed=1, dropout=0.0)
    train(tmp_path, rate=0.125, seed=2, dropout=0.5)
    amend(tmp_path / "e", absent={"dropout": 0.0})
    assert counted(tmp_path) == [{0: None, 1: None}, {2: 0.5}]
    amend(tmp_path / "e", no_absent=["dropout"])
    assert counted(tmp_path) == [{0: None}, {1: 0.0}, {2: 0.5}]


def test_a_folder_of_a_run_that_set_the_absent_value_is_parted_too(tmp_path):
    """The folder is that of the run that set it; the one from before joined it later."""
    train_late(tmp_path, 1, 0.0)
    train(tmp_path, rate=0.125, seed=0)
    amend(tmp_path / "e", no_absent=["dropout"])
    assert counted(tmp_path) == [{0: None}, {1: 0.0}]


@pytest.mark.parametrize(
    "changes",
    [
        [{"rename": {"rate": "lr"}}],
        [{"ignore": ["rate"]}, {"compare": ["rate"]}],
        [{"set": {"decay": 0.5}}, {"drop": ["decay"]}, {"rename": {"rate": "lr"}}],
        [{"to": "f"}, {"to": "e"}],
        [{"rename": {"dropout": "p"}}],
        [{"rename": {"dropout": "p"}}, {"set": {"decay": 0.5}}, {"rename": {"p": "q"}}],
        [{"absent": {"dropout": 0.5}}, {"rename": {"rate": "lr"}}],
    ],
)
def test_what_a_run_set_is_known_after_other_amendments(root, changes):
    name = "dropout"
    for one in changes:
        amend(root / ("f" if (root / "f").exists() else "e"), **one)
        name = one.get("rename", {}).get(name, name)
    united = {0: None, 2: None} if "absent" in changes[0] else {0: None, 1: None}
    assert united in counted(root, name)
    assert not amend(root / "e", rename={"seed": "s"}, dry_run=True).plan.counts()["united"]
    amend(root / "e", no_absent=[name])
    assert counted(root, name) == [{0: None}, {1: 0.0}, {2: 0.5}, {3: 0.25}]


def test_what_says_nothing_about_a_configuration_leaves_it(root):
    """A run keeps what it set from its first amendment on, and that alone is none."""
    assert len(amend(root / "e", ignore=["dropout"], dry_run=True).plan.changes) == 3
    assert len(amend(root / "e", rename={"dropout": "p"}, dry_run=True).plan.changes) == 3
    train(root, rate=0.5, seed=9, momentum=0.9)
    assert len(amend(root / "e", rename={"momentum": "m"}).plan.changes) == 1
    assert len(amend(root / "e", ignore=["m"]).plan.changes) == 1


def test_an_interrupted_correction_is_finished_by_the_next_command(root, monkeypatch):
    def killed(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(amending, "execute_steps", killed)
        with pytest.raises(ZeroDivisionError):
            amend(root / "e", absent={"dropout": 0.5})
    assert kept(root) == {"dropout": 0.0}
    continue_changes(root)
    assert kept(root) == {"dropout": 0.5}
    assert counted(root) == [{0: None, 2: None}, {1: 0.0}, {3: 0.25}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--absent", "dropuot=0.5"], "no configuration has a parameter 'dropuot'; did you mean 'dropout'"),
        (["--no-absent", "rate"], "'rate' has no absent value in e; known: 'dropout'"),
        (["--absent", "dropout"], "no import proposed an absent value for 'dropout'"),
        (["--absent", "dropout=null"], "cannot be None"),
        (["--absent", "dropout=0.5", "--no-absent", "dropout"], "by both new_absent and no_absent"),
        (["--absent", "dropout=0.5", "--where", "rate=0.125"], "that of a whole experiment"),
        (["--absent", "dropout=0.5", "--rename", "rate=lr"], "by a command of their own"),
        (["--absent", "dropout=0.5", "--to", "f"], "by a command of their own"),
    ],
)
def test_what_cannot_be_an_absent_value_is_refused_and_nothing_is_changed(root, arguments, message):
    assert message in failed("amend", root / "e", *arguments, "--yes")
    assert counted(root) == [{0: None, 1: None}, {2: 0.5}, {3: 0.25}]
    assert kept(root) == {"dropout": 0.0}


@pytest.fixture
def proposed(tmp_path):
    """An experiment for which an import proposed an absent value."""
    train(tmp_path, rate=0.125, seed=0)
    train(tmp_path, rate=0.125, seed=1, dropout=0.0)
    identity = Identity(
        {"seed": "given as a seed"}, ("rate", "dropout"), proposed_absent_values={"dropout": 0.0}
    )
    write_identity_file(identity_file_path(tmp_path), {"e": identity, "other": Identity({}, ("lr",))})
    return tmp_path


def test_what_an_import_proposed_is_accepted(proposed):
    (folder, _) = sorted(configuration_folders(proposed))
    assert "proposed the absent value 0.0 for dropout: legm amend … --absent dropout" in shown("show", folder)
    assert as_json("show", folder, "--json")["proposed_absent_values"] == {"dropout": 0.0}
    shown("amend", proposed / "e", "--absent", "dropout", "--yes")
    assert counted(proposed) == [{0: None, 1: None}]
    found = read_identity_file(identity_file_path(proposed))
    assert found["e"].absent_values == {"dropout": 0.0}
    assert (found["e"].proposed_absent_values, found["e"].ignored) == ({}, {"seed": "given as a seed"})
    assert found["other"] == Identity({}, ("lr",))
    assert identity_file_path(proposed).read_text("utf-8").startswith("# Which parameters identify")


def test_what_an_import_proposed_is_refused_for_good(proposed):
    assert not amend(proposed / "e", no_absent=["dropout"]).plan.changes
    assert counted(proposed) == [{0: None}, {1: 0.0}]
    found = read_identity_file(identity_file_path(proposed))["e"]
    assert (found.proposed_absent_values, found.refused_absent_values) == ({}, ("dropout",))
    amend(proposed / "e", absent={"dropout": 0.0})  # on second thoughts
    found = read_identity_file(identity_file_path(proposed))["e"]
    assert (found.absent_values, found.refused_absent_values) == ({"dropout": 0.0}, ())
