"""MLflow stores: empty ones for tests that are not about making one, and how they are read."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType

from legm.backends.mlflow import table_creation
from legm.backends.mlflow.names import mlflow_sqlite_uri
from legm.backends.mlflow.stores import sqlite_store_path
from tests.support.shared import once

STARTING = """
import sys
from legm import ExperimentHandler
with ExperimentHandler(sys.argv[1], "e", backend="mlflow") as handler:
    handler.set_dict_params({"lr": 0.1, "seed": int(sys.argv[2])})
    handler.disable_param("seed")
    handler.start()
    for step in range(20):
        handler.set_metric("loss", step + int(sys.argv[2]), step=step)
"""
"""A process that logs a run: its arguments are the root directory and the seed."""


_create_tables = table_creation._create_tables  # noqa: SLF001 - as it is before a test replaces it


def prepare_store(path: Path) -> Path:
    """Put a store without a run there, as MLflow makes it; its tables are made once for all workers."""
    if not path.exists():
        made = once("mlflow-store", lambda folder: _create_tables(mlflow_sqlite_uri(folder / "mlflow.db")))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made / "mlflow.db", path)
    return path


def copy_tables(uri: str) -> None:
    """In the place of the function that creates MLflow's tables: a store in a file is a copy of one."""
    path = sqlite_store_path(uri)
    if path is not None and path.parent.is_dir():
        prepare_store(path)
    else:
        _create_tables(uri)


def client(root: Path) -> MlflowClient:
    return MlflowClient(mlflow_sqlite_uri(root / "mlflow.db"))


def runs(of: MlflowClient, experiment: str, condition: str = "") -> list:
    found = of.get_experiment_by_name(experiment)
    return list(of.search_runs([found.experiment_id], condition, ViewType.ACTIVE_ONLY)) if found else []


def only_run(of: MlflowClient, experiment: str = "e"):
    (run,) = runs(of, experiment, "tags.`legm.kind` = 'run'")
    return run


def has_ended(of: MlflowClient, experiment: str = "e") -> bool:
    """Whether the one run of legm's is there, and finished."""
    found = runs(of, experiment, "tags.`legm.kind` = 'run'")
    return [run.info.status for run in found] == ["FINISHED"]


def count_native_runs(path: Path) -> int:
    """How many runs of legm's have ended in a store's file."""
    with closing(sqlite3.connect(path)) as store:
        condition = "key = 'legm.kind' AND value = 'run' AND status = 'FINISHED'"
        return store.execute(
            f"SELECT count(*) FROM runs JOIN tags USING (run_uuid) WHERE {condition}"
        ).fetchone()[0]


def history(of: MlflowClient, run, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in of.get_metric_history(run.info.run_id, key)]
