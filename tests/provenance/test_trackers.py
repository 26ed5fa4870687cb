"""Where runs come from, under the names that MLflow and W&B have for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import legm
from legm.delivery.client import connect_client
from legm.records import Query, RunResult
from tests.support.mlflow_store import prepare_store
from tests.support.paths import ROOT
from tests.support.prepared import Prepared
from tests.support.repositories import Repository
from tests.support.wandb_server import environment, serving

SCRIPT = """
import sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "e", backend=["local", sys.argv[2]])
handler.set_param("x", 1)
handler.start()
handler.set_metric("loss", 0.5)
handler.log()
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "code", **{"train.py": SCRIPT})
    made.git("remote", "add", "origin", "https://example.org/code.git")
    made.write({"train.py": SCRIPT + "changed = True\n"})
    return made


def train(
    prepared: Prepared, repository: Repository, root: Path, backend: str, *more: str, **environment: str
) -> None:
    variables = {
        **os.environ,
        "LEGM_PROVENANCE": "1",
        "PYTHONPATH": str(Path(legm.__file__).parents[1]),
        "WANDB_MODE": "offline",
        **environment,
    }
    prepare_store(root / "mlflow.db")
    prepared.run(["train.py", root, backend, *more], cwd=repository.folder, env=variables, check=True)


def only_run(root: Path, backend: str) -> RunResult:
    (found,) = connect_client(root, backend, None).runs_as_stored(Query("e"))
    return found


def test_mlflow_has_its_own_tags_and_all_of_it_is_read_back(repository, prepared, tmp_path):
    root = tmp_path / "runs"
    train(prepared, repository, root, "mlflow")
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("e")
    runs = client.search_runs([experiment.experiment_id], "tags.`legm.kind` = 'run'")
    tags = runs[0].data.tags
    assert tags["mlflow.source.name"] == str(repository.script.resolve())
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.source.git.commit"] == repository.head
    assert tags["mlflow.source.git.branch"] == "main"
    assert tags["mlflow.source.git.repoURL"] == "https://example.org/code.git"
    local = only_run(root, "local").run.environment
    assert local["git"]["patch"]["bytes"]
    assert only_run(root, "mlflow").run.environment == local


def test_without_provenance_mlflow_has_no_tags_of_it(repository, prepared, tmp_path):
    root = tmp_path / "runs"
    train(prepared, repository, root, "mlflow", LEGM_PROVENANCE="0")
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("e")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.tags["legm.kind"] for run in runs} == {"run", "configuration"}
    assert [name for run in runs for name in run.data.tags if name.startswith("mlflow.source")] == []


def test_wandb_says_where_a_run_of_this_process_comes_from_and_it_is_read_back(
    repository, prepared, tmp_path
):
    root = tmp_path / "runs"
    train(prepared, repository, root, "wandb")
    local = only_run(root, "local").run.environment
    assert local["git"]["commit"] == repository.head
    assert only_run(root, "wandb").run.environment == local


def test_wandb_stores_legms_patch_and_none_of_its_own_where_it_saves_code(repository, prepared, tmp_path):
    """W&B's own would have the changes as they are, with credentials that legm leaves out."""
    secret = "ghp_" + "0123456789abcdef" * 2 + "0123"
    repository.write({"sub/train.py": SCRIPT + f"token = '{secret}'\n"})
    repository.git("add", "sub")
    with serving() as server:
        online = {**environment(server, tmp_path / "home"), "WANDB_MODE": "online", "WANDB_SAVE_CODE": "true"}
        script = ["sub/train.py", tmp_path / "runs", "wandb"]
        variables = {**online, "LEGM_PROVENANCE": "1", "PYTHONPATH": str(ROOT)}
        prepared.run(script, cwd=repository.folder, env=variables, check=True)
        (stored,) = [run for run in server.runs.values() if "wandb-metadata.json" in run.files]
    metadata = json.loads(stored.files["wandb-metadata.json"])
    assert metadata["git"] == {"remote": "https://example.org/code.git", "commit": repository.head}
    assert metadata["codePath"] == "sub/train.py"
    patch = stored.files["diff.patch"].decode()
    assert "+changed = True" in patch
    assert secret not in patch


def test_wandb_keeps_no_credential_of_a_command_line(repository, prepared, tmp_path):
    """W&B stores the arguments of its process as they are, also those that the user names as credentials."""
    root = tmp_path / "runs"
    own = SCRIPT.replace("backend=", 'credentials=["own"], backend=').replace('"x", 1', '"own", sys.argv[4]')
    repository.write({"train.py": own})
    given = ["--own", "visible-1"]
    train(prepared, repository, root, "wandb", *given)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in files if b"visible" in path.read_bytes()] == []
    (metadata,) = (root / "wandb").rglob("wandb-metadata.json")
    assert json.loads(metadata.read_text())["args"] == [str(root), "wandb", "--own", "<redacted>"]
    assert only_run(root, "wandb").run.environment["command"][-2:] == ["--own", "<redacted>"]


def test_a_run_that_another_process_sends_to_wandb_keeps_its_own_origin(repository, prepared, tmp_path):
    """As ``legm sync`` does, whose own script and folder are others."""
    root = tmp_path / "runs"
    train(prepared, repository, root, "mlflow")
    command = ["-m", "legm", "export", root, "--to", "wandb", "--into", root]
    variables = {**os.environ, "PYTHONPATH": str(Path(legm.__file__).parents[1]), "WANDB_MODE": "offline"}
    prepared.run(command, cwd=tmp_path, env=variables, check=True)
    (metadata,) = (root / "wandb").rglob("wandb-metadata.json")
    found = json.loads(metadata.read_text())
    assert found["git"] == {"remote": "https://example.org/code.git", "commit": repository.head}
    assert found["program"] == str(repository.script.resolve())
    assert found["args"] == [str(root), "mlflow"]
    (patch,) = (root / "wandb").rglob("diff.patch")
    assert "+changed = True" in patch.read_text()
    (requirements,) = (root / "wandb").rglob("requirements.txt")
    versions = only_run(root, "wandb").run.environment["distributions"]
    assert versions["numpy"]
    assert requirements.read_text() == "".join(f"{name}=={version}\n" for name, version in versions.items())
