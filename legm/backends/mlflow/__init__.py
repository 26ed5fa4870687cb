"""Runs in MLflow: a SQLite file, a database, or a tracking server.

The package is light: MLflow is imported with the backend, so that the names of what it stores can be read
without MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legm.util.real_libraries import require_real_library

if TYPE_CHECKING:
    from legm.backends.mlflow.backend import MlflowBackend

__all__ = ["MlflowBackend"]


def __getattr__(name: str) -> object:
    if name == "MlflowBackend":
        require_real_library("mlflow")
        from legm.backends.mlflow.backend import MlflowBackend

        return MlflowBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
