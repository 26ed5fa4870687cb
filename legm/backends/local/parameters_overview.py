"""A configuration for an overview: values that are too large for one are shortened, and never read whole.

A shortened value is a text that begins like the value and ends in its size and checksum, so that different
values have different texts. :func:`~legm.backends.local.parameters_file.read_configuration` reads them whole.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from legm.backends.local.parameters_file import (
    checked_parameters_file,
    is_parameters_checksum,
    parameters_yaml,
    parse_parameters,
    read_configuration,
    read_parameters_file,
)
from legm.core.credentials import redact_configuration
from legm.errors import storage_error
from legm.records import Configuration
from legm.runlog.file_names import PARAMETERS_FILE

__all__ = ["read_configuration_overview"]

_LARGE = 1 << 16  # bytes of a parameters file, and of a value in it, that are too much for an overview
_SHOWN = 100  # bytes of a large value that are kept
_PIECE = 1 << 16  # bytes that are read at once
_PARAMETERS, _COMMENT = b"parameters:", b"# legm crc="
_PARAMETER = re.compile(rb'  (?! )(?:[A-Za-z_]\w*|"(?:[^"\\]|\\.)*"):', re.ASCII)


def read_configuration_overview(
    folder: Path, known: dict[str, Any] | None = None
) -> tuple[Configuration, bool]:
    """The configuration in a folder, with large values shortened.

    Args:
        folder: the folder.
        known: what the reading of others left, for whoever reads many.

    Returns:
        the configuration, and whether a value is shortened.

    Raises:
        StorageError: there is none.
        CorruptFile: its parameters are not those that its fingerprint was made of.
    """
    path = folder / PARAMETERS_FILE
    data = read_parameters_file(path, _LARGE + 1)
    if len(data) <= _LARGE:
        return checked_parameters_file(path, data, known), False
    short, is_shortened, is_unchanged = _shortened_parameters_overview(_parameters_overview_pieces(path))
    if not is_unchanged:  # an earlier version wrote it, or it was edited: only its fingerprint tells
        short, is_shortened, _ = _shortened_parameters_overview(
            [parameters_yaml(read_configuration(folder, known))]
        )
    return redact_configuration(parse_parameters(path, short, None)[0]), is_shortened


def _parameters_overview_pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as cause:
        raise storage_error("read", path, cause) from cause


def _shortened_parameters_overview(pieces: Iterable[bytes]) -> tuple[bytes, bool, bool]:
    """What a parameters file says, with large values shortened.

    Args:
        pieces: the content of the file, in pieces of any size.

    Returns:
        what it says, whether a value is shortened, and whether the file is as legm wrote it.
    """
    kept, is_shortened = bytearray(), False
    checksum, comment, section = 0, b"", b""
    value: _ParametersOverviewValue | None = None
    for start, is_new_line in _parameters_overview_parts(pieces):
        if is_new_line:
            if start[:1] not in {b" ", b""}:
                section = start
            if value is not None and not start.startswith(b"   "):
                kept += value.text()
                is_shortened |= value.is_large
                value = None
            if value is None and section.startswith(_PARAMETERS) and (key := _PARAMETER.match(start)):
                value = _ParametersOverviewValue(key[0])
            comment = start if start.startswith(_COMMENT) else b""
        elif comment:
            comment += start
        if not comment:
            checksum = zlib.crc32(start, checksum)
        if value is None:
            kept += start
        else:
            value.add(start)
    if value is not None:
        kept += value.text()
        is_shortened |= value.is_large
    return bytes(kept), is_shortened, is_parameters_checksum(comment, checksum)


def _parameters_overview_parts(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The content in parts of which none has more than one line, each with whether it begins a line.

    The beginning of a line is never cut within its first 4 KiB, unless the content is.
    """
    rest, is_new_line = b"", True
    for piece in pieces:
        rest += piece
        *lines, rest = rest.splitlines(keepends=True) if b"\n" in rest else [rest]
        if rest.endswith(b"\n"):
            lines.append(rest)
            rest = b""
        for line in lines:
            yield line, is_new_line
            is_new_line = line.endswith(b"\n")
        if len(rest) >= 4096:
            yield rest, is_new_line
            rest, is_new_line = b"", False
    if rest:
        yield rest, is_new_line


class _ParametersOverviewValue:
    """A parameter in the file, of which no more is kept than an overview needs.

    Args:
        key: its key, with the spaces before and the colon after it.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._kept = bytearray()
        self._size = self._checksum = 0

    def add(self, part: bytes) -> None:
        """Add the next bytes of it, key included."""
        self._size += len(part)
        self._checksum = zlib.crc32(part, self._checksum)
        if len(self._kept) <= _LARGE:
            self._kept += part

    @property
    def is_large(self) -> bool:
        """Whether it is too large for an overview."""
        return self._size > _LARGE

    def text(self) -> bytes:
        """It as it is, or shortened."""
        if not self.is_large:
            return bytes(self._kept)
        start = bytes(self._kept[len(self._key) : len(self._key) + _SHOWN]).decode(errors="ignore").strip()
        if start.startswith('"'):
            start = _parameters_overview_string(start)
        size = self._size - len(self._key) - 2  # without the space and the line's end
        text = f"{' '.join(start.split())}… ({size:,} bytes, {self._checksum:08x})"
        return b"%s %s\n" % (self._key, json.dumps(text).encode())


def _parameters_overview_string(text: str) -> str:
    """What a text in quotes, cut anywhere, stands for."""
    for end in range(len(text), max(len(text) - 12, 1), -1):  # no escape is longer
        try:
            return str(json.loads(f'{text[:end]}"'))
        except ValueError:
            continue
    return text
