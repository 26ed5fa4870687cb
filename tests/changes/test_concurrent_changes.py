"""What begins, is resumed or is read while a command changes what is stored."""

from __future__ import annotations

import pytest

from legm import ExperimentHandler, amend
from legm.backends.local.folder_index import FolderIndex
from legm.delivery.client import BackendClient
from legm.records import Status
from legm.runlog.configuration_folders import configuration_folders
from legm.runlog.log_writer import LogWriter
from tests.support.local_runs import begun, local_runs, numbers, train


@pytest.fixture
def root(tmp_path):
    for seed in (0, 1):
        train(tmp_path, rate=0.125, seed=seed)
    return tmp_path


def rates(root) -> dict[str, dict]:
    return {
        one.run.run_id: {
            name: one.run.configuration.parameters[name] for name in one.run.configuration.active
        }
        for one in local_runs(root)
    }


def test_a_run_that_begins_after_its_folder_changed_begins_in_another_one(root, monkeypatch):
    found, calls = BackendClient.make_folder, []

    def changed_meanwhile(client, configuration):
        folder = found(client, configuration)
        calls.append(folder)
        if len(calls) == 1:
            amend(root / "e", rename={"rate": "lr"})
        return folder

    with monkeypatch.context() as patch:
        patch.setattr(BackendClient, "make_folder", changed_meanwhile)
        handler = begun(root, 0.125)
    handler.set_metric("loss", 0.5)
    handler.log()

    assert len(set(calls)) == 2
    assert rates(root)[handler.run_id] == {"rate": 0.125}
    assert sorted(map(str, rates(root).values())) == ["{'lr': 0.125}", "{'lr': 0.125}", "{'rate': 0.125}"]


def test_a_run_that_begins_before_its_folder_changes_keeps_it(root, monkeypatch):
    before = numbers(local_runs(root))
    adopt, begun_meanwhile = FolderIndex.adopt, []

    def begins_meanwhile(index, adoptions):
        if not begun_meanwhile:
            begun_meanwhile.append(begun(root, 0.125))
            begun_meanwhile[0].set_metric("loss", 0.5)
        return adopt(index, adoptions)

    with monkeypatch.context() as patch:
        patch.setattr(FolderIndex, "adopt", begins_meanwhile)
        amend(root / "e", rename={"rate": "lr"})
    (handler,) = begun_meanwhile
    handler.log()

    after = numbers([one for one in local_runs(root) if one.status is Status.COMPLETED])
    assert {run_id: after[run_id] for run_id in before} == before
    assert rates(root)[handler.run_id] == {"rate": 0.125}
    assert sorted(map(str, rates(root).values())) == ["{'lr': 0.125}", "{'lr': 0.125}", "{'rate': 0.125}"]
    assert len(list(configuration_folders(root))) == 2


def test_a_configuration_that_is_made_meanwhile_is_united_with(root, monkeypatch):
    adopt, made = FolderIndex.adopt, []

    def made_meanwhile(index, adoptions):
        if not made:
            made.append(ExperimentHandler(root, "e"))
            made[0].set_dict_params({"lr": 0.125})
            with made[0].start():
                made[0].set_metric("loss", 0.5)
        return adopt(index, adoptions)

    with monkeypatch.context() as patch:
        patch.setattr(FolderIndex, "adopt", made_meanwhile)
        amend(root / "e", rename={"rate": "lr"})

    assert len(local_runs(root)) == 3
    assert len(list(configuration_folders(root))) == 1


def test_a_configuration_that_is_new_begins_while_a_command_moves_its_experiment(root, monkeypatch):
    make, moved = FolderIndex._make, []

    def moved_meanwhile(index, *rest):
        if not moved:
            moved.append((root / "e").rename(root / "f"))
        return make(index, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(FolderIndex, "_make", moved_meanwhile)
        handler = begun(root, 0.25)
    handler.set_metric("loss", 0.5)
    handler.log()
    assert moved
    assert len(list(configuration_folders(root / "f"))) == 1
    assert handler.configuration_folder.parent == root / "e"
    assert len(local_runs(root)) == 3


def test_a_run_whose_folder_moves_while_its_log_is_made_begins_in_another_one(root, monkeypatch):
    move, moved = LogWriter.move, []

    def moved_meanwhile(writer, path):
        if not moved:
            moved.append((root / "e").rename(root / "f"))
        move(writer, path)

    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "move", moved_meanwhile)
        handler = begun(root, 0.125)
    handler.set_metric("loss", 0.5)
    handler.log()
    assert moved
    assert handler.configuration_folder.is_dir()
    assert rates(root)[handler.run_id] == {"rate": 0.125}
    assert len(local_runs(root)) == 3


def test_an_interrupted_run_is_resumed_after_it_was_amended(root):
    handler = begun(root, 0.125)
    run_id = handler.run_id
    handler.set_metric("loss", 0.5)
    handler.end("interrupted", "on purpose")

    amend(root / "e", rename={"rate": "lr"})

    resumed = ExperimentHandler(root, "e")
    resumed.set_dict_params({"lr": 0.125})
    resumed.start(resume=run_id)
    assert resumed.last_step == 0
    resumed.set_metric("loss", 0.25)
    result = resumed.log()
    assert (result.run.run_id, result.points) == (run_id, 2)
    assert rates(root)[run_id] == {"lr": 0.125}
    assert len(list(configuration_folders(root))) == 1
