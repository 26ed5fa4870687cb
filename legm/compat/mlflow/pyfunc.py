"""``mlflow.pyfunc``: models of every library by one interface, and models that a script writes itself.

A model of a script's own class or function is held by the process that logged it. For other processes of
the same user it is a signed pickle, which is all that can have its code.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from legm.compat.mlflow.artifacts import download_artifacts
from legm.compat.mlflow.exceptions import MlflowException
from legm.compat.mlflow.flavors import copied_flavor_model
from legm.compat.mlflow.logged_models import (
    MODELS_OF_PROCESS,
    ModelDescription,
    ModelInfo,
    find_model_folder,
    read_logged_model,
    store_model,
    write_logged_model,
)
from legm.compat.mlflow.models import get_model_info
from legm.compat.mlflow.signatures import ModelSignature
from legm.compat.mlflow.signed_models import read_signed_model, write_signed_model
from legm.compat.script_session import SESSION
from legm.compat.unknown_names import unknown_attribute

__all__ = [
    "PyFuncModel",
    "PythonModel",
    "PythonModelContext",
    "load_model",
    "log_model",
    "save_model",
]

_FLAVOR = "python_function"
_ARTIFACTS = "artifacts"
_LIBRARIES = ("keras", "lightgbm", "pytorch", "sklearn", "statsmodels", "xgboost")


class PythonModelContext:
    """What a model of a script's own class gets.

    Args:
        artifacts: the paths of its files, by the names that the script gave.
        model_config: its settings.
    """

    def __init__(self, artifacts: Mapping[str, str], model_config: Mapping[str, Any] | None) -> None:
        self.artifacts = dict(artifacts)
        self.model_config = dict(model_config or {})


class PythonModel:
    """The base class of the models that a script writes."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load what the model needs, once it was loaded itself."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """What the model returns for an input."""
        raise NotImplementedError(f"{type(self).__qualname__} has no predict()")


class _PyfuncFunctionModel(PythonModel):
    """A function as a model.

    Args:
        function: takes the input.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """What the function returns."""
        del context
        if "params" in inspect.signature(self.function).parameters:
            return self.function(model_input, params=params)
        return self.function(model_input)


class PyFuncModel:
    """A model that was loaded, of whatever library.

    Args:
        model: of the library, or of the script's own class.
        predict: what it returns for an input and parameters.
        metadata: what is known of it.
        context: of a model of the script's own class; None for others.
    """

    def __init__(
        self,
        model: Any,
        predict: Callable[[Any, Any], Any],
        metadata: ModelInfo,
        context: PythonModelContext | None = None,
    ) -> None:
        self._model = model
        self._predict = predict
        self.metadata = metadata
        self.context = context

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """What the model returns for an input."""
        return self._predict(data, params)

    def unwrap_python_model(self) -> Any:
        """The model of the script's own class.

        Raises:
            MlflowException: it is a model of a library.
        """
        if self.context is None:
            raise MlflowException("this model is one of a library: get_raw_model() returns it")
        return self._model.function if isinstance(self._model, _PyfuncFunctionModel) else self._model

    def get_raw_model(self) -> Any:
        """The model of the library."""
        return self._model

    @property
    def model_config(self) -> dict[str, Any] | None:
        """The settings of a model of the script's own class."""
        return None if self.context is None else self.context.model_config

    @property
    def loader_module(self) -> str:
        """The module of mlflow that loads it."""
        return (
            "mlflow.pyfunc.model" if self.context is not None else f"mlflow.{list(self.metadata.flavors)[-1]}"
        )

    def __repr__(self) -> str:
        where = f"  artifact_path: {self.metadata.artifact_path}\n  flavor: {self.loader_module}\n"
        return f"mlflow.pyfunc.loaded_model:\n{where}  run_id: {self.metadata.run_id}\n"


def log_model(
    artifact_path: str | None = None,
    *,
    name: str | None = None,
    python_model: Any = None,
    artifacts: Mapping[str, str] | None = None,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    model_config: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    **options: Any,
) -> ModelInfo:
    """Store a model of the script's own class or function, with files that it needs.

    Raises:
        MlflowException: there is no model.
    """
    model = _pyfunc_python_model(python_model, options)
    return store_model(
        _FLAVOR,
        lambda folder: _write_pyfunc_model(model, artifacts, folder),
        artifact_path,
        name=name,
        signature=signature,
        input_example=input_example,
        predict=lambda data: _loaded_pyfunc_model(model, artifacts or {}, model_config)[1](data, None),
        registered_model_name=registered_model_name,
        run_id=run_id,
        kind=f"{type(model).__module__}.{type(model).__qualname__}",
        options={"model_config": dict(model_config or {}), "artifacts": _pyfunc_artifact_names(artifacts)},
        metadata=metadata,
        tags=tags,
        held=copied_flavor_model(model) or model,
    )


def save_model(
    path: Any,
    *,
    python_model: Any = None,
    artifacts: Mapping[str, str] | None = None,
    model_config: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Write a model of the script's own class or function into a folder.

    Raises:
        MlflowException: there is no model, or the folder has something.
    """
    folder = Path(path)
    if folder.exists() and any(folder.iterdir()):
        raise MlflowException(f"Path {str(path)!r} already exists and is not empty")
    model = _pyfunc_python_model(python_model, options)
    folder.mkdir(parents=True, exist_ok=True)
    _write_pyfunc_model(model, artifacts, folder)
    about = {"model_config": dict(model_config or {}), "artifacts": _pyfunc_artifact_names(artifacts)}
    write_logged_model(folder, ModelDescription(_FLAVOR, options=about))
    MODELS_OF_PROCESS.keep(str(folder.resolve()), copied_flavor_model(model) or model)


def _pyfunc_python_model(python_model: Any, options: Mapping[str, Any]) -> PythonModel:
    if options.get("loader_module") is not None:
        SESSION.notices.report_unsupported("mlflow.pyfunc.log_model(loader_module=)")
    if isinstance(python_model, PythonModel) or hasattr(python_model, "predict"):
        return python_model  # type: ignore[no-any-return]
    if callable(python_model):
        return _PyfuncFunctionModel(python_model)
    raise MlflowException(
        f"python_model must be a function or an object with a method predict(), not {python_model!r:.80}",
        "INVALID_PARAMETER_VALUE",
    )


def _pyfunc_artifact_names(artifacts: Mapping[str, str] | None) -> dict[str, str]:
    return {name: Path(_pyfunc_artifact_source(str(path))).name for name, path in (artifacts or {}).items()}


def _pyfunc_artifact_source(path: str) -> str:
    return path.removeprefix("file://")


def _write_pyfunc_model(model: PythonModel, artifacts: Mapping[str, str] | None, folder: Path) -> None:
    _write_pyfunc_artifacts(artifacts, folder)
    write_signed_model(model, folder, "mlflow.pyfunc")


def _write_pyfunc_artifacts(artifacts: Mapping[str, str] | None, folder: Path) -> None:
    """Copy the files that a model needs into its folder."""
    for name, path in (artifacts or {}).items():
        source = Path(_pyfunc_artifact_source(str(path)))
        if not source.exists():
            source = Path(download_artifacts(str(path)))
        target = folder / _ARTIFACTS / Path(_pyfunc_artifact_source(str(path))).name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copyfile(source, target)
        else:
            raise MlflowException(f"the artifact {name!r} of the model is no file or folder: {str(path)!r}")


def _loaded_pyfunc_model(
    model: Any, artifacts: Mapping[str, str], model_config: Mapping[str, Any] | None
) -> tuple[PythonModelContext, Callable[[Any, Any], Any]]:
    """The context of a model that is loaded, and what it returns for an input."""
    context = PythonModelContext(artifacts, model_config)
    if hasattr(model, "load_context"):
        model.load_context(context)
    parameters = inspect.signature(model.predict).parameters

    def predict(data: Any, params: Any) -> Any:
        given = {"params": params} if "params" in parameters else {}
        return model.predict(*((context,) if "context" in parameters else ()), data, **given)

    return context, predict


def load_model(
    model_uri: Any,
    suppress_warnings: bool = False,
    dst_path: str | None = None,
    model_config: Mapping[str, Any] | None = None,
) -> PyFuncModel:
    """Load a model that was logged or saved, to predict with it.

    Raises:
        MlflowException: there is no such model, or its code cannot be loaded here.
    """
    del suppress_warnings
    folder, key = find_model_folder(model_uri, dst_path)
    description, metadata = read_logged_model(folder), get_model_info(str(model_uri))
    if description.flavor in _LIBRARIES:
        flavor = import_module(f"legm.compat.mlflow.{description.flavor}").FLAVOR
        loaded = flavor.load_model(model_uri)
        method = str(description.options.get("predict") or "predict")

        def predict(data: Any, params: Any) -> Any:
            del params
            return flavor.predict(loaded, data) if method == "predict" else getattr(loaded, method)(data)

        return PyFuncModel(loaded, predict, metadata)
    held = MODELS_OF_PROCESS.find(key)
    if held is None:
        held = read_signed_model(folder, description.kind)
    model = copied_flavor_model(held) or held
    config = {**(description.options.get("model_config") or {}), **(model_config or {})}
    names = description.options.get("artifacts") or {}
    paths = {name: str(folder / _ARTIFACTS / Path(str(file)).name) for name, file in names.items()}
    context, predict_own = _loaded_pyfunc_model(model, paths, config)
    return PyFuncModel(model, predict_own, metadata, context)


def __getattr__(name: str) -> Any:
    return unknown_attribute("mlflow.pyfunc", name)
