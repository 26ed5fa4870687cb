"""Whether ``import wandb`` and ``import mlflow`` are the libraries, which the backends need, or stand-ins."""

from __future__ import annotations

import importlib
import sys

from legm.errors import BackendError

__all__ = ["is_library_redirected", "real_module_names", "require_real_library"]


def is_library_redirected() -> bool:
    """Whether ``import wandb`` and ``import mlflow`` are the stand-ins in this process."""
    return any(getattr(finder, "provides_stand_ins", False) for finder in sys.meta_path)


def real_module_names() -> list[str]:
    """The full names of all imported modules, without stand-ins."""
    return [
        name
        for name, module in list(sys.modules.items())
        if not getattr(getattr(module, "__loader__", None), "provides_stand_ins", False)
    ]


def require_real_library(name: str) -> None:
    """Import the library, and check that it is not a stand-in.

    Args:
        name: wandb or mlflow.

    Raises:
        ImportError: it is not installed.
        BackendError: it is a stand-in; a process has one module of a name.
    """
    importlib.import_module(name)  # in a process that the script started, this makes it the stand-in
    if is_library_redirected():
        raise BackendError(
            f"{name} itself cannot be used in this process, where `import {name}` is the stand-in of "
            f"`python -m legm.compat`: record with backend=['local', {name!r}], and run `legm sync` when the "
            f"script has ended"
        )
