"""The pictures, sounds, tables and the like on a report's page: of some runs and steps, within a size."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Protocol

from legm.errors import LegmError
from legm.media.histograms import histogram_counts
from legm.media.tables import media_table_columns, table_cell_text
from legm.records import Media, MediaFile, MediaKind, Plain, Run, RunResult, Status

__all__ = ["ReportMedia"]

_MOST_STEPS = 8  # of a name, where nothing else is asked for: the first, the last, and some between them
_MOST_FILES = 16  # of a medium
_LARGEST_PICTURE = 480  # pixels of the longer side; a larger one is shown smaller
_KEPT_PICTURE = 24 << 10  # bytes of a picture that is shown as it is
_MOST_LETTERS = 4_000  # of a text
_MOST_ROWS = 30  # of a table
_PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
_SOUNDS = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".flac": "audio/flac"}
_VIDEOS = {".mp4": "video/mp4", ".webm": "video/webm"}


class MediaSource(Protocol):
    """What gives the media of runs, such as a client of a backend."""

    def media(self, run: Run) -> list[Media]:
        """The media of a run."""

    def media_content(self, run: Run, file: MediaFile) -> bytes:
        """The content of a file of a medium."""


class ReportMedia:
    """Chooses the media that a page shows, and makes them small enough.

    Of each row of the page it is those of the newest completed run that has any, or of the newest other one.
    Equal contents are on the page once.

    Args:
        source: of the media.
        limit: bytes for all contents together.
        rows: of how many rows media will be asked for, about.
        asked: in how many runs of a row media are looked for, where each is a request to a tracker; None for
            all.
        most_steps: of each name.
    """

    def __init__(
        self,
        source: MediaSource,
        limit: int,
        rows: int,
        asked: int | None = None,
        *,
        most_steps: int = _MOST_STEPS,
    ) -> None:
        self.contents: dict[str, Plain] = {}
        """By the digest of a file, how the page shows it; see :meth:`of_row`."""
        self._source = source
        self._rest = limit
        self._rows = rows
        self._asked = asked
        self._most_steps = most_steps

    def of_row(self, runs: Iterable[RunResult]) -> dict[str, Plain]:
        """The media that are shown of the runs of a row.

        Args:
            runs: of a configuration and description.

        Returns:
            nothing where no run has any, else ``run``, its id; ``status``; and ``names``: for each name its
            ``kind``, how many ``steps`` it has, and ``shown``, some of them, each with its ``step``,
            ``files`` and how many are ``left`` out. A file has the key of its content in :attr:`contents`
            (``digest``), or says why it has none (``why``), and its ``caption``.

        Raises:
            LegmError: the media of a run cannot be read.
        """
        share = self._rest // max(1, self._rows)
        self._rows -= 1
        newest_first = sorted(runs, key=lambda one: (one.status is Status.COMPLETED, one.run.run_id))[::-1]
        for result in newest_first[: self._asked]:
            if media := self._source.media(result.run):
                names = self._names(result.run, media, share)
                return {"run": result.run.run_id, "status": result.status.value, "names": names}
        return {}

    def _names(self, run: Run, media: Sequence[Media], share: int) -> dict[str, Plain]:
        by_name: dict[str, list[Media]] = {}
        for medium in media:
            by_name.setdefault(medium.name, []).append(medium)
        chosen = {name: _some_media_of(of, self._most_steps) for name, of in by_name.items()}
        shown: dict[int, Plain] = {}
        for turn in range(self._most_steps):  # what is most telling comes first, while it fits
            for of in chosen.values():
                for medium in of[turn : turn + 1]:
                    before = self._rest
                    shown[id(medium)] = self._medium(run, medium, share)
                    share -= before - self._rest
        return {
            name: {
                "kind": by_name[name][-1].kind.value,
                "steps": len(by_name[name]),
                "shown": [shown[id(one)] for one in by_name[name] if id(one) in shown],
            }
            for name in sorted(by_name)
        }

    def _medium(self, run: Run, medium: Media, share: int) -> Plain:
        files: list[Plain] = []
        for file in medium.files[:_MOST_FILES]:
            about: dict[str, Plain] = {"caption": file.caption} if file.caption else {}
            try:
                if file.digest not in self.contents:
                    content = _shown_media(medium.kind, file, self._source.media_content(run, file))
                    size = len(json.dumps(content))
                    if size > share:
                        raise _NotShown("There is no space for it on this page.")
                    self.contents[file.digest] = content
                    self._rest -= size
                    share -= size
                about["digest"] = file.digest
            except _NotShown as problem:
                about["why"] = str(problem)
            except LegmError as error:
                about["why"] = f"It cannot be read: {error}."
            files.append(about)
        return {"step": medium.step, "files": files, "left": len(medium.files) - len(files)}


def _some_media_of(media: Sequence[Media], most: int) -> list[Media]:
    """Media of one name, the most telling first: the last, the first, then some between them."""
    count = min(len(media), most)
    positions = [round(at * (len(media) - 1) / max(1, count - 1)) for at in range(count)]
    return [media[at] for at in dict.fromkeys([len(media) - 1, 0, *positions])]


class _NotShown(Exception):
    """Why the page does not show a file."""


def _shown_media(kind: MediaKind, file: MediaFile, content: bytes) -> dict[str, Plain]:
    """How the page shows a file.

    Raises:
        _NotShown: it does not.
    """
    suffix = PurePath(file.path).suffix.lower()
    if kind is MediaKind.FIGURE and suffix == ".json":
        return {"plotly": _checked_media_json(content)}
    if kind in (MediaKind.IMAGE, MediaKind.FIGURE) or suffix == ".gif":
        return _media_picture(content)
    if kind is MediaKind.AUDIO and suffix in _SOUNDS:
        return {"audio": _media_data_url(_SOUNDS[suffix], content)}
    if kind is MediaKind.VIDEO and suffix in _VIDEOS:
        return {"video": _media_data_url(_VIDEOS[suffix], content)}
    if kind is MediaKind.HISTOGRAM:
        return _media_histogram(content)
    if kind is MediaKind.TEXT:
        text = content.decode("utf-8", "replace")
        return {"text": text[:_MOST_LETTERS], "left": max(0, len(text) - _MOST_LETTERS)}
    if kind is MediaKind.TABLE:
        return _media_table(content)
    raise _NotShown(f"{'Pages' if kind is MediaKind.HTML else f'{suffix} files'} are not shown here.")


def _media_picture(content: bytes) -> dict[str, Plain]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=[*_PICTURES, "BMP"]) as picture:
            width, height = picture.size
            found: dict[str, Plain] = {"width": width, "height": height}
            if len(content) <= _KEPT_PICTURE and picture.format in _PICTURES:
                return found | {"picture": _media_data_url(_PICTURES[picture.format], content)}
            small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            small.thumbnail((_LARGEST_PICTURE, _LARGEST_PICTURE))
            encoded = io.BytesIO()
            small.save(encoded, "WEBP", quality=85)
    except Exception as cause:  # Pillow raises many kinds of errors for damaged and for huge files
        raise _NotShown(f"It is not a picture that can be shown: {cause}.") from cause
    return found | {"picture": _media_data_url("image/webp", encoded.getvalue())}


def _media_histogram(content: bytes) -> dict[str, Plain]:
    try:
        edges, counts = histogram_counts(content)
    except (ValueError, RecursionError) as cause:
        raise _NotShown(f"It is not a histogram: {cause}.") from cause
    if not all(map(math.isfinite, (*edges, *counts))):
        raise _NotShown("It is a histogram with infinite edges.")
    return {"edges": list(edges), "counts": list(counts)}


def _media_table(content: bytes) -> dict[str, Plain]:
    try:
        columns: Mapping[str, Sequence[Any]] = media_table_columns(content)
    except (ValueError, RecursionError) as cause:
        raise _NotShown(f"It is not a table: {cause}.") from cause
    rows = list(zip(*columns.values(), strict=True))
    shown: list[Plain] = [[table_cell_text(one) for one in row] for row in rows[:_MOST_ROWS]]
    return {"columns": list(columns), "rows": shown, "count": len(rows)}


def _checked_media_json(content: bytes) -> str:
    try:
        json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise _NotShown(f"It is not a figure of Plotly's: {cause}.") from cause
    return content.decode()


def _media_data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
