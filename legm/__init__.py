"""legm: an experiment tracker that knows which runs are the same experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legm.errors import (
    BackendError,
    CorruptFile,
    InvalidName,
    LegmError,
    MetricError,
    NotSupported,
    ParameterError,
    StateError,
    StorageError,
    UnstableValue,
)

if TYPE_CHECKING:
    from legm.handler import ExperimentHandler
    from legm.hooks import hookimpl

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "CorruptFile",
    "ExperimentHandler",
    "InvalidName",
    "LegmError",
    "MetricError",
    "NotSupported",
    "ParameterError",
    "StateError",
    "StorageError",
    "UnstableValue",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    # What needs more than the standard library is imported on first use.
    if name == "ExperimentHandler":
        from legm.handler import ExperimentHandler

        return ExperimentHandler
    if name == "hookimpl":
        from legm.hooks import hookimpl

        return hookimpl
    raise AttributeError(f"module 'legm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
