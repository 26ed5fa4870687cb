"""Amending an experiment: what becomes of its configurations, and that nothing of a run is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from legm import BackendError, ExperimentHandler, ParameterError, amend
from legm.backends.local import folder_reader
from legm.changes.amend import continue_changes
from legm.core.amending import AmendedConfiguration
from legm.core.amendment_changes import AmendmentChanges
from legm.records import Status
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log_head
from tests.support.calling import as_json, call, failed, shown
from tests.support.local_runs import begun, known, local_runs, numbers, train
from tests.support.memory_backend import Memory


def fingerprints(root: Path) -> dict[str, str]:
    return {one.run.run_id: one.run.configuration.fingerprint for one in local_runs(root)}


def parameters(root: Path) -> dict[str, dict]:
    """Each run's active parameters, by its id, in its log as in its folder."""
    found = {}
    for one in local_runs(root):
        its = one.run.configuration
        found[one.run.run_id] = {name: its.parameters[name] for name in its.active}
    for path in find_logs(root):
        run = read_log_head(path).run
        its = run.configuration
        assert {name: its.parameters[name] for name in its.active} == found[run.run_id]
    return found


def folders(root: Path) -> list[str]:
    return sorted(folder.name for folder in configuration_folders(root))


@pytest.fixture
def root(tmp_path):
    """Runs before and after the parameter dropout was there."""
    for rate in (0.125, 0.25):
        for seed in (0, 1):
            train(tmp_path, rate=rate, seed=seed)
            train(tmp_path, rate=rate, seed=seed + 2, dropout=0.5, description="d")
    return tmp_path


def test_a_value_is_set_where_it_is_absent_and_what_becomes_equal_is_united(root):
    before = numbers(local_runs(root))

    done = amend(root / "e", set={"dropout": 0.5})

    assert done.plan.counts() == {"united": 2, "parted": 0, "changed": 0, "untouched": 2}
    assert numbers(local_runs(root)) == before
    assert Counter(map(str, parameters(root).values())) == {
        "{'dropout': 0.5, 'rate': 0.125}": 4,
        "{'dropout': 0.5, 'rate': 0.25}": 4,
    }
    assert len(folders(root)) == 2
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"rate": 0.125, "dropout": 0.5})
    assert handler.aggregate_results()["best_loss"]["n"] == 2


def test_a_configuration_that_changes_keeps_its_folder_and_all_in_it(root):
    (root / "e" / "0.125_0" / "model.pt").write_text("weights")
    names, before = folders(root), numbers(local_runs(root))

    done = amend(root / "e", rename={"rate": "lr"})

    assert done.plan.counts() == {"united": 0, "parted": 0, "changed": 4, "untouched": 0}
    assert folders(root) == names
    assert (root / "e" / "0.125_0" / "model.pt").read_text() == "weights"
    assert numbers(local_runs(root)) == before
    assert {"lr", "dropout"} >= {name for one in parameters(root).values() for name in one}


def test_values_that_were_not_compared_part_a_configuration(root):
    before = numbers(local_runs(root))
    done = amend(root / "e", compare=["seed"])
    assert done.plan.counts() == {"united": 0, "parted": 4, "changed": 0, "untouched": 0}
    assert sorted(one["seed"] for one in parameters(root).values()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert numbers(local_runs(root)) == before

    amend(root / "e", ignore=["seed", "rate", "dropout"])
    assert len(folders(root)) == 1
    assert numbers(local_runs(root)) == before
    own = [dict(one.run.parameters) for one in local_runs(root)]
    assert Counter((one["rate"], one.get("dropout")) for one in own) == {
        (0.125, None): 2,
        (0.25, None): 2,
        (0.125, 0.5): 2,
        (0.25, 0.5): 2,
    }


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ({"rename": {"rate": "lr"}}, {"rename": {"lr": "rate"}}),
        ({"ignore": ["rate"]}, {"compare": ["rate"]}),
        ({"compare": ["seed"]}, {"ignore": ["seed"]}),
        ({"to": "other"}, {"to": "e"}),
    ],
)
def test_an_amendment_and_its_inverse_give_the_same_fingerprints(root, there, back):
    before, before_numbers = fingerprints(root), numbers(local_runs(root))
    amend(root / "e", **there)
    assert fingerprints(root) != before
    amend(root / there.get("to", "e"), **back)
    assert fingerprints(root) == before
    assert numbers(local_runs(root)) == before_numbers


def test_the_plan_names_the_folders_that_parted_configurations_get(root):
    done = amend(root / "e", compare=["seed"], name=["seed"])
    planned = {done.plan.label(change, digest) for change in done.plan.changes for digest in change.becomes}
    assert planned == {*folders(root)}
    done = amend(root / "e", ignore=["seed"], where="rate=0.25")
    amend(root / "e", compare=["seed"], where="rate=0.25", dry_run=True)
    done = amend(root / "e", compare=["seed"])
    planned = {done.plan.label(change, digest) for change in done.plan.changes for digest in change.becomes}
    assert planned <= {*folders(root)}


def test_a_parent_and_a_name(root):
    amend(root / "e", parent={"rate": {"dropout": 0.5}}, name=["dropout"], where="dropout=0.5")
    assert folders(root) == ["0.125_0", "0.25_0", "0.5,0.125_0", "0.5,0.25_0"]
    found = [one.run.configuration for one in local_runs(root)]
    assert {
        one.metadata["rate"]["parents"]["dropout"]["equals"] for one in found if "dropout" in one.active
    } == {0.5}


def test_only_selected_configurations_move_to_another_experiment(root):
    before = numbers(local_runs(root))
    done = amend(root / "e", to="other", where="rate=0.25")
    assert done.plan.counts()["untouched"] == 2
    assert numbers(local_runs(root)) == before
    found = Counter(one.run.configuration.experiment for one in local_runs(root))
    assert found == {"e": 4, "other": 4}


def test_a_configuration_of_which_all_runs_are_running_is_left_and_they_are_named(root):
    handler = begun(root, 0.75)
    try:
        done = amend(root / "e", rename={"rate": "lr"}, where="rate=0.75")
        assert (done.plan.running, done.plan.counts()["untouched"], done.plan.runs) == (
            [handler.run_id],
            5,
            0,
        )
        assert amend(root / "e", rename={"rate": "lr"}, where="rate=0.125").plan.running == []
    finally:
        handler.log()


def test_the_runs_that_are_left_because_they_run_are_named_on_the_command_line(root):
    handler = begun(root, 0.125)
    sentence = f"the run {handler.run_id} is running, and is left as it is"
    try:
        for words in (
            ("amend", root / "e", "--rename", "rate=lr", "--dry-run"),
            ("amend", root / "e", "--rename", "rate=lr", "--yes"),
            ("mv", root / "e", "f", "--dry-run"),
            ("mv", root / "e", "f", "--yes"),
        ):
            assert shown(*words).splitlines().count(sentence) == 1
        assert sentence not in shown("amend", root / "f", "--rename", "lr=r", "--dry-run")
        assert as_json("amend", root / "e", "--set", "a=1", "--dry-run")["running"] == [handler.run_id]
        assert f"the run {handler.run_id} is running: end its process first" in failed(
            "mv", root / "e" / "0.125_0", "mine"
        )
    finally:
        handler.log()
    assert sorted(
        {(one.run.configuration.experiment, one.run.run_id == handler.run_id) for one in local_runs(root)}
    ) == [
        ("e", True),
        ("f", False),
    ]


def test_what_runs_is_left_as_it_is(root):
    handler = begun(root, 0.125)
    handler.set_metric("loss", 1.0)
    live = handler.run_id
    try:
        done = amend(root / "e", rename={"rate": "lr"})
        assert done.plan.running == [live]
        handler.set_metric("loss", 2.0)
    finally:
        result = handler.log()
    assert parameters(root)[live] == {"rate": 0.125}
    assert result.points == 2
    assert sum("lr" in one for one in parameters(root).values()) == 8
    assert next(one for one in local_runs(root) if one.run.run_id == live).status is Status.COMPLETED


def test_aggregates_that_no_longer_hold_are_moved_to_the_trash(root):
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"rate": 0.125})
    handler.aggregate_results()
    kept = root / "e" / "0.125_0" / "aggregated_metrics.yml"
    assert kept.exists()
    amend(root / "e", rename={"rate": "lr"})
    assert kept.exists(), "they hold still"

    done = amend(root / "e", set={"dropout": 0.5})

    assert not any((root / "e").rglob("aggregated_metrics.yml"))
    assert any("aggregates" in note for note in done.notes)
    assert any((root / ".legm" / "trash").rglob("aggregated_metrics.yml"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rename": {"rat": "lr"}}, "no configuration has a parameter 'rat'; did you mean 'rate'"),
        ({"rename": {"rate": "dropout"}}, "there is a parameter 'dropout' already"),
        ({"set": {"rate": 1}}, "it has a value in every configuration, 0.125, say"),
        (
            {"parent": {"rate": "dropout", "dropout": "rate"}, "where": "dropout=0.5"},
            "it already is 'dropout' or depends on it",
        ),
        ({"parent": {"rate": "dropout"}}, "'dropout' is a parent but was never set"),
        ({"drop": ["seed"], "set": {"seed": 1}}, "cannot be changed by both set and drop"),
        ({"where": "rate=7", "drop": ["seed"]}, "no configuration"),
        ({"where": "tag:good", "drop": ["seed"]}, "has no run with tag:good"),
        ({"where": "seed=77", "ignore": ["rate"]}, "has no run with seed=77"),
        ({"drop": [None]}, r"drop must be a name or several, not \[None\]"),
        ({"ignore": 3}, "ignore must be a name or several, not 3"),
        ({"rename": ["rate"]}, r"rename must be a mapping by the names of parameters, not \['rate'\]"),
        ({"set": "rate"}, "set must be a mapping"),
        ({"parent": {"rate": 3}}, "parent must be a name or a mapping by the names of parents, not 3"),
        ({"parent": {"rate": None}}, "parent must be a name or a mapping"),
        ({"where": 3, "drop": "seed"}, "a selection is a text or several, not 3"),
        ({"set": {"api_key": "hunter2hunter2"}}, "'api_key' has a credential in it"),
        ({"set": {"store": {"at": "https://me:pw@host"}}}, "'store' has a credential in it"),
        ({}, "nothing is to be changed"),
    ],
)
def test_what_cannot_be_changed_is_refused_before_anything_is_done(root, given, message):
    before = {
        path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "index" not in path.name
    }
    with pytest.raises(ParameterError, match=message):
        amend(root / "e", **given)
    for path, content in before.items():
        assert path.read_bytes() == content
    assert not list((root / ".legm").glob("*/*"))


WRONG_NAMES = [
    ("log", "cannot be called 'log': the handler has a method or attribute of that name; call it 'log_'"),
    ("run_id", "cannot be called 'run_id'"),
    ("__class__", "cannot be called '__class__'"),
    ("", "the name of a parameter must not be empty"),
    ("x" * 251, "may have at most 250 characters, not 251"),
    ("\udcff", "contains a lone surrogate"),
    (3, "must be a string, not 3 of type int"),
]
"""Names that ``set_param`` refuses, and what it says."""


@pytest.mark.parametrize(("name", "message"), WRONG_NAMES)
def test_a_name_that_no_handler_can_set_is_refused_as_the_handler_refuses_it(root, name, message):
    with pytest.raises(ParameterError, match=message):
        ExperimentHandler(root, "e").set_param(name, 1)
    before = known(local_runs(root))
    for given in ({"rename": {"rate": name}}, {"set": {name: 1}}, {"set": {"a": 1, name: 1}}):
        for dry_run in (True, False):
            with pytest.raises(ParameterError, match=message):
                amend(root / "e", **given, dry_run=dry_run)
    if isinstance(name, str) and name.isascii() and name:
        for words in (
            ("--rename", f"rate={name}"),
            ("--set", f"{name}=1"),
            ("--set", f"{name}=1", "--dry-run"),
        ):
            assert message.split(":")[0] in failed("amend", root / "e", *words, "--yes")
    assert known(local_runs(root)) == before
    assert not (root / ".legm").exists()


def test_a_name_that_is_a_method_is_known_only_to_be_taken_away(root):
    """Imported runs may have parameters that no handler can set."""
    amend(root / "e", rename={"rate": "rate"}, drop="seed", dry_run=True)
    with pytest.raises(ParameterError, match="no configuration has a parameter 'log'"):
        amend(root / "e", drop="log")
    with pytest.raises(ParameterError, match="no configuration has a parameter 'log'"):
        amend(root / "e", rename={"log": "log_"})


def test_counts_are_said_in_the_singular_and_in_the_plural(root):
    assert "\n2 runs change; configurations: 0 united, 0 parted, 1 changed, 3 untouched" in shown(
        "amend", root / "e", "--set", "late=1", "--where", "rate=0.125 and not dropout=0.5", "--dry-run"
    )
    assert "\n1 run changes; configurations: 0 united, 1 parted, 0 changed, 3 untouched" in shown(
        "amend", root / "e", "--set", "late=1", "--where", "rate=0.125 and seed=0", "--dry-run"
    )
    assert "0 runs change" in shown("amend", root / "e", "--ignore", "seed", "--dry-run")
    for number in range(17):
        train(root, rate=float(number + 1))
    assert "\n… and 1 more configuration\n" in shown("amend", root / "e", "--set", "late=1", "--dry-run")
    train(root, rate=99.0)
    assert "\n… and 2 more configurations\n" in shown("amend", root / "e", "--set", "late=1", "--dry-run")


def test_a_path_that_leads_back_is_that_of_the_experiment(root):
    amend(root / "e" / "0.125_0" / "..", rename={"rate": "lr"})
    assert {"lr", "dropout"} >= {name for one in parameters(root).values() for name in one}
    assert [path.parent for path in root.rglob("trash")] == [root / ".legm"]


def test_one_name_may_be_given_without_a_list(root):
    done = amend(root / "e", compare="seed", dry_run=True)
    assert done.plan.counts()["parted"] == 4
    amend(root / "e", ignore="rate", name="dropout")
    assert all("rate" not in one for one in parameters(root).values())
    with pytest.raises(ParameterError, match="no import proposed an absent value for 'dropout'"):
        amend(root / "e", absent="dropout")
    with pytest.raises(ParameterError, match="'dropout' has no absent value"):
        amend(root / "e", no_absent="dropout")


def test_a_dry_run_changes_nothing(root):
    before = fingerprints(root)
    done = amend(root / "e", ignore=["rate"], dry_run=True)
    assert done.plan.counts()["united"] == 4
    assert not done.trash
    assert fingerprints(root) == before
    assert not (root / ".legm").exists()


def test_a_handler_finds_the_folder_that_was_amended(root):
    amend(root / "e", rename={"rate": "lr"})
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"lr": 0.25, "seed": 9})
    handler.disable_param("seed")
    handler.start()
    handler.set_metric("loss", 0.5)
    handler.log()
    assert len(folders(root)) == 4
    old = ExperimentHandler(root, "e")
    old.set_param("rate", 0.25)
    old.start()
    old.set_metric("loss", 0.5)
    old.log()
    assert len(folders(root)) == 5
    assert len(local_runs(root)) == 10


def test_a_handler_of_a_folder_that_was_amended_begins_another_one(root):
    loaded = ExperimentHandler.load_existent(root / "e" / "0.125_0")
    amend(root / "e", rename={"rate": "lr"})
    loaded.start()
    loaded.set_metric("loss", 0.5)
    loaded.log()
    assert parameters(root)[loaded.run_id] == {"rate": 0.125}
    assert len(folders(root)) == 5


def test_nothing_was_interrupted(root):
    assert continue_changes(root) == []


def test_a_change_is_computed_once_for_all_runs_of_a_configuration(root):
    (first, *_) = local_runs(root)
    change = AmendedConfiguration(first.run.configuration, AmendmentChanges(rename={"rate": "lr"}))
    assert change.of_run({"seed": 1}).configuration is change.of_run({"seed": 2}).configuration
    assert change.of_run({"seed": 2}).parameters == {"seed": 2}


def test_tensorboards_table_has_the_new_parameters(root):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    amend(root / "e", rename={"rate": "lr"})
    for folder in configuration_folders(root):
        for events in (folder / "tensorboard").iterdir():
            found = EventAccumulator(str(events)).Reload()
            content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
            start = HParamsPluginData.FromString(content).session_start_info
            assert "lr" in start.hparams
            assert "rate" not in start.hparams
            assert start.group_name == folder.name
            assert len(found.Scalars("dev/loss")) == 4


def test_what_was_amended_is_sound(root):
    amend(root / "e", ignore=["dropout"])
    for folder in configuration_folders(root):
        assert folder_reader.repair(folder) == []


def test_a_command_that_reads_says_that_a_change_was_interrupted(root, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = fingerprints(root)
    with monkeypatch.context() as patch:
        patch.setattr("legm.changes.execution._Execution.do", interrupt)
        with pytest.raises(KeyboardInterrupt):
            amend(root / "e", rename={"rate": "lr"})
    assert fingerprints(root) == before

    found = call("ls", root / "e")
    assert f"legm amend --continue {root} finishes it" in found.stderr
    assert "finished: amend e: rate becomes lr" in shown("amend", "--continue", root)
    assert "finishes it" not in call("ls", root).stderr
    assert {"lr", "dropout"} >= {name for one in parameters(root).values() for name in one}


def test_the_next_command_finishes_what_was_interrupted(root, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("legm.changes.execution._Execution.finish", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            amend(root / "e", rename={"rate": "lr"})
    shown("amend", root / "e", "--rename", "lr=learning_rate", "--yes")
    assert {"learning_rate", "dropout"} >= {name for one in parameters(root).values() for name in one}
    assert len(as_json("trash", root)["trash"]) == 2


def test_absent_values_hold_for_what_is_set_and_follow_an_experiment(tmp_path):
    train(tmp_path, rate=0.125)
    handler = ExperimentHandler(tmp_path, "e")
    handler.set_dict_params({"rate": 0.125, "seed": 1})
    handler.disable_param("seed")
    handler.set_param("dropout", 0.0, absent_value=0.0)
    with handler.start():
        handler.set_metric("loss", 0.5)
    assert len(folders(tmp_path)) == 1

    amend(tmp_path / "e", set={"decay": 0.0})
    amend(tmp_path / "e", rename={"dropout": "drop"})
    amend(tmp_path / "e", to="f")

    assert len(folders(tmp_path)) == 1
    kept = (tmp_path / "f" / ".legm" / "absent_values.yml").read_text()
    assert "drop: 0.0" in kept
    train(tmp_path, "f", rate=0.125, decay=0.0)
    assert len(folders(tmp_path)) == 1
    assert len(local_runs(tmp_path)) == 3


def test_what_other_backends_have_is_refused_before_anything_is_done(tmp_path):
    handler = ExperimentHandler(tmp_path, "e", backend=["local", Memory])
    handler.set_param("rate", 0.125)
    with handler.start():
        handler.set_metric("loss", 0.5)
    before = fingerprints(tmp_path)
    with pytest.raises(BackendError, match="is also in memory, which has to change it: no installed"):
        amend(tmp_path / "e", rename={"rate": "lr"})
    assert "is also in memory" in failed("rm", tmp_path / "e", "--yes")
    assert fingerprints(tmp_path) == before

    shown("import", tmp_path, tmp_path / "copy")
    amend(tmp_path / "copy" / "e", rename={"rate": "lr"})
    assert list(parameters(tmp_path / "copy").values()) == [{"lr": 0.125}]


def test_runs_are_selected_too(root):
    before = numbers(local_runs(root))
    done = amend(root / "e", set={"note": "x"}, where=["seed=0 or description:d", "rate<0.2"])
    assert done.plan.counts() == {"united": 0, "parted": 1, "changed": 1, "untouched": 2}
    assert sum(one.get("note") == "x" for one in parameters(root).values()) == 3
    assert numbers(local_runs(root)) == before


def test_a_damaged_log_of_a_completed_run_stops_nothing(root):
    path = min(root.glob("e/*/runs/*.log"))
    content = bytearray(path.read_bytes())
    content[content.find(b"\xf5LR\n", 40)] ^= 0xFF
    path.write_bytes(bytes(content))
    before = numbers(local_runs(root))

    done = amend(root / "e", rename={"rate": "lr"})

    assert any(path.name in note and "was not amended" in note for note in done.notes)
    assert numbers(local_runs(root)) == before
    assert {"lr", "dropout"} >= {n for one in local_runs(root) for n in one.run.configuration.active}
    assert path.read_bytes() == bytes(content)


def test_tags_move_with_their_runs(root):
    run_id = local_runs(root)[0].run.run_id
    shown("tag", f"{root}/{run_id}", "+good")
    amend(root / "e", set={"dropout": 0.5})
    assert as_json("tag", f"{root}/{run_id}")["tags"] == ["good"]
    shown("rm", root / "e", "--yes")
    shown("restore", root)
    assert as_json("tag", f"{root}/{run_id}")["tags"] == ["good"]


def test_parents_and_names_are_options_of_the_command(tmp_path):
    for optimizer, momentum in (("sgd", 0.9), ("adam", 0.9), ("adam", 0.5)):
        with ExperimentHandler(tmp_path, "e") as handler:
            handler.set_dict_params({"optimizer": optimizer, "momentum": momentum, "lr": 0.1})
            handler.start()
            handler.set_metric("loss", momentum)
    before = numbers(local_runs(tmp_path))
    experiment = tmp_path / "e"

    planned = as_json("amend", experiment, "--parent", "momentum=optimizer:sgd", "--name", "lr", "--dry-run")
    assert planned["counts"] == {"united": 2, "parted": 0, "changed": 1, "untouched": 0}
    shown(
        "amend",
        experiment,
        "--parent",
        "momentum=optimizer:sgd",
        "--name",
        "lr",
        "--name",
        "optimizer",
        "--yes",
    )

    assert Counter(map(str, parameters(tmp_path).values())) == {
        "{'lr': 0.1, 'optimizer': 'adam'}": 2,
        "{'lr': 0.1, 'momentum': 0.9, 'optimizer': 'sgd'}": 1,
    }
    assert folders(tmp_path) == ["0.1,adam_0", "0.1,sgd_0"]
    assert numbers(local_runs(tmp_path)) == before
    shown("amend", experiment, "--parent", "lr=momentum", "--yes")  # of any value
    of_sgd, *of_adam = sorted(map(str, parameters(tmp_path).values()))
    assert of_sgd == "{'lr': 0.1, 'momentum': 0.9, 'optimizer': 'sgd'}"
    assert of_adam == ["{'optimizer': 'adam'}"] * 2
    assert "no configuration has a parameter 'optimiser'" in failed(
        "amend", experiment, "--parent", "lr=optimiser:sgd", "--yes"
    )
    assert "NAME=VALUE" in call("amend", experiment, "--parent", "lr", "--yes").output
