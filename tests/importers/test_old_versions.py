"""Stores that old versions of MLflow and W&B wrote: the samples hold what their ``make.py`` set."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from legm.importers import import_runs
from legm.records import Series, Split, Status
from tests.support.calling import shown
from tests.support.imported import results
from tests.support.paths import SAMPLES

MLFLOW = sorted(folder for folder in (SAMPLES / "mlflow").iterdir() if folder.is_dir())
WANDB = sorted(folder for folder in (SAMPLES / "wandb").iterdir() if folder.is_dir())


def check(root: Path, metrics: dict[str, list[float]]) -> None:
    """The two runs of a sample: their parameters, status and curves."""
    runs = sorted(results(root, "digits").values(), key=lambda one: one.run.environment["imported"]["name"])
    assert [one.status for one in runs] == [Status.COMPLETED, Status.FAILED]
    for seed, one in enumerate(runs):
        parameters = {**one.run.configuration.parameters, **one.run.parameters}
        assert {name: parameters[name] for name in ("lr", "layers", "seed")} == {
            "lr": 0.1,
            "layers": [64, 32],
            "seed": seed,
        }
        found = {str(series): history.values.tolist() for series, history in one.histories.items()}
        expected = {"dev/loss": [1 / (step + 1 + seed) for step in range(4)], **metrics}
        assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("sample", MLFLOW, ids=lambda one: one.name)
@pytest.mark.parametrize("store", ["database", "folder"])
def test_a_store_of_an_old_mlflow_is_imported(tmp_path, sample, store):
    copy = shutil.copytree(sample, tmp_path / "training")
    source = copy / "mlruns"
    if store == "database":
        shutil.rmtree(source)
        source = copy / "mlflow.db"
        with sqlite3.connect(source) as database:
            database.executescript((sample / "mlflow.sql").read_text(encoding="utf-8"))
        database.close()
    assert import_runs(source, tmp_path / "root").is_complete
    check(tmp_path / "root", {})
    runs = results(tmp_path / "root", "digits").values()
    assert sorted(one.test[Series("acc", Split.TEST)] for one in runs) == [0.5, 0.625]
    notes = sorted(path.read_text() for path in (tmp_path / "root").rglob("artifacts/*/note.txt"))
    assert notes == ["seed 0", "seed 1"]


@pytest.mark.parametrize("sample", WANDB, ids=lambda one: one.name)
def test_a_folder_of_an_old_wandb_is_imported(tmp_path, sample):
    shutil.copytree(sample, tmp_path / "training")
    assert import_runs(tmp_path / "training" / "wandb", tmp_path / "root").is_complete
    accuracy = [0.5 + step / 8 for step in range(4)]
    check(tmp_path / "root", {"dev/val.acc": accuracy})


def test_times_beyond_the_year_9999_keep_no_run_from_being_imported_and_shown(tmp_path):
    source, root = tmp_path / "mlflow.db", tmp_path / "root"
    with contextlib.closing(sqlite3.connect(source)) as database:
        database.executescript((MLFLOW[0] / "mlflow.sql").read_text(encoding="utf-8"))
        database.execute("UPDATE runs SET start_time = 1000000000000000000, end_time = 1000000000000000000")
        database.execute("UPDATE metrics SET timestamp = 1000000000000000000")
        database.commit()
    assert import_runs(source, root).is_complete
    check(root, {})
    for command in (["ls", root], ["recover", root], ["best", root / "digits", "loss"]):
        shown(*command)
