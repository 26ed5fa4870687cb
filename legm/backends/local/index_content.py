"""What the index of an experiment's folder says: which folder each configuration lives in.

Its first line is a stamp: when the experiment's folder was changed last, as legm left it (ns), and a checksum
of the other lines. A line for each folder into which a user moved configurations follows, with the time of
its last change, then one for each configuration's folder, with the fingerprint.
"""

from __future__ import annotations

import functools
import json
import os
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "STALE_STAMP",
    "IndexContent",
    "index_line",
    "index_stamp",
    "indexed_names",
    "parse_index_line",
    "skip_index_stamp",
]

_STAMP = "legm index 1 {:020d} {:08x}\n"
_STAMP_LENGTH = len(_STAMP.format(0, 0))
_CHECKSUM_LENGTH = len("00000000\n")
_GROUP = re.compile(rb"@(\d+)\t(.*)\n")


def index_stamp(changed: int, checksum: int) -> bytes:
    """The first line.

    Args:
        changed: when the experiment's folder was changed last (ns).
        checksum: the CRC-32 of the other lines.
    """
    return _STAMP.format(changed, checksum).encode()


STALE_STAMP = index_stamp(0, 0)
"""The first line of an index that may be behind: what it has not is searched for."""


def index_line(digest: str, name: str) -> bytes:
    """The line of a configuration's folder.

    Args:
        digest: its fingerprint.
        name: its path from the experiment's folder.
    """
    return f"{digest}\t{json.dumps(name)}\n".encode()


def parse_index_line(line: bytes) -> tuple[str, str]:
    """The fingerprint and the path of a configuration's folder that a line says; "" twice for any other."""
    digest, _, text = line.partition(b"\t")
    name = None if digest.startswith(b"@") else _indexed_folder_name(text)
    return ("", "") if name is None else (digest.decode(errors="replace"), name)


def skip_index_stamp(file: BinaryIO) -> int:
    """Go to the first line behind the stamp of an index; returns where it begins."""
    return file.seek(_STAMP_LENGTH)


def indexed_names(file: BinaryIO, digests: Collection[str]) -> dict[str, list[str]]:
    """The paths of the folders of configurations, by fingerprint; the file is read a line at a time.

    Args:
        file: the index.
        digests: the fingerprints.
    """
    wanted = {digest.encode() for digest in digests}
    found: dict[str, list[str]] = {digest: [] for digest in digests}
    for line in file:
        digest, _, text = line.partition(b"\t")
        if digest in wanted and (name := _indexed_folder_name(text)) is not None:
            found[digest.decode()].append(name)
    return found


class IndexContent:
    """An index as it was read.

    Args:
        data: the whole file.
    """

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    @classmethod
    def of_lines(cls, lines: bytes, groups: Mapping[str, int]) -> IndexContent:
        """The index with lines of configurations' folders, and a stamp that says that it may be behind.

        Args:
            lines: those of the folders.
            groups: when each of the folders that hold some of these was changed last (ns).
        """
        of_groups = [index_line(f"@{changed}", name) for name, changed in groups.items()]
        return cls(b"".join((STALE_STAMP, *of_groups, lines)))

    @classmethod
    def read(cls, file: FileIO, known: IndexContent | None = None) -> IndexContent:
        """The index in a file.

        Args:
            file: the file.
            known: what was read before, which is returned where the stamp says that it is still the same.
        """
        if known is None:
            return cls(file.readall())
        start = file.read(_STAMP_LENGTH)
        is_stamped = start not in (b"", STALE_STAMP) and known.data.startswith(start)
        if is_stamped and os.fstat(file.fileno()).st_size == len(known.data):
            return known
        file.seek(0)
        return cls(file.readall())

    @functools.cached_property
    def checksum(self) -> int:
        """The CRC-32 of the lines after the stamp."""
        return zlib.crc32(memoryview(self.data)[_STAMP_LENGTH:])

    def is_stamped(self, changed: int) -> bool:
        """Whether the stamp has this time of the folder's last change (ns), and its lines are whole."""
        return self.data.startswith(index_stamp(changed, 0)[:-_CHECKSUM_LENGTH]) and self.data.startswith(
            index_stamp(changed, self.checksum)
        )

    def groups(self) -> Iterator[tuple[str, int]]:
        """The folders into which a user moved configurations, and when each was changed last (ns)."""
        at = _STAMP_LENGTH
        while line := _GROUP.match(self.data, at):
            yield json.loads(line[2]), int(line[1])
            at = line.end()

    def entries(self) -> dict[str, tuple[str, ...]]:
        """The fingerprints of the configurations' folders, by their path in the experiment's."""
        found: dict[str, tuple[str, ...]] = {}
        for digest, name in map(parse_index_line, self.data[_STAMP_LENGTH:].splitlines()):
            if name:
                found[name] = (*found.get(name, ()), digest)
        return found

    def names_with(self, digest: str) -> Iterator[str]:
        """The paths of the folders of a configuration, from its fingerprint; whatever is there now."""
        start = f"\n{digest}\t".encode()
        at = self.data.find(start)
        while at >= 0:
            first = at + len(start)
            name = _indexed_folder_name(self.data[first : self.data.find(b"\n", first)])
            if name is not None:
                yield name
            at = self.data.find(start, first)

    def next_number(self, name: str) -> int:
        """The number after that of the last folder with a configuration's name; 0 where there is none."""
        start = index_line("", f"{name}_")[:-2]
        at = self.data.rfind(start)
        while at >= 0:
            first = at + len(start)
            end = self.data[first : self.data.find(b'"', first)]
            if end.isdigit():
                return int(end) + 1
            at = self.data.rfind(start, 0, at)
        return 0


def _indexed_folder_name(text: bytes) -> str | None:
    """The path in a line of the index; None where the line is damaged."""
    try:
        name = json.loads(text)
    except ValueError:
        return None
    is_below = isinstance(name, str) and all(
        part == Path(part).name and part not in ("", "..") for part in name.split("/")
    )
    return name if is_below else None
