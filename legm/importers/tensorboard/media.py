"""Images and sounds in event files as separate files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from legm.importers.external_run import ExternalFile
from legm.importers.tensorboard.event_reader import EventReader, MediaEvent, read_event_media
from legm.importers.tensorboard.tfrecords import read_tfrecord_at

__all__ = ["event_media_files"]

_EXTENSIONS = {
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"RIFF": "wav",
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"ID3": "mp3",
}


def event_media_files(
    reader: EventReader, path: Path, size: int, counts: dict[str, int]
) -> Iterator[ExternalFile]:
    """The images and sounds in a file: ``images/<tag>/<step>.png``, and further ones ``<step>_1.png``, ….

    Args:
        reader: the reader of the file's folder.
        path: the file.
        size: how many bytes of it to read.
        counts: how many each tag and step had in earlier files; updated.
    """
    for content in reader.read(path, size):
        if not isinstance(content, MediaEvent):
            continue
        for at, data in enumerate(content.contents):
            name = f"{content.kind}/{content.tag}/{content.step}"
            count = counts.get(name, 0)
            counts[name] = count + 1
            extension = next((one for head, one in _EXTENSIONS.items() if data.startswith(head)), "bin")
            shown = f"{name}_{count}.{extension}" if count else f"{name}.{extension}"
            yield ExternalFile(
                shown, partial(_open_event_media, path, content.offset, content.number, content.kind, at)
            )


def _open_event_media(
    path: Path, offset: int, number: int, kind: str, at: int
) -> AbstractContextManager[BinaryIO]:
    """Open one image or sound of a value.

    Raises:
        OSError: it no longer exists.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        value = Event.FromString(read_tfrecord_at(path, offset)).summary.value[number]
        found = read_event_media(value, kind)
        return io.BytesIO(found[1][at] if found is not None else b"")
    except (DecodeError, IndexError) as cause:
        raise OSError(f"{path} has changed") from cause
