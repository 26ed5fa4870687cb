"""Stores the models of a library in the library's own format: what ``mlflow.<library>`` does for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from legm.compat.mlflow.models import ModelInfo, ModelSignature, store_model
from legm.compat.script_session import SESSION

__all__ = ["Flavor"]


class Flavor:
    """The model format of one library.

    Args:
        name: the library's name in mlflow: ``mlflow.<name>``.
        argument: the name of the argument for the model.
        write: writes a model into a folder; it raises ImportError if a needed package is not installed.
    """

    def __init__(self, name: str, argument: str, write: Callable[[Any, Path], object]) -> None:
        self._name = name
        self._argument = argument
        self._write = write

    def log_model(
        self,
        *args: Any,
        artifact_path: str | None = None,
        name: str | None = None,
        signature: ModelSignature | None = None,
        registered_model_name: str | None = None,
        **keywords: Any,
    ) -> ModelInfo:
        """Store a model with the active run; the arguments are the model and the artifact folder."""
        model, *rest = self._with_model(args, keywords)
        return store_model(
            self._name,
            lambda folder: self._write(model, folder),
            rest[0] if rest else artifact_path,
            name=name,
            signature=signature,
            registered_model_name=registered_model_name,
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

    def _with_model(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
        """The positional arguments, the model first."""
        if self._argument in keywords:
            return keywords[self._argument], *args
        if not args:
            raise TypeError(f"mlflow.{self._name} needs the model, {self._argument}=")
        return args
