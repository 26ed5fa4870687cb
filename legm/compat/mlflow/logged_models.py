"""Models that are logged: their files with a run, and those that only this process can give back."""

from __future__ import annotations

import json
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.client import parse_artifact_uri
from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.mlflow.fluent import active_run_id
from legm.compat.mlflow.registry_client import register_model_version
from legm.compat.mlflow.signatures import ModelSignature, infer_signature
from legm.compat.mlflow.tracking_store import STORE
from legm.compat.script_session import SESSION

__all__ = [
    "MODELS_OF_PROCESS",
    "ModelDescription",
    "ModelInfo",
    "ModelsOfProcess",
    "find_model_folder",
    "read_logged_model",
    "store_model",
    "write_logged_model",
]

DESCRIPTION_FILE = "model.json"
_MOST_HELD = 64


@dataclass(frozen=True)
class ModelInfo:
    """A model that was logged."""

    model_uri: str
    run_id: str
    artifact_path: str
    flavors: dict[str, Any] = field(default_factory=dict)
    signature: ModelSignature | None = None
    registered_model_version: int | None = None
    model_id: str | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None
    utc_time_created: str = ""
    model_uuid: str = ""

    @property
    def signature_dict(self) -> dict[str, Any] | None:
        """The signature as MLflow writes it."""
        return None if self.signature is None else self.signature.to_dict()


@dataclass(frozen=True)
class ModelDescription:
    """What the file beside a model says.

    Args:
        flavor: the library's name in mlflow.
        signature: the model's inputs and outputs, as MLflow writes them; None for none.
        kind: the class of an estimator that is stored as what it trained; "" for none.
        options: for the loader, such as which method predicts.
        metadata: of the script.
    """

    flavor: str
    signature: Mapping[str, Any] | None = None
    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None


def read_logged_model(folder: Path) -> ModelDescription:
    """What is said of the model in a folder.

    Raises:
        MlflowException: there is no model, or the file is damaged.
    """
    path = folder / DESCRIPTION_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return ModelDescription(
            str(content["flavor"]),
            content.get("signature"),
            str(content.get("kind") or ""),
            dict(content.get("options") or {}),
            content.get("metadata"),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MlflowException(f"There is no model that legm can read in {folder}: {error}") from error


def write_logged_model(folder: Path, description: ModelDescription) -> None:
    """Write what is said of a model into its folder."""
    text = json.dumps(vars(description), indent=2, default=str)
    (folder / DESCRIPTION_FILE).write_text(text, encoding="utf-8")


class ModelsOfProcess:
    """The models of this process that no file gives back: legm writes no pickle.

    The last ones are held, by the run and the name under which they were logged, or the folder in which they
    were saved.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[str, Any] = OrderedDict()

    def keep(self, key: str, model: Any) -> None:
        """Hold a model."""
        self._held[key] = model
        self._held.move_to_end(key)
        while len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)

    def find(self, key: str) -> Any:
        """A model; None where this process holds none."""
        return self._held.get(key)


MODELS_OF_PROCESS = ModelsOfProcess()


def find_model_folder(model_uri: Any, dst_path: str | None = None) -> tuple[Path, str]:
    """The folder with a model's files, and the key by which this process may hold it.

    Args:
        model_uri: of a run, of a registered model, or a folder.
        dst_path: where files of a run are copied to.

    Raises:
        MlflowException: there is no such model.
    """
    folder = Path(str(model_uri).removeprefix("file://"))
    if folder.is_dir() and STORE.run_of_artifact_path(str(folder)) is None:
        return folder, str(folder.resolve())
    run_id, path = parse_artifact_uri(str(model_uri))
    return Path(download_artifacts(str(model_uri), dst_path=dst_path)), f"{run_id}/{path}"


def store_model(
    flavor: str,
    save: Callable[[Path], object],
    artifact_path: str | None,
    *,
    name: str | None = None,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    predict: Callable[[Any], Any] | None = None,
    registered_model_name: str | None = None,
    run_id: str | None = None,
    kind: str = "",
    options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    held: Any = None,
) -> ModelInfo:
    """Store a model with a run.

    Args:
        flavor: the library's name in mlflow.
        save: writes the model's files into a folder.
        artifact_path: the folder among the run's artifacts.
        name: the same, by mlflow's newer name.
        signature: the model's inputs and outputs.
        input_example: an input, from which the signature is inferred where none is given.
        predict: what the model returns for an input.
        registered_model_name: the name under which to register the model.
        run_id: the run; the default is the active one.
        kind, options, metadata: of the description.
        tags: of the registered version.
        held: what this process holds, for a model that no file gives back; None for nothing.
    """
    folder_name = name or artifact_path or "model"
    run_id = run_id or active_run_id()
    if signature is None and input_example is not None:
        signature = _logged_model_signature(flavor, input_example, predict)
    description = ModelDescription(
        flavor,
        None if signature is None else signature.to_dict(),
        kind,
        dict(options or {}),
        None if metadata is None else dict(metadata),
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            save(Path(folder))
        except ImportError as error:
            SESSION.notices.report_unsupported(f"mlflow.{flavor}.log_model", str(error))
        else:
            write_logged_model(Path(folder), description)
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    STORE.keep_file(run_id, path, f"{folder_name}/{path.relative_to(folder).as_posix()}")
    if held is not None:
        MODELS_OF_PROCESS.keep(f"{run_id}/{folder_name}", held)
    uri = f"runs:/{run_id}/{folder_name}"
    version = None
    if registered_model_name:
        version = int(register_model_version(uri, registered_model_name, run_id, tags).version)
    flavors: dict[str, Any] = {"python_function": {}, flavor: {}}
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    about = None if metadata is None else dict(metadata)
    return ModelInfo(uri, run_id, folder_name, flavors, signature, version, None, folder_name, about, now)


def _logged_model_signature(
    flavor: str, example: Any, predict: Callable[[Any], Any] | None
) -> ModelSignature | None:
    """The signature that an example of the input shows; None where the model refuses it, which is said."""
    try:
        return infer_signature(example, None if predict is None else predict(example))
    except Exception as error:  # noqa: BLE001 - the model is of any kind
        SESSION.notices.report_unsupported(f"the signature of a model of mlflow.{flavor}", str(error))
        return None
