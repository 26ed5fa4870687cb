"""The console of a run in MLflow and W&B, where their users look for it, and back from there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from legm import ExperimentHandler
from legm.importers import import_runs
from legm.records import Display
from legm.runlog.file_names import CONSOLE_FILE
from legm.runlog.log_reader import read_log
from tests.support.calling import shown


def logged(root: Path, backend: str, **options) -> str:
    handler = ExperimentHandler(
        root, "e", backend=backend, backend_options=options, console=True, system_metrics=True
    ).start()
    os.system("echo what was printed")
    handler.set_metric("loss", 1.0)
    handler.log()
    return handler.run_id


def test_mlflow_has_the_console_among_the_artifacts_and_an_import_brings_it(mlflow_store, tmp_path):
    run_id = logged(mlflow_store, "mlflow")
    (artifact,) = (mlflow_store / "mlartifacts").rglob(CONSOLE_FILE)
    assert artifact.read_text(encoding="utf-8").endswith("Z what was printed\n")
    assert shown("logs", run_id, mlflow_store) == "what was printed\n"
    assert import_runs(mlflow_store / "mlflow.db", tmp_path / "imported").is_complete
    assert shown("logs", run_id, tmp_path / "imported") == "what was printed\n"


@pytest.mark.usefixtures("wandb_home")
def test_wandb_has_the_console_as_its_own_log_and_an_import_brings_it(tmp_path):
    run_id = logged(tmp_path / "root", "wandb", mode="offline")
    (output,) = (tmp_path / "root").rglob("output.log")
    assert output.read_text(encoding="utf-8").endswith("Z what was printed\n")
    report = import_runs(tmp_path / "root" / "wandb", tmp_path / "imported")
    assert report.is_complete, report
    assert shown("logs", run_id, tmp_path / "imported") == "what was printed\n"
    (log,) = (tmp_path / "imported").glob("e/*/runs/*.log")
    names = {one.name for one in read_log(log).records if isinstance(one, Display)}
    assert "system/process_memory_megabytes" in names
