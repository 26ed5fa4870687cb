"""``mlflow.artifacts``: reads files of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from legm.compat.mlflow.client import MlflowClient, split_uri
from legm.compat.mlflow.entities import FileInfo
from legm.compat.session import SESSION

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_text"]


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    **_: Any,
) -> str:
    """Copy a file or folder of a run's; where it then is."""
    if artifact_uri is not None:
        run_id, artifact_path = split_uri(artifact_uri)
    return MlflowClient().download_artifacts(str(run_id), artifact_path or "", dst_path)


def list_artifacts(
    artifact_uri: str | None = None, run_id: str | None = None, artifact_path: str | None = None, **_: Any
) -> list[FileInfo]:
    """What is in a folder of a run's artifacts."""
    if artifact_uri is not None:
        run_id, artifact_path = split_uri(artifact_uri)
    return MlflowClient().list_artifacts(str(run_id), artifact_path)


def load_text(artifact_uri: str) -> str:
    """A file's text."""
    return Path(download_artifacts(artifact_uri)).read_text(encoding="utf-8")


def load_dict(artifact_uri: str) -> Any:
    """The data in a JSON file."""
    return json.loads(load_text(artifact_uri))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.null_object(f"mlflow.artifacts.{name}")
