"""Descriptions of stored runs are changed and taken away; all else of the runs stays."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
import yaml

from legm import ExperimentHandler, InvalidName, amend
from legm.backends.local.status_cache import read_cached_statuses
from legm.changes.amend import continue_changes
from legm.changes.journal import pending_journals
from legm.changes.remove import restore
from legm.changes.trash import trash_items
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log_head
from tests.support.calling import as_json, failed, shown
from tests.support.local_runs import begun, local_runs, numbers, train
from tests.support.processes import ForkServer

KILLS = int(os.environ.get("LEGM_TEST_AMEND_KILLS", "9"))


@pytest.fixture
def root(tmp_path):
    """Of one configuration a run without a description and two with one; another one with it elsewhere."""
    train(tmp_path, rate=0.125, seed=0)
    for rate, seed in ((0.125, 1), (0.125, 2), (0.25, 0)):
        train(tmp_path, rate=rate, seed=seed, description="dbg")
    assert descriptions(tmp_path) == ["", "dbg", "dbg", "dbg"]
    return tmp_path


def descriptions(root: Path) -> list[str]:
    """The runs' descriptions, which all that is stored of them agrees on."""
    found = {one.run.run_id: one.run.description for one in local_runs(root)}
    for path in find_logs(root):
        assert read_log_head(path).run.description == found[path.stem]
    for path in root.glob("*/*/metrics.yml"):
        for entry in yaml.safe_load(path.read_text()).values():
            assert entry["description"] == found[entry["run_id"]]
    for path in root.glob("*/*/tensorboard/*"):
        (run_id,) = [run_id for run_id in found if path.name.endswith(run_id)]
        assert path.name == f"{found[run_id]}-{run_id}".removeprefix("-")
    return sorted(found.values())


def numbers_alone(root: Path) -> dict[str, tuple]:
    """The runs bit for bit, but for their descriptions."""
    return {run_id: (*one[:3], *one[4:]) for run_id, one in numbers(local_runs(root)).items()}


def aggregated(root: Path, description: str, rate: float = 0.125) -> int:
    """Over how many runs an aggregate is."""
    handler = ExperimentHandler(root, "e", description)
    handler.set_dict_params({"rate": rate, "seed": 9})
    handler.disable_param("seed")
    return handler.aggregate_results()["best_loss"]["n"]


def counted_descriptions(root: Path) -> list[str]:
    """The descriptions by which a scan of the experiment counts its runs."""
    return [one.description for status in read_cached_statuses(root / "e") for one in status.counts]


def test_selected_runs_get_another_description_and_keep_all_else(root):
    before = numbers_alone(root)
    folder = root / "e" / "0.125_0"
    (folder / "dbg-model.pt").write_text("weights")
    assert (aggregated(root, ""), aggregated(root, "dbg")) == (1, 2)
    aggregates = (folder / "aggregated_metrics.yml").read_bytes()

    done = amend(root / "e", describe="wrong loss", where="description:dbg and rate=0.125")

    assert done.plan.counts() == {"united": 0, "parted": 0, "changed": 1, "untouched": 1}
    assert done.plan.runs == 2
    assert descriptions(root) == ["", "dbg", "wrong loss", "wrong loss"]
    assert numbers_alone(root) == before
    assert (folder / "dbg-model.pt").read_text() == "weights"
    assert not (folder / "aggregated_metrics.yml").exists()
    assert "0.125_0 are of other runs" in "".join(done.notes)
    assert (aggregated(root, ""), aggregated(root, "wrong loss")) == (1, 2)
    assert "amend e: described as wrong loss" in shown("trash", root)

    shown("restore", root)

    assert descriptions(root) == ["", "dbg", "dbg", "dbg"]
    assert numbers_alone(root) == before
    assert (folder / "aggregated_metrics.yml").read_bytes() == aggregates


def test_a_description_is_taken_away_and_its_runs_are_averaged_with_the_others(root):
    changing = ("amend", root / "e", "--describe", "", "--where", "rate=0.125")
    said = shown(*changing, "--dry-run")
    assert 'description: dbg | ""' in said
    assert "2 runs change; configurations: 0 united, 0 parted, 1 changed, 1 untouched" in said
    assert descriptions(root) == ["", "dbg", "dbg", "dbg"]
    assert not trash_items(root)

    (changed,) = as_json(*changing, "--yes")["configurations"]

    assert (changed["configuration"], changed["kind"]) == ("0.125_0", "changed")
    assert changed["becomes"][0]["difference"] == 'description: dbg | ""'
    assert descriptions(root) == ["", "", "", "dbg"]
    assert aggregated(root, "") == 3
    assert "amend e: no description" in shown("trash", root)


def test_several_earlier_descriptions_are_shown(root):
    for seed in range(3, 6):
        train(root, rate=0.125, seed=seed, description=f"bug {seed}")
    said = as_json("amend", root / "e", "--describe", "old", "--where", "rate=0.125", "--dry-run")
    (changed,) = said["configurations"]
    assert changed["becomes"][0]["difference"] == 'description: "", bug 3, bug 4, … | old'


def test_a_description_that_all_runs_have_changes_nothing(root):
    done = amend(root / "e", describe="dbg", where="rate=0.25")
    assert (done.plan.runs, done.trash) == (0, "")


def test_descriptions_change_together_with_parameters(root):
    before = numbers_alone(root)
    names = sorted(folder.name for folder in configuration_folders(root))
    assert amend(root / "e", ignore="rate", describe="any").plan.counts()["united"] == 2
    assert descriptions(root) == ["any"] * 4
    assert len(list(configuration_folders(root))) == 1
    amend(root / "e", rename={"rate": "lr"})
    amend(root / "e", to="f", describe="elsewhere")
    assert descriptions(root) == ["elsewhere"] * 4
    for _ in range(3):
        restore(root, trash_items(root)[-1])
    assert descriptions(root) == ["", "dbg", "dbg", "dbg"]
    assert numbers_alone(root) == before
    assert sorted(folder.name for folder in configuration_folders(root)) == names


def test_an_entry_that_a_user_wrote_is_described_too(root):
    before = numbers_alone(root)
    path = root / "e" / "0.125_0" / "metrics.yml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text())))
    assert numbers_alone(root) == before
    amend(root / "e", describe="old", where="rate=0.125 and description:dbg")
    assert descriptions(root) == ["", "dbg", "old", "old"]
    assert numbers_alone(root) == before
    amend(root / "e", correct={"seed": 7}, where="rate=0.125")
    assert [one.run.parameters["seed"] for one in local_runs(root)] == [7, 7, 7, 0]


def test_a_run_that_failed_is_described_counted_and_resumed(tmp_path):
    handler = begun(tmp_path, 0.5)
    handler.set_metric("loss", 1.0, step=0)
    run_id = handler.run_id
    handler.end("failed", "by hand")
    (folder,) = configuration_folders(tmp_path)
    assert counted_descriptions(tmp_path) == [""]

    amend(tmp_path / "e", describe="late")

    (log,) = find_logs(tmp_path)
    assert (folder / "runs").stat().st_ctime_ns >= log.stat().st_ctime_ns, "scans see that it changed"
    assert descriptions(tmp_path) == counted_descriptions(tmp_path) == ["late"]
    resumed = ExperimentHandler(tmp_path, "e", "late")
    resumed.set_param("rate", 0.5)
    with resumed.start(resume=True):
        assert resumed.run_id == run_id
        resumed.set_metric("loss", 0.5, step=1)
    assert descriptions(tmp_path) == ["late"]
    assert {path.name for path in folder.glob("tensorboard/*")} == {f"late-{run_id}"}


def test_a_running_run_is_left_as_it_is_and_named(root):
    running = begun(root, 0.25)
    done = amend(root / "e", describe="old", where="rate=0.25")
    assert done.plan.running == [running.run_id]
    assert f"the run {running.run_id} is running, and is left as it is" in shown(
        "amend", root / "e", "--describe", "older", "--dry-run"
    )
    running.set_metric("loss", 1.0)
    running.log()
    found = {one.run.run_id: one.run.description for one in local_runs(root)}
    assert found.pop(running.run_id) == ""
    assert sorted(found.values()) == ["", "dbg", "dbg", "old"]


@pytest.mark.parametrize("wrong", [3, True, b"dbg", ["dbg"], "x" * 251, "x" * 1_000_000, "a\ud800"])
def test_a_description_that_no_handler_takes_is_refused_in_the_same_words(root, wrong):
    with pytest.raises(InvalidName) as expected:
        ExperimentHandler(root, "e", wrong)
    for dry_run in (True, False):
        with pytest.raises(InvalidName) as found:
            amend(root / "e", describe=wrong, dry_run=dry_run)
        assert str(found.value) == str(expected.value)
    assert descriptions(root) == ["", "dbg", "dbg", "dbg"]
    assert not list((root / ".legm").glob("*/*"))


@pytest.mark.parametrize("wrong", [0, False, b""])
def test_nothing_is_no_description_but_an_empty_text(root, wrong):
    with pytest.raises(InvalidName, match="must be a string"):
        amend(root / "e", describe=wrong)
    assert "may have at most 250 characters, not 300" in failed(
        "amend", root / "e", "--describe", "x" * 300, "--yes"
    )


@pytest.mark.parametrize(
    "text",
    ["../../etc", "a\n\x1b[31m\x00b", "a/b\\c", "CON", "ümlaut — 雪", " ", "x" * 250, "https://me:pw@host/x"],
)
def test_odd_descriptions_are_stored_as_a_handler_stores_them(tmp_path, text):
    train(tmp_path, seed=0)
    train(tmp_path, seed=1, description=text)
    paths = {one.relative_to(tmp_path) for one in tmp_path.rglob("*") if ".legm" not in one.parts}
    amend(tmp_path / "e", describe=text, where="seed=0")
    first, second = local_runs(tmp_path)
    assert first.run.description == second.run.description
    one, other = sorted(path.name for path in tmp_path.glob("e/*/tensorboard/*"))
    assert one.removesuffix(first.run.run_id) == other.removesuffix(second.run.run_id)
    assert "pw" not in "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*.jsonl"))
    amend(tmp_path / "e", describe="", where="seed=0")
    assert {one.relative_to(tmp_path) for one in tmp_path.rglob("*") if ".legm" not in one.parts} == paths


CODE = """
from pathlib import Path
from legm import amend

root = Path(sys.argv[1])
amend(root / "e", describe="new", where="not description:kept", ignore="rate")
"""
IMPORTS = (
    "import legm, legm.changes.amend, legm.backends.local.folder_changes, legm.backends.local.event_file"
)


def test_a_change_that_is_killed_is_finished_or_was_never_begun(tmp_path):
    made = tmp_path / "made"
    for rate, seed, description in ((0.125, 0, ""), (0.125, 1, "dbg"), (0.25, 0, "dbg"), (0.25, 1, "kept")):
        train(made, rate=rate, seed=seed, description=description)
    before, chosen = numbers_alone(made), random.Random(KILLS)
    old, new = ["", "dbg", "dbg", "kept"], ["kept", "new", "new", "new"]
    with ForkServer(CODE, IMPORTS) as server:
        for number in range(KILLS):
            root = tmp_path / f"{number}"
            shutil.copytree(made, root)
            server.begin_and_kill(chosen.uniform(0, 0.08), tmp_path / f"output-{number}", root)
            was_pending = bool(pending_journals(root))
            continue_changes(root)
            found = descriptions(root)
            assert found in ([new] if was_pending else [old, new])
            assert numbers_alone(root) == before
            amend(root / "e", describe="new", where="not description:kept")
            assert descriptions(root) == new
            shutil.rmtree(root)
