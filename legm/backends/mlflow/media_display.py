"""Media as MLflow's page shows them, and the index by which they are read back.

Pictures have the names that MLflow gives those of ``log_image``, with the small copy that its page shows; a
Plotly figure has a page beside it; a table is also stored in the form of ``log_table``. MLflow's own calls
are not used: ``log_image`` encodes a picture again and draws a name at random, and ``log_table`` appends to
what is there, so that a batch that arrives twice would be stored twice.
"""

from __future__ import annotations

import contextlib
import html
import io
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from legm.backends import portable
from legm.backends.mlflow import names
from legm.backends.mlflow.stores import MlflowArtifactStore
from legm.backends.portable_media import (
    BLOCK,
    MediaEntry,
    StoredMedia,
    content_of_portable_media,
    counting_media,
    media_block_file,
    media_entries_from,
    read_media_entries,
    written_media_blocks,
)
from legm.media.content_files import content_extension
from legm.media.tables import media_table_columns
from legm.records import Media, MediaKind, Rewind

__all__ = ["MlflowMediaBatch", "read_mlflow_media"]

log = logging.getLogger(__name__)

_SMALL = 256  # pixels of the longer side of the copy of a picture, as MLflow's own
_LONGEST_TAG = 4_900  # characters; MLflow allows 5,000 and more
_PLOTLY = "https://cdn.plot.ly/plotly-3.0.1.min.js"
_PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title><div id="figure"></div>
<script src="{script}"></script>
<script>const figure = {figure};
Plotly.newPlot("figure", figure.data, figure.layout, {{responsive: true}});</script>
"""


class MlflowMediaBatch:
    """Stores the media of one batch of records.

    Args:
        files: the run's artifacts.
        tags: returns the run's tags as MLflow has them.
    """

    def __init__(self, files: MlflowArtifactStore, tags: Callable[[], Mapping[str, str]]) -> None:
        self._files = files
        self._read_tags = tags
        self._known: Mapping[str, str] | None = None
        self._new: list[MediaEntry] = []

    @property
    def _tags(self) -> Mapping[str, str]:
        if self._known is None:
            self._known = self._read_tags()
        return self._known

    @property
    def _count(self) -> int:
        """How many entries the index has before this batch."""
        return _mlflow_media_count(self._tags)

    def add(self, medium: Media) -> None:
        """Store a medium."""
        self._new.append(_store_mlflow_media(self._files, medium))

    def rewind(self, rewind: Rewind) -> None:
        """Note that media at a later step are void, and delete them in a folder on this machine."""
        if not self._new and not self._count:
            return
        self._new.append(rewind)
        if self._files.folder is not None:
            earlier = read_media_entries(self._files.read, self._count)
            for name in _mlflow_media_paths_after([*earlier, *self._new], rewind.step):
                self._files.delete(name)

    def store_index(self) -> dict[str, str]:
        """Store what was added in the index.

        Returns:
            the tags that say so, to be set together with the position of the batch.
        """
        if not self._new:
            return {}
        first = self._count // BLOCK * BLOCK
        block: list[MediaEntry] = []
        if self._count > first:
            block = media_entries_from(self._files.read(media_block_file(first // BLOCK)))
        entries = [*block[: self._count - first], *self._new]
        for name, data in written_media_blocks(entries, first):
            self._files.write(name, data)
        tags = {names.MEDIA_TAG: str(first + len(entries))}
        media = [one.medium for one in self._new if isinstance(one, StoredMedia)]
        if any(one.kind is MediaKind.IMAGE for one in media):
            tags[names.LOGGED_IMAGES_TAG] = "True"
        if any(one.kind is MediaKind.TABLE for one in media) or names.LOGGED_FILES_TAG in self._tags:
            tags[names.LOGGED_FILES_TAG] = self._shown_tables()
        return tags

    def _shown_tables(self) -> str:
        """The value of MLflow's tag with the tables of a run: those of users, and legm's newest ones."""
        found: list[Any] = []
        with contextlib.suppress(ValueError):
            found = json.loads(self._tags.get(names.LOGGED_FILES_TAG, "[]"))
        for entry in self._new:
            if isinstance(entry, Rewind):
                found = [one for one in found if not _is_mlflow_table_after(one, entry.step)]
            else:
                tables = [name for name in entry.shown if name.startswith(f"{names.TABLES_FOLDER}/")]
                new = [{"path": name, "type": "table"} for name in tables]
                found = [*(one for one in found if one not in new), *new]
        while len(text := json.dumps(found)) > _LONGEST_TAG:
            oldest = next(
                (at for at, one in enumerate(found) if _mlflow_media_table_step(one) is not None), None
            )
            if oldest is None:
                break
            del found[oldest]
        return text


def read_mlflow_media(files: MlflowArtifactStore, tags: Mapping[str, str]) -> list[Media]:
    """The media of a run that count.

    Args:
        files: the run's artifacts.
        tags: its tags.

    Raises:
        ValueError: the index is damaged.
    """
    with portable.checked_files(str(tags.get(names.RUN_ID_TAG))):
        return counting_media(read_media_entries(files.read, _mlflow_media_count(tags)))


def _mlflow_media_count(tags: Mapping[str, str]) -> int:
    text = tags.get(names.MEDIA_TAG, "0")
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"the tag {names.MEDIA_TAG} is not a number: {text!r}")
    return int(text)


def _mlflow_media_table_step(logged: Any) -> int | None:
    """The step of a table of legm's in MLflow's tag; None for one of a user."""
    path = logged.get("path") if isinstance(logged, dict) else None
    parts = str(path).split("/")
    step = parts[-1].removesuffix(".json")
    if len(parts) != 3 or parts[0] != names.TABLES_FOLDER or not step.lstrip("-").isdecimal():
        return None
    return int(step)


def _is_mlflow_table_after(logged: Any, last: int) -> bool:
    step = _mlflow_media_table_step(logged)
    return step is not None and step > last


def _mlflow_media_paths_after(entries: list[MediaEntry], step: int) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, StoredMedia) and entry.medium.step > step:
            yield from (file.path for file in entry.medium.files)
            yield from entry.shown


def _store_mlflow_media(files: MlflowArtifactStore, medium: Media) -> StoredMedia:
    stored, shown = [], []
    for number, file in enumerate(medium.files):
        path = _exact_mlflow_media_file(medium, number)
        content = content_of_portable_media(medium, file)
        if content is not None:
            files.write(path, content)
            for name, data in _shown_mlflow_media_files(medium, number, content):
                files.write(name, data)
                shown.append(name)
        stored.append(replace(file, path=path))
    return StoredMedia(replace(medium, files=tuple(stored)), tuple(shown))


def _exact_mlflow_media_file(medium: Media, number: int) -> str:
    """The artifact that holds a file as it was logged."""
    file = medium.files[number]
    extension = content_extension(file.path)
    if medium.kind is MediaKind.IMAGE and extension == ".png":
        return names.mlflow_image_file_name(medium, number, extension)
    if medium.kind is MediaKind.FIGURE:
        return names.mlflow_drawing_file_name(medium, file, extension)
    return names.mlflow_medium_file_name(medium, file)


def _shown_mlflow_media_files(medium: Media, number: int, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The further artifacts by which MLflow's page shows a file; none for one that it cannot show."""
    file = medium.files[number]
    extension = content_extension(file.path)
    if medium.kind is MediaKind.IMAGE:
        pictures = _shown_mlflow_pictures(content, has_png=extension == ".png")
        for ending, data in pictures.items():
            yield names.mlflow_image_file_name(medium, number, ending), data
    elif medium.kind is MediaKind.FIGURE and extension == ".plotly.json":
        yield names.mlflow_drawing_file_name(medium, file, ".html"), _mlflow_plotly_page(medium.name, content)
    elif medium.kind is MediaKind.TABLE:
        with contextlib.suppress(ValueError):
            yield names.mlflow_table_file_name(medium), _mlflow_media_table(content)


def _shown_mlflow_pictures(content: bytes, *, has_png: bool) -> dict[str, bytes]:
    """By the end of its name, the small copy of a picture, and the picture as PNG if it is not one."""
    try:
        from PIL import Image

        with Image.open(io.BytesIO(content)) as opened:
            has_alpha = opened.mode.endswith(("A", "a")) or "transparency" in opened.info
            whole = opened.convert("RGBA" if has_alpha else "RGB")
        small = whole.copy()
        small.thumbnail((_SMALL, _SMALL))
        found = {"+compressed.webp": _encoded_mlflow_picture(small, "WEBP")}
        return found if has_png else {".png": _encoded_mlflow_picture(whole, "PNG"), **found}
    except Exception as error:  # noqa: BLE001 - Pillow raises many kinds of errors for damaged files
        log.debug("a picture is not shown: %r", error)
        return {}


def _encoded_mlflow_picture(picture: Any, form: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form)
    return buffer.getvalue()


def _mlflow_plotly_page(title: str, content: bytes) -> bytes:
    figure = content.decode("utf-8", "replace").replace("<", "\\u003c")  # nothing ends the script
    return _PAGE.format(title=html.escape(title), script=_PLOTLY, figure=figure).encode()


def _mlflow_media_table(content: bytes) -> bytes:
    """A table as ``log_table`` stores it: the form "split" of pandas, with null for what JSON has not."""
    columns = media_table_columns(content)
    rows = [[_mlflow_media_cell(value) for value in row] for row in zip(*columns.values(), strict=True)]
    return json.dumps({"columns": list(columns), "data": rows}, ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "replace"
    )


def _mlflow_media_cell(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
