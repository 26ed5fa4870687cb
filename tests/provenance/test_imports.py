"""What MLflow and W&B know of where a run comes from is imported into the fields that legm has for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from legm.cli import main
from legm.core.code_versions import code_label
from legm.delivery.client import connect_client
from legm.records import Query, RunResult
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
    (found,) = connect_client(root, "local", None).runs_as_stored(Query("e"))
    return found


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
