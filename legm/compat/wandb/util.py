"""``wandb.util``: helpers that scripts use."""

from __future__ import annotations

import secrets
import string
from typing import Any

from legm.compat.unknown_names import unknown_attribute

__all__ = ["generate_id"]

_ID_CHARACTERS = string.ascii_lowercase + string.digits


def generate_id(length: int = 8) -> str:
    """A new random id of lower-case letters and digits."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(length))


def __getattr__(name: str) -> Any:
    return unknown_attribute("wandb.util", name)
