"""What MLflow keeps beside runs, in a file of the root directory: experiments, and registered models."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from legm.compat.script_session import SESSION
from legm.errors import CorruptFile, storage_error
from legm.runlog.file_names import DROP_IN_STATE, DROP_IN_STATE_LOCK, OWN_FOLDER
from legm.util.atomic_files import write_atomically
from legm.util.locks import file_lock

__all__ = ["STATE", "StoredState"]

_PARTS = ("experiments", "models")
_REMEDY = "Delete it: no run is in it, but the names and versions of registered models are"


class StoredState:
    """The experiments and models by id or name, shared by all processes of a root directory."""

    def __init__(self) -> None:
        self._read: tuple[tuple[object, ...], dict[str, dict[str, Any]]] | None = None

    @staticmethod
    def _path() -> Path:
        return SESSION.settings.root / OWN_FOLDER / DROP_IN_STATE

    def read(self, part: str) -> Mapping[str, Any]:
        """A part of what is stored, which is not to be changed: "experiments" or "models".

        Raises:
            CorruptFile: the file is damaged.
            StorageError: it cannot be read.
        """
        return self._parts()[part]

    def _parts(self) -> dict[str, dict[str, Any]]:
        path = self._path()
        try:
            known = path.stat()
            signature = (path, known.st_mtime_ns, known.st_size, known.st_ino)
            if self._read is None or self._read[0] != signature:
                self._read = signature, _parsed_state(path, path.read_bytes())
        except FileNotFoundError:
            return {part: {} for part in _PARTS}
        except OSError as cause:
            raise storage_error("read", path, cause) from cause
        return self._read[1]

    @contextmanager
    def changing(self, part: str) -> Iterator[dict[str, Any]]:
        """Change a part; no other process changes it meanwhile, and an error in the block changes nothing.

        Args:
            part: as for :meth:`read`.

        Raises:
            CorruptFile, StorageError: as there, or the file cannot be written.
        """
        path = self._path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("create the folder", path.parent, cause) from cause
        with file_lock(path.with_name(DROP_IN_STATE_LOCK)):
            parts = copy.deepcopy(self._parts())
            yield parts[part]
            write_atomically(path, json.dumps(parts, indent=1).encode(), sync=False)


def _parsed_state(path: Path, content: bytes) -> dict[str, dict[str, Any]]:
    try:
        parts = json.loads(content)
        found = {part: parts.get(part, {}) for part in _PARTS}
    except (ValueError, AttributeError) as cause:
        raise CorruptFile(path, "as a whole", f"it is not what legm writes ({cause})", _REMEDY) from cause
    for part, entries in found.items():
        if not isinstance(entries, dict) or not all(isinstance(one, dict) for one in entries.values()):
            raise CorruptFile(path, part, "it is not a mapping of mappings", _REMEDY)
    return found


STATE = StoredState()
