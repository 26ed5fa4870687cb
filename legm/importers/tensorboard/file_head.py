"""A file's content up to the size it had when it was scanned, although it may have grown since."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO, cast

__all__ = ["open_file_head"]


class _EventFileHead(io.RawIOBase):
    def __init__(self, path: Path, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def open_file_head(path: Path, size: int) -> BinaryIO:
    """Open the first bytes of a file for reading.

    Args:
        path: the file.
        size: how many bytes.

    Raises:
        OSError: it cannot be read.
    """
    return cast("BinaryIO", io.BufferedReader(_EventFileHead(path, size)))
