"""Runs, configurations and experiments are deleted into the trash, and come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.core.result_equality import differing_result_fields, result_digests
from legm.runlog.configuration_folders import configuration_folders
from tests.support.calling import as_json, call, failed, shown
from tests.support.local_runs import begun, known, local_runs, numbers, train


@pytest.fixture
def root(tmp_path):
    for rate in (0.125, 0.25):
        for seed in (0, 1):
            train(tmp_path, rate=rate, seed=seed)
    train(tmp_path, rate=0.125, seed=2, description="d")
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    """Every file of the experiments but their indices."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".legm" not in path.parts and path.name != ".lock"
    }


def test_a_run_is_deleted_with_all_of_it_and_comes_back(root):
    before = known(local_runs(root))
    run_id = before[0][0]

    assert "deleted 1 run" in shown("rm", f"{root}/{run_id[-6:]}")

    assert known(local_runs(root)) == before[1:]
    assert not any(run_id in name for name in files(root))
    assert f"{before[1][0]}.log" in {path.name for path in root.glob("e/*/runs/*")}
    assert "restored 1 run" in shown("restore", root)
    assert known(local_runs(root)) == before
    assert shown("trash", root) == "the trash is empty\n"


def test_a_configuration_is_deleted_with_the_users_files(root):
    before, content = known(local_runs(root)), files(root)
    (root / "e" / "0.125_0" / "model.pt").write_text("weights")
    assert "Delete 3 runs?" in call("rm", root / "e" / "0.125_0").output
    assert known(local_runs(root)) == before

    done = as_json("rm", root / "e" / "0.125_0", "--yes")

    assert len(done[0]["runs"]) == 3
    assert len(local_runs(root)) == 2
    shown("restore", root, done[0]["trash"][-6:])
    assert known(local_runs(root)) == before
    assert (root / "e" / "0.125_0" / "model.pt").read_text() == "weights"
    assert {name for name in files(root) if "model.pt" not in name} == {*content}


def test_tensorboard_shows_nothing_of_the_trash(root):
    before = {name for name in files(root) if "tfevents" in name}
    assert before
    shown("rm", f"{root}/{local_runs(root)[0].run.run_id}")
    shown("rm", root / "e" / "0.25_0", "--yes")
    assert not list((root / ".legm").rglob("*tfevents*"))
    shown("restore", root)
    shown("restore", root)
    assert {name for name in files(root) if "tfevents" in name} == before


def test_an_experiment_is_deleted_and_comes_back(root):
    train(root, "other")
    before = known(local_runs(root))
    shown("rm", root / "e", "--yes")
    assert not (root / "e").exists()
    assert len(local_runs(root)) == 1
    shown("restore", root)
    assert known(local_runs(root)) == before


def test_what_comes_back_joins_what_was_begun_meanwhile(root):
    before = numbers(local_runs(root))
    shown("rm", root / "e" / "0.125_0", "--yes")
    new = train(root, rate=0.125, seed=7)
    shown("restore", root)
    after = numbers(local_runs(root))
    assert {run_id: after[run_id] for run_id in before} == before
    assert {*after} == {*before, new.run.run_id}
    assert len(list(configuration_folders(root))) == 2


def test_a_run_that_came_back_by_a_merge_is_not_there_twice(root, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "root"
    shown("merge", copy, root)
    before = numbers(local_runs(root))
    shown("rm", root / "e" / "0.125_0", "--yes")
    shown("merge", root, copy)
    shown("amend", root / "e", "--rename", "rate=lr", "--yes")
    (deleted, _) = as_json("trash", root)["trash"]
    shown("restore", root, deleted["id"])
    assert numbers(local_runs(root)) == before


def test_one_run_of_several_comes_back(root):
    before = known(local_runs(root))
    shown("rm", root / "e" / "0.125_0", "--yes")
    assert "has no run 'nothing'" in failed("restore", root, "--run", "nothing")
    assert "has no run ''" in failed("restore", root, "--run", "")
    shown("restore", root, "--run", before[0][0][-6:])
    assert [one[0] for one in known(local_runs(root))] == [before[0][0], *(one[0] for one in before[2:4])]
    shown("restore", root)
    assert known(local_runs(root)) == before


def test_a_run_that_is_running_is_refused_and_nothing_is_deleted(root):
    handler = begun(root, 0.125)
    handler.set_metric("loss", 1.0)
    handler.flush()
    try:
        before = numbers(local_runs(root))
        for what in (root / "e" / "0.125_0", root / "e", f"{root}/{handler.run_id}"):
            assert "is running: end its process first" in failed("rm", what, "--yes")
        assert numbers(local_runs(root)) == before
    finally:
        handler.log()


def test_an_emptied_trash_has_nothing_to_bring_back(root):
    shown("rm", root / "e" / "0.125_0", "--yes")
    assert as_json("trash", root)["trash"][0]["runs"] == 3
    assert as_json("trash", root, "--empty", "--yes")["emptied"] is True
    assert "is empty" in failed("restore", root)
    assert len(local_runs(root)) == 2


def test_an_amendment_is_undone(root):
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"rate": 0.125})
    handler.aggregate_results()
    before, content = known(local_runs(root)), files(root)
    for options in (
        ["--rename", "rate=lr"],
        ["--ignore", "rate"],
        ["--compare", "seed"],
        ["--set", "depth=3"],
        ["--to", "other"],
    ):
        shown("amend", root / "e", *options, "--yes")
        assert known(local_runs(root)) != before
        shown("restore", root)
        assert known(local_runs(root)) == before
    for name in ("aggregated_metrics.yml",):
        assert files(root)[f"e/0.125_0/{name}"] == content[f"e/0.125_0/{name}"]


@pytest.mark.parametrize(
    "options",
    [
        ["--absent", "rate=0.5"],
        ["--name", "late"],
        ["--ignore", "late"],
        ["--set", "later=null"],
        ["--parent", "rate=late"],
        ["--ignore", "rate"],
        ["--set", "later=3"],
        ["--to", "other"],
    ],
)
def test_an_amendment_is_undone_beside_runs_that_were_logged_since(tmp_path, options):
    """Also one that changes nothing that is compared, so that all runs are of one configuration."""
    for rate, seed in ((0.125, 0), (0.125, 1), (0.25, 0), (0.25, 1)):
        train(tmp_path, rate=rate, seed=seed, late=None)
    before = known(local_runs(tmp_path))
    shown("amend", tmp_path / "e", *options, "--yes")
    for rate in (0.125, 0.25):
        train(tmp_path, rate=rate, seed=8)
    kept = numbers(local_runs(tmp_path))

    shown("restore", tmp_path)

    assert numbers(local_runs(tmp_path)) == kept
    assert [one for one in known(local_runs(tmp_path)) if one in before] == before
    assert len(list(configuration_folders(tmp_path))) == 2
    assert shown("trash", tmp_path) == "the trash is empty\n"
    assert {path.stem for path in tmp_path.glob("e/*/runs/*.log")} == {*kept}


def test_what_was_changed_again_is_left_as_it_is(root):
    shown("amend", root / "e", "--rename", "rate=lr", "--yes")
    (item,) = as_json("trash", root)["trash"]
    shown("amend", root / "e", "--rename", "lr=learning_rate", "--yes")
    before = known(local_runs(root))
    assert "was changed again or deleted since" in shown("restore", root, item["id"])
    assert known(local_runs(root)) == before


def test_an_experiment_and_a_configuration_are_renamed(root):
    before = numbers(local_runs(root))
    (root / "e" / "note.txt").write_text("mine")
    shown("mv", root / "e", "renamed", "--yes")
    assert not (root / "e").exists()
    assert (root / "renamed" / "note.txt").read_text() == "mine"
    assert {one.run.configuration.experiment for one in local_runs(root)} == {"renamed"}

    shown("mv", root / "renamed" / "0.125_0", "baseline")
    assert sorted(folder.name for folder in configuration_folders(root)) == ["0.25_0", "baseline"]
    handler = ExperimentHandler(root, "renamed")
    handler.set_dict_params({"rate": 0.125})
    assert handler.aggregate_results()["best_loss"]["n"] == 2

    shown("mv", root / "renamed" / "baseline", root / "other", "--yes")
    assert {one.run.configuration.experiment for one in local_runs(root)} == {"renamed", "other"}
    assert numbers(local_runs(root)) == before
    assert "exists already" in failed("mv", root / "renamed" / "0.25_0", "0.25_0")


def test_a_run_without_a_log_moves_with_its_entry(root):
    """As a user wrote it, or of whose log only the entry is left."""
    results = local_runs(root)
    for path in root.glob(f"e/*/runs/{results[0].run.run_id}.log"):
        path.unlink()
    shown("amend", root / "e", "--ignore", "rate", "--yes")
    (again,) = (one for one in local_runs(root) if one.run.run_id == results[0].run.run_id)
    different = differing_result_fields(again, result_digests(results[0]))
    assert set(different) <= {"fingerprint", "active parameters", "own parameters", "parameters", "name"}


def test_selected_runs_are_deleted_and_the_configurations_that_are_left_without_runs(root):
    broken = ExperimentHandler(root, "e")
    broken.set_dict_params({"rate": 0.25, "seed": 9})
    broken.disable_param("seed")
    broken.start()
    broken.set_metric("loss", 1.0)
    broken_id = broken.run_id
    broken.end("failed", "by hand")
    train(root, "f", rate=0.25)
    shown("tag", f"{root}/{broken_id}", "+bad")
    before = known(local_runs(root))
    (described,) = (one for one in local_runs(root) if one.run.description == "d")

    for words, runs in (
        (("--where", "status:failed"), 1),
        (("--tag", "bad"), 1),
        (("--where", "seed=0"), 3),
        (("--where", "rate=0.25"), 4),
        (("--where", "description:d"), 1),
    ):
        assert f"{runs} run{'s' * (runs > 1)} would be deleted" in shown("rm", root, *words, "--dry-run")
    assert known(local_runs(root)) == before
    assert "Delete 3 runs?" in call("rm", root / "e", "--where", "rate=0.25").output
    assert known(local_runs(root)) == before

    call("rm", root, "--where", "status:failed or description:d", answer="n\n")
    assert known(local_runs(root)) == before
    shown("rm", root, "--where", "status:failed or description:d", "--yes")
    assert {one[0] for one in before} - {one[0] for one in known(local_runs(root))} == {
        broken_id,
        described.run.run_id,
    }
    shown("restore", root)
    assert known(local_runs(root)) == before
    shown("rm", root, "--where", "rate=0.25", "--yes")
    assert [folder.name for folder in configuration_folders(root)] == ["0.125_0"]
    (item,) = as_json("trash", root)["trash"]
    assert (item["runs"], item["what"]) == (4, f"rm {root} where rate=0.25")
    shown("restore", root)
    assert known(local_runs(root)) == before


def test_a_selection_of_nothing_deletes_nothing(root):
    before = known(local_runs(root))
    assert "no run has seed=7" in failed("rm", root, "--where", "seed=7", "--yes")
    assert "no configuration has an active parameter 'rat'" in failed("rm", root, "--where", "rat=7", "--yes")
    assert "no run has tag:good" in failed("rm", root, "--tag", "good", "--yes")
    run_id = before[0][0]
    assert "there is no folder" in failed("rm", f"{root}/{run_id}", "--where", "seed=0", "--yes")
    handler = begun(root, 0.125)
    try:
        assert "is running: end its process first" in failed("rm", root, "--where", "rate=0.125", "--yes")
    finally:
        handler.log()
    assert known(local_runs(root))[: len(before)] == before


def test_a_new_name_of_a_folder_is_tried_without_doing_it(root):
    before = known(local_runs(root))
    folder = root / "e" / "0.125_0"
    assert f"would be renamed to {folder.with_name('mine')}" in shown("mv", folder, "mine", "--dry-run")
    assert as_json("mv", folder, "mine", "--dry-run") == {
        "folder": str(folder.with_name("mine")),
        "notes": [],
    }
    assert "exists already" in failed("mv", folder, "0.25_0", "--dry-run")
    assert "is not a safe name of a folder" in failed("mv", folder, "..", "--dry-run")
    assert known(local_runs(root)) == before
    assert folder.is_dir()
    assert not (root / ".legm").exists()


def test_configurations_that_a_user_moved_deeper_are_changed_in_the_same_root_directory(root):
    (root / "e" / "good").mkdir()
    moved = root / "e" / "good" / "0.125_0"
    (root / "e" / "0.125_0").rename(moved)
    before, kept = known(local_runs(root)), numbers(local_runs(root))
    shown("rm", moved, "--yes")
    assert len(local_runs(root)) == 2
    shown("restore", root)
    assert known(local_runs(root)) == before
    shown("rm", f"{root}/{before[0][0]}")
    shown("restore", moved)
    assert known(local_runs(root)) == before
    shown("amend", root / "e", "--rename", "rate=lr", "--yes")
    assert moved.is_dir()
    shown("restore", root)
    assert known(local_runs(root)) == before
    shown("mv", moved, "mine")
    shown("mv", moved.with_name("mine"), root / "other", "--yes")
    assert sorted(one.relative_to(root).as_posix() for one in configuration_folders(root)) == [
        "e/0.25_0",
        "other/mine",
    ]
    assert numbers(local_runs(root)) == kept
    shown("tag", f"{root}/{before[0][0]}", "+good")
    assert len(as_json("best", root / "other", "loss", "--tag", "good")) == 1
    assert [path.parent for path in root.rglob("trash")] == [root / ".legm"]


def test_names_that_are_none_are_refused(root):
    assert "there is no run" in failed("rm", f"{root}/nothing")
    assert "neither a configuration nor an experiment" in failed("rm", root)
    assert "the trash of" in failed("restore", root)
    shown("rm", root / "e" / "0.25_0", "--yes")
    assert "the trash has no 'x'" in failed("restore", root, "x")
