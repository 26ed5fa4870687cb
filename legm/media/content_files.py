"""Files that are named by their content, so that equal contents are stored once.

A run's media are in ``artifacts/<run id>/legm-media/`` of its configuration, each named by the SHA-256 of its
content. A second name of the same file, a hard link, is in ``.legm/legm-media/`` of the experiment; another
run with an equal content gets a link to it instead of a copy. The file system counts the links: what no run
has any more is the file there that has only one name left. Where it has no links, each run has its own copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath

from legm.errors import CorruptFile, storage_error
from legm.records import Media, MediaFile
from legm.runlog.configuration_folders import artifacts_folder, refuse_folder_links
from legm.runlog.file_names import MEDIA, OWN_FOLDER
from legm.util.atomic_files import write_atomically

__all__ = [
    "checked_media_content",
    "content_extension",
    "copied_media_content",
    "delete_unused_contents",
    "keep_content",
    "media_content_folder",
]


_EXTENSION = re.compile(r"(\.[a-z0-9]{1,10}){0,2}", re.ASCII)


def media_content_folder(folder: Path, run_id: str) -> Path:
    """The folder of a run's media.

    Args:
        folder: the folder of the run's configuration.
        run_id: the run's id.
    """
    return artifacts_folder(folder, run_id) / MEDIA


def _shared_content_folder(experiment: Path) -> Path:
    return experiment / OWN_FOLDER / MEDIA


def content_extension(name: str) -> str:
    """What the name of a file keeps of another name: its extension, such as ``.png`` or ``.table.json``.

    Args:
        name: of the file, with or without folders.
    """
    suffixes = PurePosixPath(name).suffixes
    kept = "".join(suffixes[-2:] if suffixes[-1:] == [".json"] else suffixes[-1:]).lower()
    return kept if _EXTENSION.fullmatch(kept) else ""


def keep_content(folder: Path, run_id: str, content: bytes, extension: str) -> MediaFile:
    """Keep a content as a file of a run; one that the run has already is not written again.

    Args:
        folder: the folder of the run's configuration.
        run_id: the run's id.
        content: the content.
        extension: of the file's name, with its dot.

    Raises:
        StorageError: it cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    own = media_content_folder(folder, run_id)
    path = own / f"{digest}{extension}"
    if path.is_file() and not path.is_symlink() and path.stat().st_size == len(content):
        return MediaFile(str(path), digest)
    refuse_folder_links(own.parent.parent, own.parent, own, path)
    shared = _shared_content_folder(folder.parent) / digest[:2] / path.name
    try:
        own.mkdir(parents=True, exist_ok=True)
        if not _link_content_file(shared, path, content):
            write_atomically(path, content)
            with contextlib.suppress(OSError):  # a file system without links, or another run was first
                refuse_folder_links(shared.parent.parent.parent, shared.parent.parent, shared.parent)
                shared.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, shared)
    except OSError as cause:
        raise storage_error("write", path, cause) from cause
    return MediaFile(str(path), digest)


def _link_content_file(shared: Path, path: Path, content: bytes) -> bool:
    """Give a shared file another name, if it is a file that has this content; whether it was one."""
    try:
        if not stat.S_ISREG(shared.lstat().st_mode) or shared.read_bytes() != content:
            return False
        os.link(shared, path)
    except FileExistsError:
        return path.read_bytes() == content
    except OSError:
        return False
    return True


def copied_media_content(record: Media, folder: Path, run_id: str) -> Media:
    """A medium of another run, or from elsewhere, with its files kept in a run.

    Args:
        record: the medium.
        folder: the folder of the run's configuration.
        run_id: the run's id.

    Raises:
        StorageError: a file cannot be read or written.
    """
    files = []
    for one in record.files:
        path = Path(one.path)
        try:
            content = path.read_bytes()
        except OSError as cause:
            raise storage_error("read", path, cause) from cause
        kept = keep_content(folder, run_id, content, content_extension(path.name))
        files.append(replace(one, path=kept.path, digest=kept.digest))
    return replace(record, files=tuple(files))


def checked_media_content(file: MediaFile, content: bytes | None = None) -> bytes:
    """The content of a file of a medium, which is the one that was logged.

    Args:
        file: the file.
        content: what a store has of it; None to read its path.

    Raises:
        CorruptFile: it is another content.
        StorageError: it cannot be read.
    """
    path = Path(file.path)
    if content is None:
        try:
            content = path.read_bytes()
        except OSError as cause:
            raise storage_error("read", path, cause) from cause
    if hashlib.sha256(content).hexdigest() != file.digest:
        raise CorruptFile(path, "byte 0", "its content is not the one that was logged", "Delete it.")
    return content


def delete_unused_contents(experiment: Path) -> int:
    """Delete what no run of an experiment has any more.

    Args:
        experiment: the experiment's folder.

    Returns:
        how many bytes became free.
    """
    freed = 0
    shared = _shared_content_folder(experiment)
    if shared.is_symlink() or shared.parent.is_symlink():
        return 0
    with contextlib.suppress(OSError):  # another process deletes it too
        for folder in shared.iterdir():
            with os.scandir(folder) as found:
                for entry in found:
                    known = entry.stat(follow_symlinks=False)
                    if known.st_nlink == 1:
                        os.unlink(entry.path)  # noqa: PTH108 - of an entry
                        freed += known.st_size
    return freed
