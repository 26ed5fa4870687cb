"""The example's backend for trackio, without its package being installed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from legm.delivery.client import BackendClient
from legm.hooks import Backend
from tests.support.paths import ROOT

__all__ = ["backend_of", "client_of_trackio"]


def backend_of(root: str | Path, name: str) -> str | Backend:
    """What a handler takes as the backend with a name."""
    if name != "trackio":
        return name
    folder = str(ROOT / "examples" / "legm-trackio")
    if folder not in sys.path:
        sys.path.append(folder)
    made: Backend = importlib.import_module("legm_trackio").Backend(Path(root))
    return made


def client_of_trackio(root: Path) -> BackendClient:
    """Reads what trackio has."""
    backend = backend_of(root, "trackio")
    assert not isinstance(backend, str)
    return BackendClient(backend, root)
