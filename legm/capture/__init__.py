"""Captures unchanged scripts that log to wandb or mlflow: the real libraries run, and legm gets their runs.

::

    script ──► private stores ──► tailers: Update ──► live ingest: a live run ──► its end: import, verify
      ▲       (staging folder)                            ▲
      └─ environment, site/sitecustomize                  └── identity, decided once and stored

:func:`capture` runs all steps; ``legm capture`` is the same on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legm.capture.capturing import Capture, capture

__all__ = ["Capture", "capture"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'legm.capture' has no attribute {name!r}")
    from legm.capture import capturing

    value: object = getattr(capturing, name)
    return value


def __dir__() -> list[str]:
    return __all__
