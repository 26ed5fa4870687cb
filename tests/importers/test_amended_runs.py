"""What a user amended of imported runs is not undone by a later import."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from legm import amend
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.changes.remove import restore
from legm.changes.trash import trash_items
from legm.importers import import_runs
from tests.support.imported import results
from tests.support.local_runs import numbers
from tests.support.mlflow_store import prepare_store

START = 1_700_000_000_000  # milliseconds


class Store:
    """An MLflow database that another program writes."""

    def __init__(self, path: Path) -> None:
        prepare_store(path)
        self.path = path
        self._client = MlflowClient(mlflow_sqlite_uri(path))
        self._number = self._client.create_experiment("digits")
        self._runs = 0

    def train(self, lr: str, seed: str, *, ends: bool = True) -> str:
        run_id = self._client.create_run(self._number, start_time=START + self._runs * 60_000).info.run_id
        self._runs += 1
        for name, value in {"lr": lr, "seed": seed}.items():
            self._client.log_param(run_id, name, value)
        self.log(run_id, 0)
        if ends:
            self._client.set_terminated(run_id)
        return run_id

    def log(self, run_id: str, step: int) -> None:
        self._client.log_metric(run_id, "loss", 1 / (step + 1), timestamp=START + step, step=step)

    def end(self, run_id: str) -> None:
        self._client.set_terminated(run_id)


@pytest.fixture
def store(tmp_path) -> Store:
    """Runs of two learning rates with two seeds each."""
    made = Store(tmp_path / "mlflow.db")
    for lr in ("0.1", "0.2"):
        for seed in ("0", "1"):
            made.train(lr, seed)
    return made


def state(root: Path) -> dict[str, tuple]:
    """By run, what it is compared by, what else it has and its description."""
    return {
        run_id: (
            {name: one.run.configuration.parameters[name] for name in one.run.configuration.active},
            dict(one.run.parameters),
            one.run.description,
        )
        for run_id, one in results(root, "digits").items()
    }


@pytest.mark.parametrize(
    "change",
    [
        {"ignore": "lr"},
        {"compare": "seed"},
        {"name": "seed", "no_name": "lr"},
        {"rename": {"lr": "rate"}},
        {"set": {"late": 1}},
        {"drop": "lr"},
        {"correct": {"seed": 5}, "where": "lr=0.1"},
        {"describe": "wrong loss", "where": "seed=0"},
        {"correct": {"lr": 0.5}, "describe": "all", "where": "lr=0.2"},
    ],
    ids="+".join,
)
def test_an_import_leaves_what_was_amended_as_it_is(store, tmp_path, change):
    root = tmp_path / "root"
    assert import_runs(store.path, root).is_complete
    values = numbers([*results(root, "digits").values()])
    before = state(root)
    amend(root / "digits", **change)
    amended = state(root)
    assert (amended == before) == ("name" in change), "names are no part of it"

    for recheck in (False, True):
        again = import_runs(store.path, root, recheck=recheck)
        assert (again.created, again.updated, again.unchanged) == (0, 0, 4)
        assert again.is_complete, again.differences
        assert state(root) == amended
    found = numbers([*results(root, "digits").values()])
    assert {run_id: one[:3] for run_id, one in found.items()} == {
        run_id: one[:3] for run_id, one in values.items()
    }
    restore(root, trash_items(root)[-1])
    assert state(root) == before
    assert import_runs(store.path, root).is_complete
    assert state(root) == before


def test_an_amended_run_that_has_grown_keeps_its_amendment_for_ever(store, tmp_path):
    root, mlflow_id = tmp_path / "root", store.train("0.4", "7", ends=False)
    import_runs(store.path, root)
    amend(root / "digits", rename={"lr": "rate"}, describe="grows", correct={"seed": 8}, where="lr=0.4")
    amended = state(root)
    (run_id,) = [run_id for run_id, one in amended.items() if one[2] == "grows"]

    for step in (1, 2):
        store.log(mlflow_id, step)
        if step == 2:
            store.end(mlflow_id)
        again = import_runs(store.path, root)
        assert (again.created, again.updated, again.unchanged) == (0, 1, 4)
        assert again.is_complete, again.differences
        assert state(root) == amended
        (history,) = results(root, "digits")[run_id].histories.values()
        assert len(history.steps) == step + 1
    assert amended[run_id][0] == {"rate": 0.4}
    again = import_runs(store.path, root, recheck=True)
    assert (again.updated, again.unchanged, state(root)) == (0, 5, amended)


@pytest.mark.parametrize(
    ("change", "compared"), [({"ignore": "lr"}, []), ({"compare": "seed"}, ["lr", "seed"])], ids=str
)
def test_new_runs_are_compared_as_the_amended_ones_until_that_is_undone(store, tmp_path, change, compared):
    root = tmp_path / "root"
    import_runs(store.path, root)
    amend(root / "digits", **change)
    before = state(root)
    store.train("0.2", "2")
    again = import_runs(store.path, root)
    assert (again.created, again.unchanged, again.is_complete) == (1, 4, True)
    found = state(root)
    assert {run_id: found[run_id] for run_id in before} == before
    assert [sorted(one[0]) for one in found.values()] == [compared] * 5
    restore(root, trash_items(root)[-1])
    store.train("0.2", "3")
    assert import_runs(store.path, root).is_complete
    assert [{*one[0]} for one in state(root).values()] == [{"lr"}] * 6


def test_what_was_amended_of_some_runs_decides_nothing_about_new_ones(store, tmp_path):
    root = tmp_path / "root"
    import_runs(store.path, root)
    amend(root / "digits", ignore="lr", where="lr=0.1")
    store.train("0.2", "2")
    again = import_runs(store.path, root)
    assert (again.created, again.unchanged, again.is_complete) == (1, 4, True)
    assert sorted(len(one[0]) for one in state(root).values()) == [0, 0, 1, 1, 1]


def test_runs_that_were_moved_to_another_experiment_stay_there(store, tmp_path):
    root = tmp_path / "root"
    import_runs(store.path, root)
    amend(root / "digits", to="other", where="lr=0.1")
    moved = {*results(root, "other")}
    store.train("0.1", "2")
    for created in (1, 0):
        again = import_runs(store.path, root, recheck=True)
        assert (again.created, again.updated, again.unchanged) == (created, 0, 5 - created)
        assert again.is_complete, again.differences
        assert {*results(root, "other")} == moved
        assert moved.isdisjoint(results(root, "digits"))
    assert [len(moved), len(results(root, "digits"))] == [2, 3]
