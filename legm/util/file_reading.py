"""Reads small files quicker than Python's files do, for those who read ten thousand of them."""

from __future__ import annotations

import os

__all__ = ["read_file_start"]

_PIECE = 1 << 20  # bytes that are read at once


def read_file_start(path: str | os.PathLike[str], most: int) -> bytes:
    """The first bytes of a file: all of it where it has no more than these.

    Args:
        path: the file.
        most: how many bytes.

    Raises:
        OSError: it cannot be read.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        data = os.read(file, min(most, _PIECE))
        while data and len(data) < most and (more := os.read(file, min(most - len(data), _PIECE))):
            data += more
        return data
    finally:
        os.close(file)
