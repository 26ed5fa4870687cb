"""Opening a source of runs: which kind of store a path or an address is, found by looking at it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from legm.core.credentials import redact_url_password
from legm.errors import StorageError
from legm.importers.import_source import ImportSource

__all__ = ["open_detected_source"]

_SOURCES_IN_FILES = (
    "legm.importers.legm_root:LegmRootSource",
    "legm.importers.mlflow.sqlite:MlflowSqliteSource",
    "legm.importers.mlflow.mlruns:MlrunsSource",
    "legm.importers.classic.source:ClassicSource",
    "legm.importers.wandb.local_folders:WandbLocalFolderSource",
    "legm.importers.tensorboard.source:TensorboardSource",
)
"""The sources that are read from files, in order of precedence.

Each class has ``find_store``, which returns the path of the store at, or below, a given path, or None. A
class whose store may also contain stores of other kinds has ``nearest_store_folder`` as well, which narrows
down for the error message. The first class that finds a store at exactly the given path is used.
"""
_SUPPORTED = (
    "pass an MLflow SQLite file, an mlruns folder or the http://… address of an MLflow server, "
    "a wandb folder, a .wandb file or wandb:ENTITY/PROJECT, "
    "a folder of the original legm, "
    "a folder with TensorBoard event files, or a legm root directory"
)


def open_detected_source(source: str | Path, *, deleted: bool = False) -> ImportSource:
    """Open the source at a path or an address.

    Args:
        source: the path or address; also ``sqlite:///…`` and ``file:///…``.
        deleted: whether to include runs that are deleted in the source but not yet purged.

    Raises:
        StorageError: nothing is there, it is not a supported store, or it contains several stores.
    """
    text = str(source)
    from legm.importers.wandb.server import WandbServerSource, is_wandb_server_address

    if is_wandb_server_address(text):
        return WandbServerSource(text, deleted=deleted)
    if text.startswith(("http://", "https://")):
        from legm.importers.mlflow.server import MlflowServerSource

        return MlflowServerSource(text, deleted=deleted)
    path = _path_of_detected_source(text)
    if not path.exists():
        raise StorageError(f"{redact_url_password(text)} does not exist: {_SUPPORTED}")
    found: list[tuple[Any, Path]] = []
    for entry_point in _SOURCES_IN_FILES:
        module, _, name = entry_point.partition(":")
        source_class = getattr(importlib.import_module(module), name)
        store = source_class.find_store(path)
        if store is not None:
            found.append((source_class, store))
    if not found:
        raise StorageError(f"{path} is not a store that legm can import: {_SUPPORTED}")
    if len({store for _, store in found}) > 1 and found[0][1] != path:
        paths = [
            getattr(source_class, "nearest_store_folder", Path)(store) if store == path else store
            for source_class, store in found
        ]
        raise StorageError(f"{path} contains several stores: name one of {' and '.join(map(str, paths))}")
    source_class, store = found[0]
    opened: ImportSource = source_class(store, deleted=deleted)
    return opened


def _path_of_detected_source(text: str) -> Path:
    if text.startswith("sqlite:///"):
        return Path(unquote(text.removeprefix("sqlite:///").partition("?")[0]))
    if text.startswith("file:"):
        return Path(url2pathname(urlsplit(text).path))
    if "://" in text:
        raise StorageError(f"{redact_url_password(text)!r} has an unknown scheme: {_SUPPORTED}")
    return Path(text)
