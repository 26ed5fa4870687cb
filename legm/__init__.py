"""legm: an experiment tracker that knows which runs are the same experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legm.errors import (
    BackendError,
    CommandError,
    CorruptFile,
    InvalidName,
    LegmError,
    LogInUse,
    MediaError,
    MetricError,
    NewerFile,
    NotSupported,
    ParameterError,
    SelectionError,
    StateError,
    StorageError,
    UnstableValue,
)
from legm.version import __version__

if TYPE_CHECKING:
    from legm.arguments import (
        add_arguments,
        add_metadata,
        from_namespace,
        parse_args_and_metadata,
        splitify_namespace,
    )
    from legm.changes.amend import amend
    from legm.compat.classic import ExperimentManager as ExperimentManager
    from legm.compat.classic import LoggingMixin as LoggingMixin
    from legm.handler import ExperimentHandler
    from legm.hooks import hookimpl
    from legm.tables import open as open  # noqa: A004 - not by `import *`, over Python's own

__all__ = [
    "BackendError",
    "CommandError",
    "CorruptFile",
    "ExperimentHandler",
    "InvalidName",
    "LegmError",
    "LogInUse",
    "MediaError",
    "MetricError",
    "NewerFile",
    "NotSupported",
    "ParameterError",
    "SelectionError",
    "StateError",
    "StorageError",
    "UnstableValue",
    "__version__",
    "add_arguments",
    "add_metadata",
    "amend",
    "from_namespace",
    "hookimpl",
    "parse_args_and_metadata",
    "splitify_namespace",
]

# What needs more than the standard library is imported on first use.
_HOMES = {
    "ExperimentHandler": "legm.handler",
    "ExperimentManager": "legm.compat.classic",
    "LoggingMixin": "legm.compat.classic",
    "add_arguments": "legm.arguments",
    "add_metadata": "legm.arguments",
    "amend": "legm.changes.amend",
    "from_namespace": "legm.arguments",
    "hookimpl": "legm.hooks",
    "open": "legm.tables",
    "parse_args_and_metadata": "legm.arguments",
    "splitify_namespace": "legm.arguments",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'legm' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
