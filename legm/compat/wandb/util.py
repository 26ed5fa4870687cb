"""``wandb.util``: helpers that scripts use."""

from __future__ import annotations

from typing import Any

from legm.compat.script_session import SESSION
from legm.compat.wandb.current_run import generate_id

__all__ = ["generate_id"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return SESSION.notices.make_null_object(f"wandb.util.{name}")
