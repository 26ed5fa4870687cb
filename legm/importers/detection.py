"""Which kind of store a source is, told by looking at it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from legm.core.credentials import without_password
from legm.errors import StorageError
from legm.importers.external import Source

__all__ = ["open_source"]

_PATHS = (
    "legm.importers.legm_root:RootSource",
    "legm.importers.mlflow.sqlite:SqliteSource",
    "legm.importers.mlflow.mlruns:FolderSource",
    "legm.importers.classic.source:FolderSource",
    "legm.importers.wandb.folder:FolderSource",
    "legm.importers.tensorboard.source:FolderSource",
)
"""The sources in files. Each has ``recognise``: the store's own path where there is one at a path; where
that may be a folder that holds other stores too, ``inner`` is where in it there is one. The first one that
finds a store at just that path has it.
"""
_KNOWN = (
    "give a SQLite file, an mlruns folder or the http://… address of a server of MLflow's, "
    "a wandb folder, a .wandb file or wandb:ENTITY/PROJECT of W&B's, "
    "a folder of the original legm, "
    "a folder with event files of TensorBoard's, or a root directory of legm"
)


def open_source(source: str | Path, *, deleted: bool = False) -> Source:
    """The source at a path or an address.

    Args:
        source: where it is; also ``sqlite:///…`` and ``file:///…``.
        deleted: whether what is deleted in it, and not gone yet, is taken too.

    Raises:
        StorageError: there is nothing, or nothing that is known; or there are several.
    """
    text = str(source)
    from legm.importers.wandb import server as wandb_server

    if wandb_server.is_address(text):
        return wandb_server.ServerSource(text, deleted=deleted)
    if text.startswith(("http://", "https://")):
        from legm.importers.mlflow.server import ServerSource

        return ServerSource(text, deleted=deleted)
    path = _path(text)
    if not path.exists():
        raise StorageError(f"there is no {without_password(text)}: {_KNOWN}")
    found: list[tuple[Any, Path]] = []
    for place in _PATHS:
        module, _, name = place.partition(":")
        kind = getattr(importlib.import_module(module), name)
        store = kind.recognise(path)
        if store is not None:
            found.append((kind, store))
    if not found:
        raise StorageError(f"{path} is nothing that can be imported: {_KNOWN}")
    if len({store for _, store in found}) > 1 and found[0][1] != path:
        inner = [getattr(kind, "inner", Path) if store == path else Path for kind, store in found]
        stores = " and ".join(str(within(store)) for within, (_, store) in zip(inner, found, strict=True))
        raise StorageError(f"{path} holds several stores: name one of {stores}")
    kind, store = found[0]
    opened: Source = kind(store, deleted=deleted)
    return opened


def _path(text: str) -> Path:
    if text.startswith("sqlite:///"):
        return Path(unquote(text.removeprefix("sqlite:///").partition("?")[0]))
    if text.startswith("file:"):
        return Path(url2pathname(urlsplit(text).path))
    if "://" in text:
        raise StorageError(f"{without_password(text)!r} has a scheme that is not known: {_KNOWN}")
    return Path(text)
