"""Stand-ins for wandb and mlflow that record into legm; neither library needs to be installed.

Write ``from legm.compat import wandb`` instead of ``import wandb``, and the same for mlflow; or run the
unchanged script with ``python -m legm.compat script.py …``.
"""

from __future__ import annotations

__all__ = ["mlflow", "wandb"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'legm.compat' has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"legm.compat.{name}")
