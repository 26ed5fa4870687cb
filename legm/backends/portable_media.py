"""The index of a run's media, for stores that keep files with runs.

``legm/media/<n>.json`` is the n-th block of it: up to :data:`BLOCK` entries, in the order in which they were
logged. An entry is a medium with the paths of its files in the store, or a rewind, which makes earlier media
at a later step void. Nothing in it is ever changed, so that a batch of records that arrives twice writes the
same entries to the same places.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.backends.portable import FOLDER
from legm.core.rewinding import without_rewound
from legm.records import Media, MediaFile, MediaKind, Rewind

__all__ = [
    "BLOCK",
    "MEDIA_FOLDER",
    "MediaEntry",
    "StoredMedia",
    "content_of_portable_media",
    "counting_media",
    "media_block_file",
    "media_entries_from",
    "media_entries_json",
    "name_of_portable_media",
    "read_media_entries",
    "written_media_blocks",
]

log = logging.getLogger(__name__)

MEDIA_FOLDER = f"{FOLDER}/media"
"""The folder of the index, and of files that are nowhere else in the store."""
BLOCK = 100
"""The number of entries of a block, except the last one, which may have fewer."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A medium as a store has it.

    Args:
        medium: the medium; the paths of its files are those in the store.
        shown: further files that show it to users of the store.
    """

    medium: Media
    shown: tuple[str, ...] = ()


MediaEntry = StoredMedia | Rewind


def media_block_file(block: int) -> str:
    """The file that holds a block of the index.

    Args:
        block: its number, from 0.
    """
    return f"{MEDIA_FOLDER}/{block}.json"


def written_media_blocks(entries: Sequence[MediaEntry], first: int) -> Iterator[tuple[str, bytes]]:
    """The blocks that hold the last entries.

    Args:
        entries: those from the beginning of the block that has the first new one.
        first: the number of the first of these entries, a multiple of :data:`BLOCK`.

    Returns:
        the file and the content of each block.
    """
    for at in range(0, len(entries), BLOCK):
        yield media_block_file((first + at) // BLOCK), media_entries_json(entries[at : at + BLOCK])


def read_media_entries(read: Callable[[str], bytes | None], count: int | None = None) -> list[MediaEntry]:
    """The entries of an index.

    Args:
        read: returns the content of a file in the store; None if there is no such file.
        count: how many entries there are; None to read all blocks that there are.

    Raises:
        ValueError, KeyError, TypeError: a block is missing or damaged.
    """
    entries: list[MediaEntry] = []
    while count is None or len(entries) < count:
        name = media_block_file(len(entries) // BLOCK)
        data = read(name)
        if data is None:
            if count is not None:
                raise ValueError(f"there is no file {name}")
            break
        block = media_entries_from(data)
        entries += block
        if len(block) < BLOCK:
            break
    if count is not None and len(entries) < count:
        raise ValueError(f"{len(entries)} of {count} media are in the index")
    return entries[:count]


def counting_media(entries: Sequence[MediaEntry]) -> list[Media]:
    """The media without those that a rewind made void, in the order in which they were logged.

    Args:
        entries: all entries of the index.
    """
    records = without_rewound([one.medium if isinstance(one, StoredMedia) else one for one in entries])
    return [record for record in records if isinstance(record, Media)]


def media_entries_json(entries: Sequence[MediaEntry]) -> bytes:
    """Entries of an index as JSON.

    Args:
        entries: the entries.

    Returns:
        the content of a block.
    """
    return json.dumps([_media_entry_as_json(one) for one in entries], indent=1).encode()


def _media_entry_as_json(entry: MediaEntry) -> dict[str, Any]:
    if isinstance(entry, Rewind):
        return {"rewind": entry.step, "time": entry.time}
    medium = entry.medium
    files = [
        {"path": one.path, "digest": one.digest, "caption": one.caption, "details": dict(one.details)}
        for one in medium.files
    ]
    found: dict[str, Any] = {"name": medium.name, "kind": medium.kind.value, "step": medium.step}
    return {**found, "time": medium.time, "files": files, "shown": list(entry.shown)}


def media_entries_from(data: bytes) -> list[MediaEntry]:
    """The entries that :func:`media_entries_json` was given.

    Args:
        data: the bytes that it returned.

    Returns:
        the entries.

    Raises:
        ValueError, KeyError, TypeError: the bytes are damaged, or name a file outside of the store.
    """
    return [_media_entry_from_json(one) for one in json.loads(data)]


def _media_entry_from_json(entry: Mapping[str, Any]) -> MediaEntry:
    if "rewind" in entry:
        return Rewind(_media_entry_step(entry["rewind"]), float(entry["time"]))
    files = tuple(
        MediaFile(
            _media_entry_path(one["path"]),
            _media_entry_digest(one["digest"]),
            str(one["caption"]),
            dict(one["details"]),
        )
        for one in entry["files"]
    )
    medium = Media(
        str(entry["name"]),
        MediaKind(entry["kind"]),
        files,
        _media_entry_step(entry["step"]),
        float(entry["time"]),
    )
    return StoredMedia(medium, tuple(map(_media_entry_path, entry["shown"])))


def _media_entry_step(value: object) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(f"not a step: {value!r}")
    return value


def _media_entry_digest(value: object) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"not the digest of a content: {value!r}")
    return value


def _media_entry_path(value: object) -> str:
    """A path below the store's files of the run; the index may have been made by somebody else."""
    if not isinstance(value, str) or not value or "\\" in value or "\0" in value or ":" in value:
        raise ValueError(f"not the path of a file of the run: {value!r}")
    if any(part in {"", ".", ".."} for part in value.split("/")):
        raise ValueError(f"not the path of a file of the run: {value!r}")
    return value


def content_of_portable_media(medium: Media, file: MediaFile) -> bytes | None:
    """The content of a medium's file, as it was logged.

    Args:
        medium: the medium.
        file: one of its files, on this machine.

    Returns:
        None for a file that is missing or has another content by now, which is logged.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(file.path)
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        problem = "no longer exists"
    else:
        if hashlib.sha256(content).hexdigest() == file.digest:
            return content
        problem = "is not what was logged any more"
    log.warning("%s %s, and is not stored for %r at step %d", path, problem, medium.name, medium.step)
    return None


def name_of_portable_media(file: MediaFile) -> str:
    """The digest of a file, as a part of a file's name.

    Args:
        file: the file; its digest may come from a log that somebody else made.
    """
    return file.digest if _DIGEST.fullmatch(file.digest) else hashlib.sha256(file.digest.encode()).hexdigest()
