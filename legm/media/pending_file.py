"""A file of a medium that is not written yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from legm.core.naming import check_name
from legm.core.texts import counted
from legm.errors import MediaError
from legm.records import Plain

__all__ = ["PendingFile", "pending_copy", "pending_files_with_captions", "pending_text"]


@dataclass(frozen=True, slots=True)
class PendingFile:
    """What becomes a file: data that was copied from the caller's, and how it is encoded.

    Args:
        encode: makes the file's content; called on another thread.
        extension: of the file's name, with its dot.
        size: of what waits in memory, in bytes.
        caption: "" for none.
        details: as of :class:`~legm.records.MediaFile`.
    """

    encode: Callable[[], bytes]
    extension: str
    size: int
    caption: str = ""
    details: Mapping[str, Plain] = field(default_factory=dict)


def pending_copy(name: str, path: Path, extensions: Sequence[str] | None = None) -> PendingFile:
    """A user's file as it is now, whatever becomes of it later.

    Args:
        name: of the medium.
        path: the file.
        extensions: those that are known, in lower case with their dots; None for any.

    Raises:
        MediaError: it is not a file, cannot be read, or is of another kind.
    """
    extension = path.suffix.lower()
    if extensions is not None and extension not in extensions:
        known = ", ".join(extensions)
        raise MediaError(f"{name!r}: the file {str(path)!r} must have one of the extensions {known}")
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait
            raise MediaError(f"{name!r}: {str(path)!r} is not a file")
        content = path.read_bytes()
    except ValueError as cause:
        raise MediaError(f"{name!r}: {str(path)!r} is not a path: {cause}") from cause
    except OSError as cause:
        raise MediaError(f"{name!r}: the file {str(path)!r} cannot be read: {cause.strerror}") from cause
    if not content:
        raise MediaError(f"{name!r}: the file {str(path)!r} is empty")
    return PendingFile(lambda: content, extension, len(content))


def pending_text(name: str, what: str, text: object, extension: str) -> PendingFile:
    """A text in UTF-8.

    Args:
        name: of the medium.
        what: it is, for the error.
        text: the text.
        extension: of the file's name.

    Raises:
        MediaError: it is not a text.
    """
    if not isinstance(text, str):
        raise MediaError(f"{name!r} must be {what}, not {type(text).__qualname__}")
    content = text.encode("utf-8", "replace")
    return PendingFile(lambda: content, extension, len(content))


def pending_files_with_captions(
    name: str, files: list[PendingFile], caption: str | list[str] | tuple[str, ...] | None
) -> list[PendingFile]:
    """The files with their captions.

    Args:
        name: of the medium.
        files: the files.
        caption: one text for a single file, or one for each; None for none.

    Raises:
        MediaError: there are fewer captions than files, or more, or one is not a text.
    """
    check_name("medium", name, MediaError)
    if not files:
        raise MediaError(f"{name!r} is an empty list: give at least one picture")
    if caption is None:
        return files
    captions = list(caption) if isinstance(caption, Iterable) and not isinstance(caption, str) else [caption]
    if len(captions) != len(files) or not all(isinstance(one, str) for one in captions):
        raise MediaError(
            f"{name!r} has {counted(len(files), 'file')} and the caption {caption!r}: give one text for each"
        )
    return [
        PendingFile(file.encode, file.extension, file.size, one, file.details)
        for file, one in zip(files, captions, strict=True)
    ]
