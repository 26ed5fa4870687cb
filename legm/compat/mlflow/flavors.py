"""Stores the models of a library in the library's own format: what ``mlflow.<library>`` does for each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow.logged_models import (
    MODELS_OF_PROCESS,
    ModelDescription,
    ModelInfo,
    find_model_folder,
    read_logged_model,
    store_model,
    write_logged_model,
)
from legm.compat.mlflow.signatures import ModelSignature
from legm.compat.script_session import SESSION

__all__ = ["Flavor"]


def _no_flavor_model(model: Any) -> Any:
    del model


class Flavor:
    """The model format of one library.

    Args:
        name: the library's name in mlflow: ``mlflow.<name>``.
        argument: the name of the argument for the model.
        write: writes a model into a folder; it raises ImportError if a needed package is not installed.
        read: reads it from there; it gets the folder, the class that was logged, and what this process holds.
        held: what this process holds of a model, so that it can give it back as it was; None for nothing.
        predict: what a model returns for an input.
        kept: the arguments of ``log_model`` that the loader needs.
    """

    def __init__(
        self,
        name: str,
        argument: str,
        write: Callable[[Any, Path], object],
        read: Callable[[Path, ModelDescription, Any], Any],
        *,
        held: Callable[[Any], Any] = _no_flavor_model,
        predict: Callable[[Any, Any], Any] = lambda model, data: model.predict(data),
        kept: tuple[str, ...] = (),
    ) -> None:
        self._name = name
        self._argument = argument
        self._write = write
        self._read = read
        self._held = held
        self.predict = predict
        self._kept = kept

    def log_model(
        self,
        *args: Any,
        artifact_path: str | None = None,
        name: str | None = None,
        signature: ModelSignature | None = None,
        input_example: Any = None,
        registered_model_name: str | None = None,
        run_id: str | None = None,
        pyfunc_predict_fn: str | None = None,
        metadata: dict[str, Any] | None = None,
        **keywords: Any,
    ) -> ModelInfo:
        """Store a model with the active run; the arguments are the model and the artifact folder."""
        model, *rest = self._with_model(args, keywords)
        options = {} if pyfunc_predict_fn is None else {"predict": pyfunc_predict_fn}
        options |= {name: keywords[name] for name in self._kept if keywords.get(name) is not None}
        return store_model(
            self._name,
            lambda folder: self._write(model, folder),
            rest[0] if rest else artifact_path,
            name=name,
            signature=signature,
            input_example=input_example,
            predict=lambda data: self.predict(model, data),
            registered_model_name=registered_model_name,
            run_id=run_id,
            kind=_flavor_model_kind(model),
            options=options,
            metadata=metadata,
            held=self._held(model),
        )

    def save_model(self, *args: Any, path: Any = None, **keywords: Any) -> None:
        """Write a model into a folder; the arguments are the model and the folder."""
        model, *rest = self._with_model(args, keywords)
        folder = Path(rest[0] if rest else path)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._write(model, folder)
        except ImportError as error:
            SESSION.notices.report_unsupported(f"mlflow.{self._name}.save_model", str(error))
        options = {name: keywords[name] for name in self._kept if keywords.get(name) is not None}
        write_logged_model(
            folder, ModelDescription(self._name, kind=_flavor_model_kind(model), options=options)
        )
        if (held := self._held(model)) is not None:
            MODELS_OF_PROCESS.keep(str(folder.resolve()), held)

    def load_model(self, model_uri: Any, dst_path: str | None = None, **options: Any) -> Any:
        """Load a model that was logged or saved.

        Args:
            model_uri: of a run, of a registered model, or a folder.
            dst_path: where files of a run are copied to.
            **options: of the library's own loader.

        Raises:
            MlflowException: there is no such model, or its code cannot be loaded here.
        """
        folder, key = find_model_folder(model_uri, dst_path)
        description = read_logged_model(folder)
        return self._read(folder, description, MODELS_OF_PROCESS.find(key), **options)

    def _with_model(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
        """The positional arguments, the model first."""
        if self._argument in keywords:
            return keywords[self._argument], *args
        if not args:
            raise TypeError(f"mlflow.{self._name} needs the model, {self._argument}=")
        return args


def _flavor_model_kind(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"


def copied_flavor_model(model: Any) -> Any:
    """A copy of a model that stays as it is now; None for one that cannot be copied."""
    try:
        return copy.deepcopy(model)
    except Exception:  # noqa: BLE001 - a model may hold anything
        return None
