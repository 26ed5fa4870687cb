"""A configuration's ``params.yml``: how it is written, read and checked.

Its last line is a comment with a checksum of the lines above, and one of each of its keys. A file without
it was written by an earlier version, or by a user, and is taken as it is.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legm.core.credentials import redact_configuration
from legm.core.identity import fingerprint
from legm.errors import CorruptFile, LegmError, NewerFile, StorageError, storage_error
from legm.records import Configuration
from legm.runlog.configuration_folders import is_configuration_folder
from legm.runlog.file_names import PARAMETERS_FILE
from legm.runlog.trashed import in_trash_text
from legm.util import yaml_text
from legm.util.atomic_files import write_atomically
from legm.util.file_reading import read_file_start
from legm.util.yaml_files import load_yaml, parse_yaml

__all__ = [
    "add_parameters_checksums",
    "checked_parameters_file",
    "experiment_of_parameters",
    "fingerprints_of_parameters",
    "is_parameters_checksum",
    "parameters_yaml",
    "parse_parameters",
    "read_configuration",
    "read_parameters_file",
    "refuse_newer_parameters",
    "stated_parameters_fingerprint",
]

log = logging.getLogger(__name__)

SCHEMA = 1
_EXPERIMENT_LINE = re.compile(rb"^experiment: (\".*\")\s*$", re.MULTILINE)
_FINGERPRINT = re.compile(r"[\w-]+", re.ASCII)
_SCHEMA_LINE = re.compile(rb"^schema: (\d{1,9})\s*$", re.MULTILINE)
_FINGERPRINT_LINE = re.compile(rb'fingerprint: "?([\w-]+)"?\s*\n')
_COMMENT = "# legm crc="
_KEYS = ("schema", "experiment", "fingerprint", "name", "parameters", "active", "metadata")
_START = 1 << 16  # bytes at the beginning or the end that have all but parameters
_CHECKSUM = re.compile(rb"(\w+)=([0-9a-f]{8})")
_KEY = re.compile(rb"[A-Za-z_]\w*(?=:)")


def parameters_yaml(configuration: Configuration) -> bytes:
    """What ``params.yml`` says of a configuration."""
    content: dict[str, Any] = {
        "fingerprint": configuration.fingerprint,
        "schema": SCHEMA,
        "experiment": configuration.experiment,
        "name": configuration.name,
        "active": list(configuration.active),
        "parameters": dict(configuration.parameters),
        "metadata": dict(configuration.metadata),
    }
    return _with_parameters_checksums(yaml_text.yaml_block(content).encode())


def add_parameters_checksums(folder: Path, *, dry_run: bool) -> bool:
    """Add checksums to a parameters file of an earlier version; what it says stays as it is.

    Args:
        folder: the configuration's.
        dry_run: whether to write nothing.

    Returns:
        whether it had none.

    Raises:
        StorageError: it cannot be read or written.
    """
    path = folder / PARAMETERS_FILE
    data = read_parameters_file(path)
    if _parameters_parts(data)[1]:
        return False
    if not dry_run:
        write_atomically(path, _with_parameters_checksums(data if data.endswith(b"\n") else data + b"\n"))
    return True


def read_configuration(folder: Path, known: dict[str, Any] | None = None) -> Configuration:
    """The configuration that lives in a folder.

    What was edited or damaged and is no part of the fingerprint is reported in the log, and taken as it is.

    Args:
        folder: where.
        known: what the reading of others left, for whoever reads many.

    Raises:
        StorageError: there is none.
        CorruptFile: its parameters are not those that its fingerprint was made of.
    """
    path = folder / PARAMETERS_FILE
    return checked_parameters_file(path, read_parameters_file(path), known)


def checked_parameters_file(path: Path, data: bytes, known: dict[str, Any] | None = None) -> Configuration:
    """The configuration in a parameters file that was read; see :func:`read_configuration`."""
    found, digest = parse_parameters(path, data, known)
    if digest != found.fingerprint:
        raise _not_of_its_parameters(path, data, found.fingerprint, digest)
    for problem in _parameters_differences(path, data):
        log.warning("%s", problem)
    return redact_configuration(found)


def stated_parameters_fingerprint(folder: Path) -> str | None:
    """The fingerprint that a folder's parameters file begins with; None if it is not a configuration's."""
    path = folder / PARAMETERS_FILE
    try:
        with path.open("rb") as file:
            start = file.read(100)
    except OSError:
        return None
    match = _FINGERPRINT_LINE.match(start)
    if match:
        return match[1].decode()
    try:
        content = load_yaml(path)
    except LegmError as error:
        log.error("%s", error)  # noqa: TRY400
        return None
    found = content.get("fingerprint") if isinstance(content, dict) else None
    return found if isinstance(found, str) and _FINGERPRINT.fullmatch(found) else None


def refuse_newer_parameters(folder: Path) -> None:
    """Refuse a folder whose parameters file is of a newer version, so that nothing is mixed with it.

    Raises:
        NewerFile: it is.
        StorageError: it cannot be read.
    """
    path = folder / PARAMETERS_FILE
    found = _SCHEMA_LINE.search(read_parameters_file(path, 200))
    if found and int(found[1]) > SCHEMA:
        raise NewerFile(path, "line 2", int(found[1]), SCHEMA)


def fingerprints_of_parameters(folder: Path) -> tuple[str, ...]:
    """The fingerprint that a folder's parameters file states, then that of its parameters where it differs.

    Returns:
        nothing for a folder that is not a configuration's.
    """
    if not is_configuration_folder(folder):
        return ()
    path, stated = folder / PARAMETERS_FILE, stated_parameters_fingerprint(folder)
    known = () if stated is None else (stated,)
    try:
        if stated is not None and _is_file_unchanged(path):
            return known
        data = read_parameters_file(path)
        _, digest = parse_parameters(path, data, None)
    except LegmError as error:
        log.error("%s", error)  # noqa: TRY400
        return known
    if stated is None or digest == stated:
        return known
    log.error("%s", _not_of_its_parameters(path, data, stated, digest))
    return stated, digest


def experiment_of_parameters(folder: Path) -> str:
    """The experiment that a configuration is of.

    Raises:
        StorageError: there is no configuration.
        CorruptFile: its parameters are not those that its fingerprint was made of.
    """
    path = folder / PARAMETERS_FILE
    match = _EXPERIMENT_LINE.search(read_parameters_file(path, _START)) if _is_file_unchanged(path) else None
    with contextlib.suppress(ValueError):
        if match and isinstance(name := json.loads(match[1]), str):
            return name
    return read_configuration(folder).experiment


def read_parameters_file(path: Path, most: int = -1) -> bytes:
    """The content of a parameters file, or no more than the first bytes of it.

    Raises:
        StorageError: there is none, or it cannot be read.
    """
    try:
        return read_file_start(path, sys.maxsize if most < 0 else most)
    except FileNotFoundError as cause:
        raise StorageError(
            f"{path.parent} is not a configuration's folder: "
            + (in_trash_text(path.parent) or f"it has no {PARAMETERS_FILE}")
        ) from cause
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def parse_parameters(path: Path, data: bytes, known: dict[str, Any] | None) -> tuple[Configuration, str]:
    """The configuration as the file has it, and the fingerprint of its parameters.

    Args:
        path: the file, for messages.
        data: its content.
        known: what the reading of others left, for whoever reads many.

    Raises:
        CorruptFile: it is not a parameters file.
    """
    try:
        content: Any = yaml_text.parse_yaml_block(
            _parameters_parts(data)[0].decode(), {} if known is None else known
        )
    except (ValueError, RecursionError):  # no UTF-8, too many digits or brackets
        content = None
    if content is None:
        content = parse_yaml(path, data)
    if not isinstance(content, dict) or (missing := [key for key in _KEYS if key not in content]):
        problem = f"it has no {missing[0]!r}" if isinstance(content, dict) else "it is not a mapping"
        raise _not_written_by_legm(path, problem)
    try:
        if content["schema"] > SCHEMA:
            raise NewerFile(path, "line 2", content["schema"], SCHEMA)
        found = Configuration(
            experiment=content["experiment"],
            fingerprint=content["fingerprint"],
            name=content["name"],
            parameters=content["parameters"],
            active=tuple(content["active"]),
            metadata=content["metadata"],
        )
        digest = fingerprint(found.experiment, {name: found.parameters[name] for name in found.active})
        if not all(isinstance(about, dict) for about in found.metadata.values()):
            raise TypeError("metadata")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as cause:
        raise _not_written_by_legm(path, repr(cause)) from cause
    return found, digest


def _not_written_by_legm(path: Path, problem: str) -> CorruptFile:
    remedy = "Restore it from a copy or a sibling."
    return CorruptFile(path, "line 1", f"it is not what legm wrote: {problem}", remedy)


def _not_of_its_parameters(path: Path, data: bytes, stated: str, digest: str) -> CorruptFile:
    parts = _changed_parameters_sections(data) or [
        one for one in _parameters_sections(data) if one[0] == b"parameters"
    ]
    line = parts[0][1] if parts else 1
    return CorruptFile(
        path,
        f"line {line}",
        f"the parameters give {digest}, not {stated}: they were edited or damaged",
        "Restore them. To use other parameters, start a new configuration.",
    )


# The checksums


def _parameters_sections(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Each key at the beginning of a line, the number of that line, and its text up to the next one."""
    key, first, lines = b"", 1, list[bytes]()
    for number, line in enumerate(data.replace(b"\r\n", b"\n").splitlines(keepends=True), 1):
        match = _KEY.match(line)
        if match or line.startswith(b"#"):
            if key:
                yield key, first, b"".join(lines)
            key, first, lines = match[0] if match else b"", number, []
        lines.append(line)
    if key:
        yield key, first, b"".join(lines)


def _with_parameters_checksums(body: bytes) -> bytes:
    """A file's lines, and the comment with their checksums."""
    checksums = {key: zlib.crc32(text) for key, _, text in _parameters_sections(body)}
    comment = [f"{_COMMENT}{zlib.crc32(body):08x}"]
    comment += [f"{key.decode()}={checksum:08x}" for key, checksum in checksums.items()]
    return body + " ".join(comment).encode() + b"\n"


def _parameters_parts(data: bytes) -> tuple[bytes, bytes]:
    """What a file says, and the comment with its checksums; nothing where it has none."""
    at = data.rfind(f"\n{_COMMENT}".encode()) + 1
    return (data[:at], data[at + len(_COMMENT) :]) if at else (data, b"")


def _are_parameters_unchanged(data: bytes) -> bool:
    """Whether a file has checksums and is as legm wrote it."""
    body, checksums = _parameters_parts(data)
    return checksums[:8] == b"%08x" % zlib.crc32(body)


def _is_file_unchanged(path: Path) -> bool:
    """The same of a file of any size, of which no more than a part is in memory.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _START, 0))
            body, checksums = _parameters_parts(file.read())
            at = max(size - _START, 0) + len(body)
            file.seek(0)
            checksum = 0
            while at and (piece := file.read(min(at, _START))):
                checksum, at = zlib.crc32(piece, checksum), at - len(piece)
    except FileNotFoundError:
        read_parameters_file(path)  # which says what is missing
        return False
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    return checksums[:8] == b"%08x" % checksum


def is_parameters_checksum(comment: bytes, checksum: int) -> bool:
    """Whether the comment at the end of a parameters file has the checksum of the lines above it.

    Args:
        comment: the comment.
        checksum: the CRC-32 of the lines above it.
    """
    return comment[len(_COMMENT) :][:8] == b"%08x" % checksum


def _changed_parameters_sections(data: bytes) -> list[tuple[bytes, int, bytes]]:
    """What is no longer as its checksum has it; nothing where there are none."""
    body, checksums = _parameters_parts(data)
    known = dict(_CHECKSUM.findall(checksums))
    return [
        one
        for one in _parameters_sections(body)
        if known and known.get(one[0]) != b"%08x" % zlib.crc32(one[2])
    ]


def _parameters_differences(path: Path, data: bytes) -> Iterator[CorruptFile]:
    """What was changed in a file whose parameters are those of its fingerprint."""
    if _are_parameters_unchanged(data):
        return
    keep = f"Restore it from a copy, or, if you edited it, delete the line that begins with {_COMMENT!r}."
    for key, number, _ in _changed_parameters_sections(data):
        yield CorruptFile(path, f"line {number}", f"{key.decode()!r} was edited or damaged", keep)
