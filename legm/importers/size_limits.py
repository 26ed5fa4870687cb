"""Files that are read whole, if they are not too large for that."""

from __future__ import annotations

import os
from pathlib import Path

from legm.errors import CorruptFile, storage_error

__all__ = ["read_at_most"]


def read_at_most(path: Path, max_bytes: int, remedy: str) -> bytes:
    """A file's content.

    Args:
        path: the file.
        most: how many bytes it may have.
        remedy: what the user can do where it has more.

    Raises:
        CorruptFile: it has more.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(min(max_bytes, os.fstat(file.fileno()).st_size) + 1)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if len(data) > max_bytes:
        raise CorruptFile(
            path, f"byte {max_bytes}", "it is larger than any such file that was written", remedy
        )
    return data
