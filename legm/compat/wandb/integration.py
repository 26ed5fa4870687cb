"""``wandb.integration``: the libraries with callbacks."""

from __future__ import annotations

from typing import Any

from legm.compat.unknown_names import unknown_attribute


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.integration", name)
