"""Scripts that log to wandb or mlflow, unchanged and with the real libraries: what they log lands in legm.

::

    script ──► private stores ──► tailers: Update ──► live_ingest: a live run ──► its end: import, compare
      ▲        (place)                                ▲
      └─ environment, site/sitecustomize              └── identity, decided once and kept

:func:`capture` does it all; ``legm capture`` is the same on the command line.
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
