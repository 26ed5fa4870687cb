"""Locked files that a forked child does not keep open.

A lock on an open file holds as long as any process has that file open. A child that was forked, such as a
worker that loads data, would keep holding the locks of a parent that was killed.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["close_unshared_with_forks", "open_unshared_with_forks"]

_open: set[int] = set()  # the process's descriptors, as the system counts them


def open_unshared_with_forks(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a file as ``os.open`` does; in a forked child the descriptor is one of the null device."""
    fd = os.open(path, flags, mode)
    _open.add(fd)
    return fd


def close_unshared_with_forks(fd: int) -> None:
    """Close a file that was opened by :func:`open_unshared_with_forks`."""
    _open.discard(fd)
    os.close(fd)


def _close_in_forked_child() -> None:
    if not _open:
        return
    null = os.open(os.devnull, os.O_RDWR)
    for fd in _open:
        os.dup2(null, fd, inheritable=False)
    os.close(null)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_forked_child)
