"""No credential, in whatever shape it was passed, comes out anywhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from legm import ExperimentHandler
from legm.delivery.run_session import new_run
from legm.records import Configuration
from tests.support.calling import call
from tests.support.mlflow_store import prepare_store
from tests.support.secrets import SECRETS

IN_ADDITION = ("in-the-command-line", "in-an-error", "in-a-tag", "in-a-note", "in-a-description")


def text_of(path: Path) -> str:
    """All that a file holds, decompressed."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return repr((table.to_pydict(), table.schema.metadata))
    return path.read_bytes().decode(errors="replace")


@pytest.mark.usefixtures("wandb_home")
def test_no_credential_comes_out_anywhere(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)  # W&B looks for a repository
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "0.1", "--hf_token", "in-the-command-line"])
    caplog.set_level("DEBUG", logger="legm")
    root = tmp_path / "root"
    root.mkdir()
    prepare_store(root / "mlflow.db")
    backends = ["local", "mlflow", "wandb"]
    options = {
        "wandb": {"mode": "offline", "settings": {"x_disable_stats": True}},
        "mlflow": {"tags": {"hf_token": "in-a-tag"}},
    }
    handler = ExperimentHandler(root, "e", backend=backends, backend_options=options, strict=True)
    handler.set_dict_params({"lr": 0.1, **{name: value for name, value, _ in SECRETS}})
    handler.name_params([name for name, _, _ in SECRETS])
    handler.start()
    handler.set_metric("loss", 0.5, step=0)
    handler.set_note("begun by https://me:in-a-note@host")
    handler.log()
    handler.reset()
    with pytest.raises(ConnectionError), handler:
        raise ConnectionError("no answer from https://me:in-an-error@host")
    handler.aggregate_results()
    described = ExperimentHandler(root, "e", "as https://me:in-a-description@host has it")
    described.set_param("lr", 0.2)
    with described.start():
        described.set_metric("loss", 0.25)
    folder = handler.configuration_folder
    out = {"repr": repr(handler), "logged": caplog.text}
    for arguments in (
        ["ls", root],
        ["ls", root, "--json"],
        ["show", folder],
        ["show", folder, "--json"],
        ["best", root, "loss", "--json"],
        ["best", "--description", "as https://me:in-a-description@host has it", root, "loss"],
        ["table", root, "loss"],
        ["diff", folder, folder],
        ["report", root, "-o", tmp_path / "report.html"],
        ["export", root, tmp_path / "runs.csv", "--to", "table"],
        ["export", root, tmp_path / "runs.parquet", "--to", "table"],
        ["export", root, "--to", "local", "--into", tmp_path / "copy"],
    ):
        result = call(*arguments)
        assert result.exit_code == 0, (arguments, result.output)
        out[f"legm {arguments[0]} {arguments[-1]}"] = result.output
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    suffixes = {path.suffix for path in files}
    assert {".csv", ".parquet", ".html", ".log", ".yml", ".db", ".wandb", ".json"} <= suffixes
    assert any(path.name.startswith("events.out") for path in files)
    out |= {str(path.relative_to(tmp_path)): text_of(path) for path in files}
    secrets = [*(secret for _, _, secret in SECRETS), *IN_ADDITION]
    found = [(secret, where) for where, text in out.items() for secret in secrets if secret in text + where]
    assert found == []


def test_the_environment_of_a_run_has_no_credential():
    configuration = Configuration("e", "v1-0", "", {}, (), {})
    origin = {
        "command": ["train.py", "--hf_token", "in-a-list", "--lr=0.1", "--db-password=in-an-item"],
        "git": {"remote": "https://me:in-an-address@host/x.git", "commit": "0123456789abcdef"},
        "variables": {"OPENAI_API_KEY": "in-a-variable", "RANK": "0"},
    }
    environment = new_run(configuration, "", {}, origin=origin).environment
    assert "in-a" not in repr(environment)
    assert environment["command"] == [
        "train.py",
        "--hf_token",
        "<redacted>",
        "--lr=0.1",
        "--db-password=<redacted>",
    ]
    assert environment["git"] == {"remote": "https://me:***@host/x.git", "commit": "0123456789abcdef"}
    assert environment["variables"]["RANK"] == "0"
    assert environment["pid"] == os.getpid()
