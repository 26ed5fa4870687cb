"""Tags and notes: of the handler, by commands, in files, in selections and outputs, and that they survive."""

from __future__ import annotations

import csv

import pytest

from legm import ExperimentHandler
from legm.errors import InvalidName, StateError
from legm.importers import import_runs
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import marks_in_folder, may_have_marks, read_marks
from tests.support.calling import as_json, call, failed, shown
from tests.support.local_runs import local_runs
from tests.support.processes import run_at_once


def begun(root, seed, *tags):
    handler = ExperimentHandler(root, "net")
    handler.set_dict_params({"rate": 0.5, "seed": seed})
    handler.disable_param("seed")
    handler.tag(*tags)
    handler.start()
    handler.set_metric("loss", float(seed))
    return handler


@pytest.fixture
def root(tmp_path):
    """Two runs of a configuration: a favourite baseline, and one that is broken."""
    path = tmp_path / "root"
    begun(path, 1, "favourite", "baseline").log()
    begun(path, 2, "broken").log()
    return path


def ids(root):
    return [one.run.run_id for one in local_runs(root)]


def test_a_handler_tags_its_runs_before_and_after_they_start(tmp_path):
    handler = begun(tmp_path, 1, "all")
    assert handler.tag("good", remove="bad") == ("all", "good")
    assert handler.tag(remove=["good"]) == ("all",)
    handler.tag("mine")
    handler.log()
    handler.reset(seed=2)
    assert handler.tag() == ("all",)
    handler.log()
    handler.end()
    with pytest.raises(StateError, match="legm tag marks a closed run"):
        handler.tag("late")
    handler.reset(seed=3)
    for wrong in ("", "a,b", "a b", "-a", "a\n", "x" * 65, 3):
        with pytest.raises(InvalidName, match="has to begin with a letter, digit or _"):
            handler.tag(wrong)
    with pytest.raises(InvalidName, match="added and removed at once"):
        handler.tag("a", remove="a")
    handler.end()


def test_selections_count_runs_with_tags_only(root):
    for option in (("--tag", "baseline"), ("--where", "tag:baseline,none"), ("--where", "not tag:broken")):
        (one,) = as_json("best", root, "loss", *option)
        assert (one["value"]["mean"], one["value"]["n"]) == (1.0, 1)
    (one,) = ExperimentHandler(root, "net").get_best("loss", where="tag:broken")
    assert one.value.mean == 2.0
    assert "no run has tag:nothing" in failed("ls", root, "--tag", "nothing")


def test_commands_tag_and_note_whatever_its_state(root):
    first, second = ids(root)
    assert as_json("tag", root / first, "+good", "-baseline", "paper") == {
        "run_id": first,
        "tags": ["favourite", "good", "paper"],
        "note": "",
    }
    assert shown("tag", root / first[-6:]) == f"{first}: ★, good, paper\n"
    assert shown("note", root / "net" / first, "diverges; see log") == f"{first}: diverges; see log\n"
    assert as_json("note", root / first)["tags"] == ["favourite", "good", "paper"]
    assert shown("note", root / first, "") == f"{first}: no note\n"
    running = begun(root, 3)
    shown("tag", root / running.run_id, "+live")
    assert running.tag("more") == ("live", "more")
    running.log()
    assert "there is no run 'zzzzzz'" in failed("tag", root / "zzzzzz", "+x")
    assert "the tag 'a,b' has to begin" in failed("tag", root / second, "+a,b")


def test_a_handler_notes_about_its_runs_before_and_after_they_start(tmp_path):
    handler = ExperimentHandler(tmp_path, "net")
    handler.set_dict_params({"rate": 0.5, "seed": 1})
    handler.disable_param("seed")
    assert handler.set_note("for all") == "for all"
    handler.start()
    assert handler.set_note() == "for all"
    assert handler.set_note("diverges") == "diverges"
    handler.log()
    handler.reset(seed=2)
    assert handler.set_note() == "for all"
    handler.log()
    handler.end()
    with pytest.raises(StateError, match="use legm note for a closed run"):
        handler.set_note("late")
    assert [one["note"] for one in as_json("show", tmp_path / "net" / "_0")["runs"]] == [
        "diverges",
        "for all",
    ]
    with pytest.raises(InvalidName, match="a note is a text"):
        ExperimentHandler(tmp_path, "net").set_note(3)


def test_all_runs_that_a_selection_names_are_marked_after_a_question(root):
    first, second = ids(root)
    select = (root / "net", "--where", "seed>=1", "--tag", "broken,baseline")
    shown("tag", *select, "--dry-run", "+seen")
    assert [one["tags"] for one in as_json("tag", root)] == [["baseline", "favourite"], ["broken"]]
    result = call("tag", *select, "+seen", answer="n\n")
    assert (result.exit_code, "Change 2 runs?" in result.stdout) == (1, True)
    assert [one["tags"] for one in as_json("tag", root)] == [["baseline", "favourite"], ["broken"]]
    text = shown("tag", *select, "--yes", "+seen", "-broken")
    assert (first[-6:] in text, second[-6:] in text, "2 runs changed" in text) == (True, True, True)
    assert "v1-" not in text  # configurations are called by what differs, and not by their fingerprints
    assert [one["tags"] for one in as_json("tag", root)] == [["baseline", "favourite", "seen"], ["seen"]]
    assert as_json("note", root / "net" / "_0", "--tag", "favourite", "look")["note"] == "look"
    assert [one["note"] for one in as_json("note", root / "net" / "_0")] == ["look", ""]
    assert "no run has tag:nothing" in failed("tag", root, "--tag", "nothing", "+x")
    assert "the tag 'a,b' has to begin" in failed("tag", root, "--yes", "+a,b")
    assert "there is no experiment at" in failed("tag", root.parent / "root" / "net" / "_0" / "runs", "+a")


def test_a_run_keeps_its_tags_when_more_are_given_than_it_can_have(tmp_path):
    handler = ExperimentHandler(tmp_path, "e").start()
    handler.tag(*(f"t{number}" for number in range(1000)))
    with pytest.raises(InvalidName, match=r"at most 1,000 tags, and would have 1,001"):
        handler.tag("one_more")
    run_id = handler.run_id
    handler.log()
    assert len(as_json("tag", tmp_path / run_id)["tags"]) == 1000
    assert "at most 1,000 tags" in failed("tag", tmp_path / run_id, "+one_more")


def test_a_table_has_tags_where_asked(root):
    assert "tags" not in shown("table", root, "loss")
    assert "| ★, baseline, broken |" in shown("table", root, "loss", "--tags")
    (one,) = as_json("table", root, "loss", "--tags", "--tag", "broken")
    assert one["tags"] == ["broken"]
    assert (
        shown("table", root, "loss", "--tags", "--format", "csv")
        .splitlines()[1]
        .endswith(',"baseline,broken,favourite"')
    )


def test_outputs_show_tags_and_notes(root, tmp_path):
    first, second = ids(root)
    shown("note", root / second, "too high")
    shown("tag", root / second, "+baseline")
    assert "★, baseline (2), broken" in shown("ls", root)
    assert "★, baseline (2), broken" in shown("best", root, "loss")
    text = shown("show", root / "net" / "_0")
    assert "★, baseline" in text
    assert "too high" in text
    assert "too high" in shown("show", root / second)
    (listed,) = as_json("ls", root)
    assert [(one["tags"], one["note"]) for one in listed["marks"]] == [
        (["baseline", "favourite"], ""),
        (["baseline", "broken"], "too high"),
    ]
    assert as_json("best", root, "loss")[0]["tags"][first] == ["baseline", "favourite"]
    shown("export", root, tmp_path / "x.csv", "--to", "table")
    with (tmp_path / "x.csv").open(encoding="utf-8") as file:
        rows = [(row["tags"], row["note"]) for row in csv.DictReader(file)]
    assert rows == [("baseline,favourite", ""), ("baseline,broken", "too high")]


def test_folders_of_a_large_experiment_are_asked_where_something_was_noted(root, tmp_path):
    begun(tmp_path / "plain", 1).log()
    marked, plain = str(root / "net"), str(tmp_path / "plain" / "net")
    assert [may_have_marks(marked, 10_000), may_have_marks(plain, 10_000)] == [True, False]
    assert may_have_marks(plain, 1000)
    assert [len(marks_in_folder(f"{one}/_0")) for one in (marked, plain, "nowhere")] == [2, 0, 0]


def test_tags_of_folders_that_were_moved_into_a_large_experiment_are_found(root, tmp_path):
    begun(tmp_path / "large", 1).log()
    large = tmp_path / "large" / "net"
    shown("ls", large)
    assert not may_have_marks(str(large), 10_000)
    (root / "net" / "_0").rename(large / "moved_0")
    assert "★, baseline, broken" in shown("ls", large)
    assert may_have_marks(str(large), 10_000)


def test_marks_are_a_file_that_a_user_may_edit_and_damage(root, caplog):
    first, _ = ids(root)
    logs = LogFolder.of(root / "net" / "_0")
    path = logs.folder / f"{first}.marks.yml"
    assert "tags:\n- baseline\n- favourite\n" in path.read_text(encoding="utf-8")
    path.write_text("tags: mine\nnote: by hand\n", encoding="utf-8")
    assert read_marks(logs, first).tags == ("mine",)
    for hostile in (
        "[1, 2]",
        "tags: {a: 1}",
        "tags: ['a,b']",
        "note: [x]",
        "tags: [",
        "x: " + "[" * 500,
        "a" * 2_000_000,
    ):
        path.write_text(hostile, encoding="utf-8")
        assert [one["tags"] for one in as_json("show", root / "net" / "_0")["runs"]] == [[], ["broken"]], (
            hostile
        )
        assert "Error: " in failed("tag", root / first, "+x")
        assert path.read_text(encoding="utf-8") == hostile
    assert "tags and notes are left out" in caplog.text
    path.unlink()
    path.symlink_to(root / "net" / "_0" / "params.yml")
    assert "is a link" in failed("tag", root / first, "+x")


TAGGING = """
from pathlib import Path
from legm.core.run_marks import changed_marks
logs = LogFolder.of(Path(sys.argv[1]))
for i in range(20):
    change_marks(logs, sys.argv[2], lambda marks: changed_marks(marks, [f"t{sys.argv[3]}-{i}"]))
"""


def test_processes_that_tag_at_once_lose_nothing(root):
    first, _ = ids(root)
    folder = root / "net" / "_0"
    imports = "from legm.runlog.marks_files import change_marks, LogFolder"
    assert run_at_once(TAGGING, [(folder, first, n) for n in range(3)], imports) == [0, 0, 0]
    assert len(read_marks(LogFolder.of(folder), first).tags) == 62


def test_marks_survive_a_move_a_copy_recover_and_an_import(root, tmp_path):
    second = ids(root)[1]
    shown("note", root / second, "kept")
    shown("recover", root)
    (root / "net").rename(root / "renamed")
    root.rename(tmp_path / "moved")
    runs = as_json("show", tmp_path / "moved" / "renamed" / "_0")["runs"]
    assert [(one["tags"], one["note"]) for one in runs] == [
        (["baseline", "favourite"], ""),
        (["broken"], "kept"),
    ]
    import_runs(tmp_path / "moved", tmp_path / "imported")
    (folder,) = [path.parent for path in (tmp_path / "imported").rglob("params.yml")]
    assert [(one["tags"], one["note"]) for one in as_json("show", folder)["runs"]] == [
        (["baseline", "favourite"], ""),
        (["broken"], "kept"),
    ]
    shown("export", tmp_path / "moved", "--to", "local", "--into", tmp_path / "exported", "--tag", "broken")
    (folder,) = [path.parent for path in (tmp_path / "exported").rglob("params.yml")]
    assert [one["note"] for one in as_json("show", folder)["runs"]] == ["kept"]


def test_a_discarded_run_leaves_no_marks(root):
    first, _ = ids(root)
    shown("recover", root, "--discard", first)
    assert not list(root.rglob(f"{first}.marks.yml"))


def test_a_resumed_run_keeps_its_tags(tmp_path):
    handler = begun(tmp_path, 1, "one")
    handler.end("interrupted", "no reason")
    again = ExperimentHandler(tmp_path, "net")
    again.set_dict_params({"rate": 0.5, "seed": 1})
    again.disable_param("seed")
    again.tag("two")
    again.start(resume=True)
    assert (again.is_resumed, again.tag()) == (True, ("one", "two"))
    again.log()


@pytest.fixture
def marked(root):
    """The ids of two runs that have tags and a note each, and what these are."""
    first, second = ids(root)
    shown("note", root / first, "first")
    shown("note", root / second, "second")
    return root, {first: (["baseline", "favourite"], "first"), second: (["broken"], "second")}


def noted(root):
    return {one["run_id"]: (one["tags"], one["note"]) for one in as_json("tag", root)}


def test_marks_survive_amend_its_inverse_and_a_parting(marked):
    root, marks = marked
    net = root / "net"
    for change in (
        ("--rename", "rate=lr"),
        ("--compare", "seed"),
        ("--ignore", "seed"),
        ("--set", "depth=3", "--where", "tag:broken"),
        ("--drop", "depth"),
    ):
        shown("amend", net, *change, "--yes")
        assert noted(root) == marks, change
    shown("restore", root)
    assert noted(root) == marks


def test_marks_survive_rm_restore_mv_and_merge(marked, tmp_path):
    root, marks = marked
    first, second = marks
    shown("rm", root / second)
    assert as_json("tag", root / "net")["run_id"] == first
    shown("restore", root)
    assert noted(root) == marks
    shown("mv", root / "net", "renamed", "--yes")
    assert noted(root / "renamed") == marks
    other = tmp_path / "other"
    begun(other, 3, "elsewhere").log()
    shown("merge", other, root)
    assert {key: value for key, value in noted(other).items() if key in marks} == marks


def test_diff_and_show_have_tags_and_notes(marked):
    root, marks = marked
    first, second = marks
    text = shown("diff", root / first, root / second)
    assert all(one in text for one in ("baseline", "broken", "first", "second"))
    assert as_json("show", root / first)["tags"] == ["baseline", "favourite"]
    shown("recover", root)
    assert noted(root) == marks
