"""Writes a sample beside it with an old MLflow: ``python make.py`` in an environment that has that version.

The folder is called like the version. The database is kept as text. Where the sample was written was replaced
by ``/home/user/training``. What the samples say stands in ``tests/importers/test_old_versions.py``.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

folder = Path(__file__).parent / mlflow.__version__
folder.mkdir()
os.chdir(folder)
for uri in ("sqlite:///mlflow.db", "mlruns"):
    client = MlflowClient(uri)
    experiment = client.create_experiment("digits", "artifacts" if uri.startswith("sqlite") else None)
    for seed in range(2):
        tags = {"mlflow.runName": f"run {seed}", "mlflow.user": "user"}
        run_id = client.create_run(experiment, 1600000000000 + seed, tags).info.run_id
        for name, value in {"lr": 0.1, "layers": [64, 32], "seed": seed}.items():
            client.log_param(run_id, name, value)
        for step in range(4):
            client.log_metric(run_id, "loss", 1 / (step + 1 + seed), 1600000000000 + step, step)
        client.log_metric(run_id, "test/acc", 0.5 + seed / 8, 1600000000009, 0)
        Path("note.txt").write_text(f"seed {seed}")
        client.log_artifact(run_id, "note.txt")
        Path("note.txt").unlink()
        client.set_terminated(run_id, "FAILED" if seed else "FINISHED", 1600000001000)
database = sqlite3.connect("mlflow.db")
Path("mlflow.sql").write_text("\n".join(database.iterdump()) + "\n")
database.close()
Path("mlflow.db").unlink()
