"""``wandb.integration``: the libraries whose callbacks are here."""

from __future__ import annotations

from typing import Any

from legm.compat.session import SESSION

_PARTS = ("lightgbm", "sklearn", "xgboost")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _PARTS:
        from importlib import import_module

        return import_module(f"legm.compat.wandb.{name}")
    return SESSION.notices.null_object(f"wandb.integration.{name}")
