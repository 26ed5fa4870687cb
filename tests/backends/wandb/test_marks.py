"""Tags and notes in W&B: written by legm, and read by an import."""

from __future__ import annotations

import pytest

from legm import ExperimentHandler
from legm.importers import import_runs
from legm.records import RunMarks
from legm.runlog.log_folder import LogFolder, find_run_log
from legm.runlog.marks_files import change_marks
from tests.support.calling import as_json, shown
from tests.support.wandb_server import ENTITY, KEY, serving

pytestmark = pytest.mark.usefixtures("wandb_home")

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}


def test_tags_and_notes_of_a_run_come_back_from_wandb(tmp_path):
    options = {"mode": "offline", "settings": QUIET}
    with ExperimentHandler(tmp_path / "root", "net", backend="wandb", backend_options=options) as handler:
        handler.set_param("rate", 0.5)
        handler.start()
        handler.tag("baseline", "favourite")
        path = find_run_log(tmp_path / "root", handler.run_id)
        change_marks(
            LogFolder.containing(path), handler.run_id, lambda marks: RunMarks(marks.tags, "look here")
        )
        handler.set_metric("loss", 0.25)
    (one,) = handler.get_best("loss", where="tag:baseline")
    assert one.value.mean == 0.25
    import_runs(tmp_path / "root" / "wandb", tmp_path / "imported")
    (folder,) = [path.parent for path in (tmp_path / "imported").rglob("params.yml")]
    (run,) = as_json("show", folder)["runs"]
    assert (run["tags"], run["note"]) == (["baseline", "favourite"], "look here")


def test_offline_runs_keep_what_is_noted_later_beside_their_log(tmp_path, caplog):
    options = {"mode": "offline", "settings": QUIET}
    with ExperimentHandler(tmp_path, "net", backend="wandb", backend_options=options) as handler:
        handler.set_param("rate", 0.5)
        handler.start()
        handler.tag("early")
        handler.set_metric("loss", 0.25)
        run_id = handler.run_id
    backend = ("--backend", "wandb", "--backend-option", "mode=offline")
    assert as_json("tag", tmp_path / run_id, "+late")["tags"] == ["early", "late"]
    assert "cannot change what it has of a run that ended" in caplog.text
    assert "early, late" in shown("ls", tmp_path / "net", *backend)
    (one,) = handler.get_best("loss", where="tag:late")
    assert one.value.mean == 0.25


def test_offline_runs_that_are_in_folders_too_have_what_is_noted_there(tmp_path):
    options = {"wandb": {"mode": "offline", "settings": QUIET}}
    handler = ExperimentHandler(tmp_path, "net", backend=["local", "wandb"], backend_options=options)
    with handler:
        handler.set_param("rate", 0.5)
        handler.start()
        handler.tag("early", "wrong")
        handler.set_metric("loss", 0.25)
        run_id = handler.run_id
    shown("tag", tmp_path / run_id, "+late", "-wrong")
    backend = ("--backend", "wandb", "--backend-option", "mode=offline")
    assert "early, late" in shown("ls", tmp_path / "net", *backend)
    (one,) = as_json("best", tmp_path / "net", "loss", "--where", "tag:late", *backend)
    assert one["completed"] == 1


def test_what_is_noted_after_the_end_is_in_an_offline_folder_that_is_written_anew(tmp_path):
    options = {"wandb": {"mode": "offline", "settings": QUIET}}
    handler = ExperimentHandler(tmp_path / "root", "net", backend=["local", "wandb"], backend_options=options)
    with handler:
        handler.set_param("rate", 0.5)
        handler.start()
        handler.tag("early")
        handler.set_metric("loss", 0.25)
        run_id = handler.run_id
    shown("tag", tmp_path / "root" / str(run_id), "+late")
    shown("note", tmp_path / "root" / str(run_id), "after the end")
    shown("amend", tmp_path / "root" / "net", "--rename", "rate=lr", "--yes")
    import_runs(tmp_path / "root" / "wandb", tmp_path / "imported")
    (folder,) = [path.parent for path in (tmp_path / "imported").rglob("params.yml")]
    (run,) = as_json("show", folder)["runs"]
    assert (run["tags"], run["note"]) == (["early", "late"], "after the end")


def check_marks_on_a_server(server, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    options = {"mode": "online", "entity": ENTITY, "settings": QUIET}
    with ExperimentHandler(tmp_path, "net", backend="wandb", backend_options=options) as handler:
        handler.set_param("rate", 0.5)
        handler.start()
        handler.tag("kept", "wrong")
        handler.set_note("early")
        handler.set_metric("loss", 0.25)
        run_id = handler.run_id
    stored = server.run(run_id)
    assert (sorted(stored.tags), stored.notes) == (["kept", "wrong"], "early")
    shown("tag", tmp_path / run_id, "+late", "-wrong")
    shown("note", tmp_path / run_id, "after all")
    assert (sorted(stored.tags), stored.notes) == (["kept", "late"], "after all")
    stored.tags = ["late", "of W&B"]  # a user deletes one there and adds another one
    assert as_json("tag", tmp_path / run_id)["tags"] == ["late", "of-W-B"]
    shown("tag", tmp_path / run_id, "+more")
    assert sorted(stored.tags) == ["late", "more", "of W&B"]
    check_marks_of_a_resumed_run(server, tmp_path, options)
    for where in ("tag:of-W-B", "not tag:kept"):
        (one,) = handler.get_best("loss", where=where)
        assert one.value.mean == 0.25


def check_marks_of_a_resumed_run(server, root, options):
    def begun():
        handler = ExperimentHandler(root, "resumed", backend="wandb", backend_options=options)
        handler.set_param("rate", 0.5)
        return handler

    with begun() as first:
        first.start()
        first.tag("kept", "wrong")
        first.set_note("early")
        first.set_metric("loss", 1.0, step=0)
        first.end("interrupted", "no reason")
    (stored,) = (run for run in server.runs.values() if run.project == "resumed")
    stored.tags, stored.notes = ["kept", "of W&B"], "by hand"
    with begun() as again:
        again.start(resume=True)
        again.tag("again")
        again.set_metric("loss", 2.0, step=1)
    assert (sorted(stored.tags), stored.notes) == (["again", "kept", "of W&B"], "by hand")


def test_tags_and_notes_of_an_ended_run_are_changed_on_the_server_and_read_from_it(tmp_path, monkeypatch):
    with serving() as server:
        check_marks_on_a_server(server, tmp_path, monkeypatch)
        assert not server.unknown
