"""``metrics.yml``: where each run stands in it, so that one is read at a time however large the file is.

The original legm dumps one mapping with an entry for each run, ``experiment_0:`` and so on, each at the
beginning of a line; what belongs to it is indented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from legm.errors import CorruptFile, storage_error
from legm.importers.plain_yaml import parse_plain_yaml
from legm.importers.size_limits import read_at_most

__all__ = ["EntryLocation", "locate_entries", "read_description", "read_entry", "read_mapping"]

_MAX_ENTRY_BYTES, _MAX_FILE_BYTES = 1 << 28, 1 << 26  # bytes of an entry, and of a file that is read whole
_MAX_LINE_BYTES = 1 << 20
_REMEDY = "Mend it, or leave the folder out."
_KEY = re.compile(rb"(experiment_(?:0|[1-9]\d{0,8})):\s")
_DESCRIPTION = b"  description:"


@dataclass(slots=True)
class EntryLocation:
    """Where a run stands in a file.

    Args:
        start, end: the first byte, and the one after the last.
        line: the number of its first line.
        description: the same of its description; None where that is not on lines of its own.
        is_cut: whether the file ends in the middle of one of its lines, which is left out.
    """

    start: int
    end: int
    line: int
    description: EntryLocation | None = None
    is_cut: bool = False


def locate_entries(path: Path) -> dict[str, EntryLocation]:
    """The entries of a file by name, in its order; none where there is no file.

    Raises:
        CorruptFile: it is no file of entries, or has a line that is too long.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _locate_entries(path, file)
    except FileNotFoundError:
        return {}
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def _locate_entries(path: Path, file: BinaryIO) -> dict[str, EntryLocation]:
    found: dict[str, EntryLocation] = {}
    entry: EntryLocation | None = None
    end, number = 0, 0
    description: EntryLocation | None = None
    while line := file.readline(_MAX_LINE_BYTES + 1):
        start, end, number = end, end + len(line), number + 1
        if len(line) > _MAX_LINE_BYTES:
            problem = f"a line of more than {_MAX_LINE_BYTES} bytes is none that was dumped"
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
            problem = f"{line[:60].decode(errors='replace')!r} stands where a run begins, as experiment_0:"
            raise CorruptFile(path, f"line {number}", problem, _REMEDY)
    return found


def read_description(path: Path, name: str, entry: EntryLocation) -> str | None:
    """What tells a run apart from others of its configuration; None where that is not said.

    Raises:
        CorruptFile: the entry is no YAML.
        StorageError: the file cannot be read.
    """
    if entry.description is not None:
        told = _parse_range(path, entry.description)
    else:
        told = read_entry(path, name, entry)
    value = told.get("description") if isinstance(told, dict) else None
    return None if value is None else str(value)


def read_entry(path: Path, name: str, entry: EntryLocation) -> dict[str, Any]:
    """What an entry says.

    Raises:
        CorruptFile: it is no YAML, no mapping, or too large.
        StorageError: the file cannot be read.
    """
    try:
        content = _parse_range(path, entry)
    except CorruptFile as problem:
        try:
            content = read_mapping(path)  # an alias may stand for something in another entry
        except CorruptFile:
            raise problem from None
    told = content.get(name) if isinstance(content, dict) else None
    if told is None and entry.is_cut:
        return {}
    if not isinstance(told, dict):
        raise CorruptFile(path, f"line {entry.line}", f"{name} is no mapping of metrics", _REMEDY)
    return told


def _parse_range(path: Path, entry: EntryLocation) -> Any:
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


def read_mapping(path: Path) -> dict[str, Any] | None:
    """What a file says that is read whole; None where there is none.

    Raises:
        CorruptFile: it is no YAML, no mapping, or too large.
        StorageError: it cannot be read.
    """
    if not path.exists():
        return None
    content = parse_plain_yaml(path, read_at_most(path, _MAX_FILE_BYTES, _REMEDY))
    if content is not None and not isinstance(content, dict):
        raise CorruptFile(path, "line 1", "it is no mapping", _REMEDY)
    return content or {}
