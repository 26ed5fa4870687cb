"""Which libraries' imports are redirected to stand-ins, and whether they are in this process."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["REDIRECTED", "SHADOW_FOLDER", "is_redirected"]

REDIRECTED = ("wandb", "mlflow")
SHADOW_FOLDER = Path(__file__).with_name("shadow")
"""The folder that makes Python processes of a script use the stand-ins, too."""


def is_redirected() -> bool:
    """Whether ``import wandb`` and ``import mlflow`` are the stand-ins in this process."""
    return any(getattr(finder, "provides_stand_ins", False) for finder in sys.meta_path)
