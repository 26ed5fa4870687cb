"""Folders that several processes change become what one process makes of them."""

from __future__ import annotations

import os

import pytest

from legm import amend
from legm.backends.local import folder_reader
from legm.changes import execution, plan
from legm.changes.move import rename_experiment
from legm.changes.remove import Deletion, delete, restore
from legm.changes.trash import trash_items
from legm.runlog.configuration_folders import configuration_folders
from tests.support.local_runs import local_runs, numbers, train

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")

RATES = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0]


@pytest.fixture
def processes(monkeypatch):
    """The ids of the processes that did something, by piece of work."""
    share, found = execution.share_work, []

    def noted(pieces, work, lock, count):
        done = share(pieces, lambda part: {**work(part), "process": os.getpid()}, lock, count)
        found.append({one.pop("process") for one in done})
        return done

    monkeypatch.setattr(execution, "_WORTH_PROCESSES", 2)
    monkeypatch.setattr(execution, "number_of_forked_processes", lambda: 3)
    monkeypatch.setattr(execution, "share_work", noted)
    monkeypatch.setattr(plan, "_WORTH_PROCESSES", 2)
    monkeypatch.setattr(plan, "number_of_forked_processes", lambda: 3)
    return found


@pytest.fixture
def root(tmp_path):
    for rate in RATES:
        train(tmp_path, rate=rate, seed=0)
    train(tmp_path, rate=RATES[0], seed=1)
    return tmp_path


def names(root) -> list[dict]:
    found = [folder_reader.read_configuration(folder) for folder in configuration_folders(root)]
    return sorted(({name: one.parameters[name] for name in one.active} for one in found), key=str)


def test_each_folder_is_amended_by_one_of_the_processes(root, processes):
    before = numbers(local_runs(root))
    amend(root / "e", rename={"rate": "lr"})
    assert [len(one) for one in processes] == [3]
    assert names(root) == [{"lr": rate} for rate in RATES]
    amend(root / "e", rename={"lr": "rate"})
    assert numbers(local_runs(root)) == before


def test_configurations_that_become_equal_are_united_by_one_process(root, processes):
    before = numbers(local_runs(root))
    amend(root / "e", ignore=["rate"])
    assert names(root) == [{}]
    amend(root / "e", compare=["rate"])
    assert names(root) == [{"rate": rate} for rate in RATES]
    assert numbers(local_runs(root)) == before


def test_what_processes_delete_and_move_comes_back_whole(root, processes):
    before = numbers(local_runs(root))
    rename_experiment(root / "e", "f", confirm=lambda plan: True)
    delete(Deletion(root, folders=list(configuration_folders(root))[1:]), title="rm")
    assert len(list(configuration_folders(root))) == 1
    restore(root, trash_items(root)[-1])
    assert numbers(local_runs(root)) == before
    assert [len(one) for one in processes] == [3, 3, 3]
    for folder in configuration_folders(root):
        assert len(list(folder.glob("tensorboard/*/events.out.tfevents.*"))) == len(
            list(folder.glob("tensorboard/*"))
        )
