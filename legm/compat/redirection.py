"""Which libraries' imports are redirected to stand-ins."""

from __future__ import annotations

from pathlib import Path

__all__ = ["REDIRECTED", "SHADOW_FOLDER"]

REDIRECTED = ("wandb", "mlflow")
SHADOW_FOLDER = Path(__file__).with_name("shadow")
"""The folder that makes Python processes of a script use the stand-ins, too."""
