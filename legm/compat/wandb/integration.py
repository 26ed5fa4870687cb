"""``wandb.integration``: the libraries with callbacks."""

from __future__ import annotations

from typing import Any

from legm.compat.script_session import SESSION

_SUBMODULES = ("lightgbm", "sklearn", "xgboost")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _SUBMODULES:
        from importlib import import_module

        return import_module(f"legm.compat.wandb.{name}")
    return SESSION.notices.make_null_object(f"wandb.integration.{name}")
