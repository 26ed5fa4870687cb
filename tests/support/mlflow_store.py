"""Reads an MLflow store by MLflow's own client."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType

from legm.backends.mlflow.stores import sqlite_uri


def client(root: Path) -> MlflowClient:
    return MlflowClient(sqlite_uri(root / "mlflow.db"))


def runs(of: MlflowClient, experiment: str, condition: str = "") -> list:
    found = of.get_experiment_by_name(experiment)
    return list(of.search_runs([found.experiment_id], condition, ViewType.ACTIVE_ONLY)) if found else []


def only_run(of: MlflowClient, experiment: str = "e"):
    (run,) = runs(of, experiment, "tags.`legm.kind` = 'run'")
    return run


def history(of: MlflowClient, run, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in of.get_metric_history(run.info.run_id, key)]
