"""Whether files have changed since they were looked at, from what the file system says of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

__all__ = ["StatSignature", "stat_signature"]

_TIMESTAMP_RESOLUTION_NS = 2_500_000_000  # file systems note times to two seconds at the worst
_FINE_TIMESTAMP_RESOLUTION_NS = (
    50_000_000  # those that note fractions of a millisecond: a few ticks of the clock
)


@dataclass(frozen=True, slots=True)
class StatSignature:
    """The names, sizes and times of change of files, none of which is read.

    Args:
        text: equal for equal ones.
        newest: when the last of them was changed (ns since 1970).
    """

    text: str
    newest: int

    def is_reliable(self, at: int) -> bool:
        """Whether nothing has changed since a time, nor so shortly before that the times do not show it.

        Args:
            at: the time (ns since 1970).
        """
        is_fine = self.newest % 1_000_000 != 0
        return self.newest < at - (_FINE_TIMESTAMP_RESOLUTION_NS if is_fine else _TIMESTAMP_RESOLUTION_NS)


def stat_signature(path: Path) -> StatSignature:
    """The signature of a file, or of a folder with everything below it; links to folders are not followed."""
    newest, digest = 0, blake2b(digest_size=16)
    for name, status in _stats_of_files(str(path)):
        if status is None:
            digest.update(os.fsencode(f"{name}\0-\n"))
            continue
        changed = status.st_mtime_ns if os.name == "nt" else status.st_ctime_ns
        newest = max(newest, changed)
        mark = f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {changed}"
        digest.update(os.fsencode(f"{name}\0{mark}\n"))
    return StatSignature(digest.hexdigest(), newest)


def _stats_of_files(path: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """A file, or a folder and everything below it, by name, with what is known of it; None for no file."""
    yield path, _stat_of_file(path)
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _stats_of_files(entry.path)
        else:
            yield entry.path, _stat_of_file(entry.path)


def _stat_of_file(path: str) -> os.stat_result | None:
    """What is known of the file that a path leads to, or of a link that leads nowhere."""
    for follow in (True, False):
        try:
            return os.stat(path, follow_symlinks=follow)  # noqa: PTH116 - quicker than Path's
        except OSError:
            continue
    return None
