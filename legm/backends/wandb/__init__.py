"""Runs in W&B: offline folders on this machine, or a server.

The package is light: W&B is imported with the backend, so that the names of what it stores can be read
without W&B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legm.util.real_libraries import require_real_library

if TYPE_CHECKING:
    from legm.backends.wandb.backend import WandbBackend

__all__ = ["WandbBackend"]


def __getattr__(name: str) -> object:
    if name == "WandbBackend":
        require_real_library("wandb")
        from legm.backends.wandb.backend import WandbBackend

        return WandbBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
