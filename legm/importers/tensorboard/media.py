"""Images, sounds and histograms in event files as separate files, which are media of the run."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from legm.importers.external_run import ExternalFile, ExternalMedium
from legm.importers.tensorboard.event_histograms import event_histogram_json
from legm.importers.tensorboard.event_reader import EventReader, MediaEvent, read_event_media
from legm.importers.tensorboard.tfrecords import read_tfrecord_at
from legm.records import MediaKind

__all__ = ["event_media_files"]

_KINDS = {"images": MediaKind.IMAGE, "audio": MediaKind.AUDIO, "histograms": MediaKind.HISTOGRAM}
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
    """The images, sounds and histograms in a file.

    They are called ``images/<tag>/<step>.png``, and further ones of a step ``<step>_1.png``, ….

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
            if content.kind == "histograms":
                extension = "histogram.json"
            shown = f"{name}_{count}.{extension}" if count else f"{name}.{extension}"
            medium = ExternalMedium(content.tag, _KINDS[content.kind], content.step, content.time)
            opened = partial(_open_event_media, path, content.offset, content.number, content.kind, at)
            yield ExternalFile(shown, opened, medium)


def _open_event_media(
    path: Path, offset: int, number: int, kind: str, at: int
) -> AbstractContextManager[BinaryIO]:
    """Open one image, sound or histogram of a value.

    Raises:
        OSError: it no longer exists.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        value = Event.FromString(read_tfrecord_at(path, offset)).summary.value[number]
        if kind == "histograms":
            return io.BytesIO(event_histogram_json(value))
        found = read_event_media(value, kind)
        return io.BytesIO(found[1][at] if found is not None else b"")
    except (DecodeError, IndexError) as cause:
        raise OSError(f"{path} has changed") from cause
