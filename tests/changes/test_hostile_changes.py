"""Journals that somebody else made, or a newer version, or that are damaged: read, and never obeyed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from legm import CorruptFile
from legm.changes.amend import continue_changes
from legm.changes.journal import Journal
from tests.support.calling import as_json, call, failed, shown
from tests.support.local_runs import known, local_runs, train
from tests.support.shared import once

HEADER = {"schema": 1, "title": "a title", "time": 0.0}
CHANGE = {"before": {}, "after": {"rate": 1.0}, "refused": []}


@pytest.fixture
def root(tmp_path):
    made = once("hostile-changes", lambda folder: train(folder / "root", rate=0.125, seed=0))
    shutil.copytree(made / "root", tmp_path / "root")
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "precious").write_text("kept")
    return tmp_path / "root"


def write_journal(root: Path, *lines: object, name: str = "20260101-000000-aaaaaa") -> Path:
    folder = root / ".legm" / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return path


def require_refused(root: Path, path: Path) -> None:
    before = known(local_runs(root))
    for words in (("amend", root / "e", "--rename", "rate=lr", "--yes"), ("amend", root, "--continue")):
        done = call(*words)
        assert done.exit_code == 1
        assert f"Error: {path}, line" in done.stderr
    assert known(local_runs(root)) == before
    assert [one.name for one in (root.parent / "victim").rglob("*")] == ["precious"]
    assert path.exists()
    assert not (root / ".legm" / "trash").exists()
    assert "0.125_0" in shown("ls", root)
    train(root, rate=0.125, seed=7)  # a training is not hindered


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "emptied": {"../victim": ""}},
        {**HEADER, "emptied": {"e": "../victim"}},
        {**HEADER, "emptied": {"": ""}},
        {**HEADER, "emptied": {".legm": ""}},
        {**HEADER, "emptied": ["e"]},
        {**HEADER, "restores": "../../../victim"},
        {**HEADER, "restores": 1},
        {**HEADER, "absent_values": {"../victim": {"rate": 1.0}}},
        {**HEADER, "absent_values": {"e": 1}},
        {**HEADER, "corrected_absent_values": {"../victim": CHANGE}},
        {**HEADER, "corrected_absent_values": {"e": {"before": {}}}},
        {**HEADER, "corrected_absent_values": {"e": {**CHANGE, "refused": [1]}}},
        {**HEADER, "compared_by_imports": {"../victim": CHANGE}},
        {**HEADER, "compared_by_imports": {"e": {"before": {}}}},
        {**HEADER, "time": "nan"},
        {**HEADER, "schema": "1"},
        [],
        "no JSON",
        "[" * 100_000,
    ],
)
def test_a_journals_first_line_that_is_about_anything_else_is_refused(root, header):
    require_refused(root, write_journal(root, header))


@pytest.mark.parametrize(
    "step",
    [
        {"source": "../victim"},
        {"target": "../victim"},
        {"source": "/victim"},
        {"source": ""},
        {"kind": "delete"},
        {"runs": {"../../x": {}}},
        {"runs": []},
        {"after": {}},
        {"name": "../../x"},
        {"fingerprint": "x\n"},
    ],
)
def test_a_step_that_leads_out_of_the_root_directory_is_refused(root, step):
    name = Path(as_json("mv", root / "e" / "0.125_0", "mine")["folder"]).name
    (item,) = as_json("trash", root)["trash"]
    path = root / ".legm" / "trash" / item["id"] / f"{item['id']}.jsonl"
    (line,) = [json.loads(one) for one in path.read_text().splitlines()[1:]]
    shown("mv", root / "e" / name, "0.125_0")
    shutil.rmtree(root / ".legm" / "trash")
    about = {key: step[key] for key in ("name", "fingerprint") if key in step}
    changed = {**line, **{key: one for key, one in step.items() if key not in about}}
    changed["after"] = {**changed["after"], **about} if about else changed["after"]
    require_refused(root, write_journal(root, HEADER, changed))


def test_a_journal_of_a_newer_version_waits_for_it(root):
    path = write_journal(root, {**HEADER, "schema": 2})
    assert "of a newer legm: this one reads up to 1" in failed("amend", root, "--continue")
    require_refused(root, path)


def test_an_experiment_that_is_a_link_is_not_emptied(root):
    (root / "f").mkdir()
    (root / "link").symlink_to(root.parent / "victim")
    write_journal(root, {**HEADER, "emptied": {"link": "f"}})
    continue_changes(root)
    assert (root.parent / "victim" / "precious").read_text() == "kept"
    assert not (root / "link").exists()


def test_what_is_damaged_in_the_trash_hides_nothing_else(root):
    before = known(local_runs(root))
    shown("rm", root / "e", "--yes")
    damaged = root / ".legm" / "trash" / "20990101-000000-aaaaaa"
    damaged.mkdir(parents=True)
    (damaged / f"{damaged.name}.jsonl").write_text("no JSON\n")
    first, second = as_json("trash", root)["trash"]
    assert (first["runs"], second["runs"], second["id"]) == (1, None, damaged.name)
    assert "damaged: " in shown("trash", root)
    assert f"{damaged.name}.jsonl, line 1" in failed("restore", root)  # the newest
    shown("restore", root, first["id"])
    assert known(local_runs(root)) == before
    assert "Delete for good what 1 command left, of 0 runs?" in call("trash", root, "--empty").output
    shown("trash", root, "--empty", "--yes")
    assert as_json("trash", root)["trash"] == []


def test_a_journal_that_is_read_says_what_is_wrong_and_where(root):
    journal = Journal(write_journal(root, HEADER, "no JSON"))
    with pytest.raises(CorruptFile, match="line 2"):
        list(journal.steps())
