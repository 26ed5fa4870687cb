"""What MLflow and W&B know of where a run comes from is imported into the fields that legm has for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from legm.capture.capturing import capture
from legm.capture.staging import StagingFolder
from legm.cli import main
from legm.core.code_versions import code_label
from legm.delivery.client import connect_client
from legm.records import Display, Query, RunResult
from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log
from tests.support.captured import prepare_kept_store
from tests.support.repositories import Repository

SCRIPT = """
import wandb
run = wandb.init(project="e", mode="offline", config={"x": 1}, settings={"silent": True})
run.log({"loss": 0.5})
run.finish()
"""


def imported(source: Path, root: Path) -> RunResult:
    done = CliRunner().invoke(main, ["import", str(source), str(root)])
    assert done.exit_code == 0, done.output
    return max(connect_client(root, "local", None).runs_as_stored(Query("e")), key=lambda one: one.run.run_id)


def test_the_source_tags_of_mlflow(tmp_path):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.create_experiment("e", artifact_location=(tmp_path / "artifacts").as_uri())
    tags = {
        "mlflow.source.name": "/home/me/code/train.py",
        "mlflow.source.git.commit": "a" * 40,
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.repoURL": "https://me:hidden-1@example.org/code.git",
    }
    run = client.create_run(experiment, tags=tags)
    client.log_metric(run.info.run_id, "loss", 0.5)
    client.set_terminated(run.info.run_id)
    environment = imported(tmp_path, tmp_path / "runs").run.environment
    assert environment["script"] == "/home/me/code/train.py"
    assert environment["git"] == {
        "commit": "a" * 40,
        "branch": "main",
        "remote": "https://example.org/code.git",
    }
    assert code_label(environment) == "aaaaaaa?"


def test_the_metadata_changes_and_requirements_of_wandb(tmp_path):
    repository = Repository(tmp_path / "code", **{"train.py": SCRIPT, ".gitignore": "wandb/\n"})
    repository.git("remote", "add", "origin", "https://example.org/code.git")
    repository.write({"train.py": SCRIPT + "changed = True\n"})
    variables = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    subprocess.run(
        [sys.executable, "train.py", "--lr", "0.1", "--api-key", "hidden-2"],
        cwd=repository.folder,
        env=variables,
        check=True,
    )
    (requirements,) = (repository.folder / "wandb").rglob("requirements.txt")
    if not requirements.with_name("diff.patch").exists():  # offline W&B does not write it
        requirements.with_name("diff.patch").write_text(repository.git("diff", "HEAD"))
    root = tmp_path / "runs"
    found = imported(repository.folder / "wandb", root)
    environment = found.run.environment
    assert Path(environment["script"]).name == "train.py"
    assert environment["command"][-4:] == ["--lr", "0.1", "--api-key", "<redacted>"]
    assert environment["git"]["commit"] == repository.head
    assert environment["git"]["remote"] == "https://example.org/code.git"
    assert environment["git"]["dirty"] is True
    assert environment["distributions"]["wandb"]
    shown = CliRunner().invoke(main, ["show", str(root / found.run.run_id), "--reproduce"]).output
    assert "git apply -- " in shown
    patch = Path(shown.partition("git apply -- ")[2].splitlines()[0])
    assert "+changed = True" in patch.read_text()


CAPTURED = """
import pathlib, subprocess, mlflow, wandb
mlflow.set_experiment("e")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.5)
    mlflow.log_metric("system/cpu_utilization_percentage", 12.5)
with wandb.init(project="e", config={"x": 1}, settings={"silent": True}) as run:
    diff = subprocess.run(["git", "diff", "HEAD"], capture_output=True, check=True).stdout
    pathlib.Path(run.dir, "diff.patch").write_bytes(diff)  # as W&B does when it is online
    run.log({"loss": 0.5})
"""
FIELDS = ("command", "script", "git", "distributions", "host", "os", "python", "cpu", "notebook")


def displays_in(log: Path) -> list[Display]:
    return [one for one in read_log(log).records if isinstance(one, Display)]


def origins(root: Path) -> dict[str, dict]:
    """Of each run, by the tracker that it was logged to, what is known of where it comes from."""
    runs = connect_client(root, "local", None).runs_as_stored(Query("e"))
    found = {run.run.environment["imported"]["from"]: run.run.environment for run in runs}
    return {kind: {name: one[name] for name in FIELDS if name in one} for kind, one in found.items()}


def test_a_capture_knows_what_an_import_of_the_same_stores_knows(tmp_path, monkeypatch):
    repository = Repository(tmp_path / "code", **{"train.py": CAPTURED, ".gitignore": "wandb/\n"})
    repository.git("remote", "add", "origin", "https://example.org/code.git")
    repository.write({"train.py": CAPTURED + "changed = True\n"})
    prepare_kept_store(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WANDB", "MLFLOW_TRACKING"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    remove = StagingFolder.remove

    def copy_and_remove(staging: StagingFolder) -> bool:
        shutil.copytree(staging.folder, tmp_path / "stores")
        return remove(staging)

    monkeypatch.setattr(StagingFolder, "remove", copy_and_remove)
    done = capture([sys.executable, "train.py", "--lr", "0.1"], tmp_path / "root", console=False)
    assert (done.status, done.problems) == (0, ())
    found = origins(tmp_path / "root")
    assert found["mlflow"]["script"] == "train.py"
    assert found["mlflow"]["git"]["commit"] == repository.head
    assert found["mlflow"].pop("command") == [sys.executable, "train.py", "--lr", "0.1"]  # as it was captured
    assert [Path(one).name for one in found["wandb"]["command"][-3:]] == ["train.py", "--lr", "0.1"]
    code = found["wandb"]["git"]
    assert {name: code[name] for name in ("commit", "remote", "dirty")} == {
        "commit": repository.head,
        "remote": "https://example.org/code.git",
        "dirty": True,
    }
    assert found["wandb"]["distributions"]["mlflow"]
    shown = [(one.name, one.value) for log in find_logs(tmp_path / "root") for one in displays_in(log)]
    assert ("system/cpu_utilization_percentage", 12.5) in shown
    assert all(name.startswith("system/") for name, _ in shown)  # those of W&B are there too
    (patch,) = (tmp_path / "root").rglob(found["wandb"]["git"]["patch"]["file"])
    assert "+changed = True" in patch.read_text()
    for store in ("mlflow.db", "wandb"):
        imported(tmp_path / "stores" / store, tmp_path / "again")
    assert origins(tmp_path / "again") == found
