"""``mlflow.tracking.context``: the tags that clients ask for before they begin a run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from legm.compat.mlflow.tracking_store import tracking_user

__all__ = ["resolve_tags"]


def resolve_tags(
    tags: Mapping[str, Any] | None = None, ignore: Iterable[Any] | None = None
) -> dict[str, Any]:
    """The tags of a run: its user and its script, and those that were given.

    Args:
        tags: those, which win.
        ignore: which of mlflow's providers of tags are not asked; there are none here.
    """
    del ignore
    own = {
        "mlflow.user": tracking_user(),
        "mlflow.source.name": sys.argv[0] or "-",
        "mlflow.source.type": "LOCAL",
    }
    return {**own, **(tags or {})}
