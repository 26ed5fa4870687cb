"""``mlflow.models``: the signatures of models, and storing models with a run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from legm.compat.mlflow.client import register_model_version
from legm.compat.mlflow.fluent import active_run_id
from legm.compat.mlflow.tracking_store import STORE
from legm.compat.script_session import SESSION
from legm.compat.unknown_names import unknown_attribute

__all__ = ["ModelInfo", "ModelSignature", "infer_signature", "store_model"]


@dataclass(frozen=True)
class ModelSignature:
    """The names and types of a model's inputs and outputs."""

    inputs: Any = None
    outputs: Any = None
    params: Any = None

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary."""
        return {"inputs": self.inputs, "outputs": self.outputs, "params": self.params}


def _signature_schema(data: Any) -> Any:
    if data is None:
        return None
    if hasattr(data, "dtypes") and hasattr(data, "columns"):
        return [
            {"name": str(name), "type": str(kind)}
            for name, kind in zip(data.columns, data.dtypes, strict=True)
        ]
    if hasattr(data, "dtype") and hasattr(data, "shape"):
        return [{"type": str(data.dtype), "shape": [-1, *data.shape[1:]]}]
    if isinstance(data, dict):
        return [{"name": str(name), "type": type(value).__name__} for name, value in data.items()]
    return [{"type": type(data).__name__}]


def infer_signature(model_input: Any = None, model_output: Any = None, params: Any = None) -> ModelSignature:
    """The signature of a model with such inputs and outputs."""
    return ModelSignature(
        _signature_schema(model_input), _signature_schema(model_output), _signature_schema(params)
    )


@dataclass(frozen=True)
class ModelInfo:
    """A model that was logged."""

    model_uri: str
    run_id: str
    artifact_path: str
    flavors: dict[str, Any] = field(default_factory=dict)
    signature: ModelSignature | None = None
    registered_model_version: str | None = None
    model_id: str | None = None
    name: str | None = None


def store_model(
    flavor: str,
    save: Callable[[Path], object],
    artifact_path: str | None,
    *,
    name: str | None = None,
    signature: ModelSignature | None = None,
    registered_model_name: str | None = None,
    run_id: str | None = None,
) -> ModelInfo:
    """Store a model with a run.

    Args:
        flavor: the library's name in mlflow.
        save: writes the model's files into a folder.
        artifact_path: the folder among the run's artifacts.
        name: the same, by mlflow's newer name.
        signature: the model's inputs and outputs.
        registered_model_name: the name under which to register the model.
        run_id: the run; the default is the active one.
    """
    folder_name = name or artifact_path or "model"
    run_id = run_id or active_run_id()
    description = {"flavor": flavor, "signature": None if signature is None else signature.to_dict()}
    with tempfile.TemporaryDirectory() as folder:
        try:
            save(Path(folder))
        except ImportError as error:
            SESSION.notices.report_unsupported(f"mlflow.{flavor}.log_model", str(error))
        else:
            Path(folder, "model.json").write_text(
                json.dumps(description, indent=2, default=str), encoding="utf-8"
            )
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    STORE.keep_file(run_id, path, f"{folder_name}/{path.relative_to(folder).as_posix()}")
    uri = f"runs:/{run_id}/{folder_name}"
    version = register_model_version(uri, registered_model_name).version if registered_model_name else None
    return ModelInfo(uri, run_id, folder_name, {flavor: {}}, signature, version, name=folder_name)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.models", name)
