"""The files that a record names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TypeVar

from legm.records import Artifact, Media, Record

__all__ = ["artifacts_of_media_files", "file_paths", "with_file_paths"]

R = TypeVar("R", bound=Record)


def file_paths(record: Record) -> Sequence[str]:
    """The paths of the files that a record names.

    Args:
        record: any record; only an artifact and a medium name some.
    """
    if isinstance(record, Artifact):
        return (record.path,)
    if isinstance(record, Media):
        return [one.path for one in record.files]
    return ()


def artifacts_of_media_files(media: Media) -> Iterator[Artifact]:
    """The files of a medium as artifacts, named by its name, its step and their contents.

    Args:
        media: the medium.
    """
    for one in media.files:
        digest, dot, extension = PurePosixPath(one.path.replace("\\", "/")).name.partition(".")
        yield Artifact(f"media/{media.name}/{media.step}-{digest[:12]}{dot}{extension}", one.path)


def with_file_paths(record: R, paths: Mapping[str, str]) -> R:
    """The record with other paths of its files.

    Args:
        record: the record.
        paths: the new path by the one that the record has.
    """
    if isinstance(record, Artifact):
        return replace(record, path=paths[record.path])
    if isinstance(record, Media):
        return replace(record, files=tuple(replace(one, path=paths[one.path]) for one in record.files))
    return record
