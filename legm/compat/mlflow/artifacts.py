"""``mlflow.artifacts``: reads the artifacts of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from legm.compat.mlflow.client import MlflowClient, parse_artifact_uri
from legm.compat.mlflow.entities import FileInfo
from legm.compat.unknown_names import unknown_attribute

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_text"]


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    **_: Any,
) -> str:
    """Copy a file or folder of a run, and return the path of the copy."""
    if artifact_uri is not None:
        run_id, artifact_path = parse_artifact_uri(artifact_uri)
    return MlflowClient().download_artifacts(str(run_id), artifact_path or "", dst_path)


def list_artifacts(
    artifact_uri: str | None = None, run_id: str | None = None, artifact_path: str | None = None, **_: Any
) -> list[FileInfo]:
    """The files and folders in a folder of a run's artifacts."""
    if artifact_uri is not None:
        run_id, artifact_path = parse_artifact_uri(artifact_uri)
    return MlflowClient().list_artifacts(str(run_id), artifact_path)


def load_text(artifact_uri: str) -> str:
    """The text of a file."""
    return Path(download_artifacts(artifact_uri)).read_text(encoding="utf-8")


def load_dict(artifact_uri: str) -> Any:
    """The data in a JSON file."""
    return json.loads(load_text(artifact_uri))


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.artifacts", name)
