"""Locates each run's entry in ``metrics.yml``, so that one run is read at a time, however large the file is.

The original legm dumps one mapping with an entry for each run, ``experiment_0:`` and so on, each starting at
the beginning of a line; its content is indented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from legm.errors import CorruptFile, storage_error
from legm.importers.plain_yaml import parse_plain_yaml
from legm.importers.size_limits import read_within_size_limit

__all__ = [
    "EntryLocation",
    "classic_entry_names",
    "locate_classic_entries",
    "read_classic_entry",
    "read_classic_entry_description",
    "read_classic_entry_mapping",
]

_MAX_ENTRY_BYTES, _MAX_FILE_BYTES = 1 << 28, 1 << 26
_MAX_LINE_BYTES = 1 << 20
_REMEDY = "Repair it, or leave the folder out."
_KEY = re.compile(rb"(experiment_(?:0|[1-9]\d{0,8})):\s")
_KEY_LINE = re.compile(rb"\n(experiment_(?:0|[1-9]\d{0,8})):\s")
_DESCRIPTION = b"  description:"
_CHUNK, _LONGEST_KEY_LINE = 1 << 20, 32  # bytes


@dataclass(slots=True)
class EntryLocation:
    """The location of a run's entry in a file.

    Args:
        start, end: its first byte, and the one after its last.
        line: the number of its first line.
        description: the location of its description; None if that is not on lines of its own.
        is_cut: whether the file ends in the middle of a line of this entry; that line is left out.
    """

    start: int
    end: int
    line: int
    description: EntryLocation | None = None
    is_cut: bool = False


def locate_classic_entries(path: Path) -> dict[str, EntryLocation]:
    """Locate the entries of a file, by name and in order; none if the file does not exist.

    Raises:
        CorruptFile: it is not a file of entries, or a line is too long.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _locate_classic_entries(path, file)
    except FileNotFoundError:
        return {}
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def _locate_classic_entries(path: Path, file: BinaryIO) -> dict[str, EntryLocation]:
    found: dict[str, EntryLocation] = {}
    entry: EntryLocation | None = None
    end, number = 0, 0
    description: EntryLocation | None = None
    while line := file.readline(_MAX_LINE_BYTES + 1):
        start, end, number = end, end + len(line), number + 1
        if len(line) > _MAX_LINE_BYTES:
            problem = f"a line of more than {_MAX_LINE_BYTES} bytes is longer than any that legm dumps"
            raise CorruptFile(path, f"line {number}", problem, _REMEDY)
        if (key := _KEY.match(line)) is not None:
            entry = found[key[1].decode()] = EntryLocation(start, end, number)
            description = None
        elif entry is not None and line[:1] in {b" ", b"\r", b"\n", b"#"}:
            entry.is_cut = not line.endswith(b"\n")
            entry.end = start if entry.is_cut else end
            if line.startswith(_DESCRIPTION):
                description = entry.description = None if entry.is_cut else EntryLocation(start, end, number)
            elif description is not None and (line.startswith(b"   ") or not line.strip()):
                description.end = end
            else:
                description = None
        elif line.endswith(b"\n") and line.strip() not in {b"", b"{}", b"---"} and not line.startswith(b"#"):
            shown = line[:60].decode(errors="replace")
            problem = f"expected the start of a run such as experiment_0:, found {shown!r}"
            raise CorruptFile(path, f"line {number}", problem, _REMEDY)
    return found


def classic_entry_names(path: Path) -> set[bytes]:
    """The names of a file's entries, found without parsing anything; those before what cannot be read."""
    found: set[bytes] = set()
    rest = b"\n"
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                content = rest + chunk
                found.update(_KEY_LINE.findall(content))
                rest = content[-_LONGEST_KEY_LINE:]  # a name may be in two chunks
    except OSError:  # who reads the entries reports it
        pass
    return found


def read_classic_entry_description(path: Path, name: str, entry: EntryLocation) -> str | None:
    """The description that distinguishes a run from others of its configuration; None if it has none.

    Raises:
        CorruptFile: the entry is not valid YAML.
        StorageError: the file cannot be read.
    """
    if entry.description is not None:
        content = _parse_classic_entry_range(path, entry.description)
    else:
        content = read_classic_entry(path, name, entry)
    value = content.get("description") if isinstance(content, dict) else None
    return None if value is None else str(value)


def read_classic_entry(path: Path, name: str, entry: EntryLocation) -> dict[str, Any]:
    """The content of an entry.

    Raises:
        CorruptFile: it is not valid YAML, not a mapping, or too large.
        StorageError: the file cannot be read.
    """
    try:
        content = _parse_classic_entry_range(path, entry)
    except CorruptFile as problem:
        try:
            content = read_classic_entry_mapping(path)  # an alias may refer to another entry
        except CorruptFile:
            raise problem from None
    metrics = content.get(name) if isinstance(content, dict) else None
    if metrics is None and entry.is_cut:
        return {}
    if not isinstance(metrics, dict):
        raise CorruptFile(path, f"line {entry.line}", f"{name} is not a mapping of metrics", _REMEDY)
    return metrics


def _parse_classic_entry_range(path: Path, entry: EntryLocation) -> Any:
    if entry.end - entry.start > _MAX_ENTRY_BYTES:
        problem = f"a run of more than {_MAX_ENTRY_BYTES} bytes is too large"
        raise CorruptFile(path, f"line {entry.line}", problem, _REMEDY)
    try:
        with path.open("rb") as file:
            file.seek(entry.start)
            text = file.read(entry.end - entry.start)
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    return parse_plain_yaml(path, text, entry.line)


def read_classic_entry_mapping(path: Path) -> dict[str, Any] | None:
    """The content of a file that is read whole; None if it does not exist.

    Raises:
        CorruptFile: it is not valid YAML, not a mapping, or too large.
        StorageError: it cannot be read.
    """
    if not path.exists():
        return None
    content = parse_plain_yaml(path, read_within_size_limit(path, _MAX_FILE_BYTES, _REMEDY))
    if content is not None and not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is not a mapping", _REMEDY)
    return content or {}
