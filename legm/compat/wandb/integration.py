"""``wandb.integration``: the libraries with callbacks."""

from __future__ import annotations

from typing import Any

from legm.compat.unknown_names import unknown_name


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return unknown_name(f"wandb.integration.{name}")
