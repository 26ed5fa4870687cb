"""Reading whole files up to a size limit."""

from __future__ import annotations

import os
from pathlib import Path

from legm.errors import CorruptFile, storage_error

__all__ = ["read_within_size_limit"]


def read_within_size_limit(path: Path, max_bytes: int, remedy: str) -> bytes:
    """Read a file's content.

    Args:
        path: the file.
        max_bytes: the size limit.
        remedy: what the user can do about a larger file.

    Raises:
        CorruptFile: it is larger.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(min(max_bytes, os.fstat(file.fileno()).st_size) + 1)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    if len(data) > max_bytes:
        raise CorruptFile(path, f"byte {max_bytes}", "it is larger than any valid file of its kind", remedy)
    return data
