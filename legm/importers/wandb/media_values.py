"""The media among the values of a W&B run's history: which of its files shows what, and when.

W&B stores a value such as ``{"_type": "image-file", "path": "media/images/a_3_0f.png", "caption": "…"}``, and
for several pictures ``{"_type": "images/separated", "filenames": [...], "captions": [...]}``. The paths are
below the folder ``files`` of the run. What lies over a picture is a medium of its own at the same step: its
boxes are the text ``<name>/boxes/<key>``, in JSON, and its masks the picture ``<name>/masks/<key>``. The
pictures in a column of a table are those of ``<table>/<column>``. A histogram has no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from legm.errors import LegmError
from legm.importers.external_run import ExternalMedium
from legm.media.histograms import histogram_counts, pending_histogram_counts
from legm.records import MediaKind

__all__ = [
    "MOST_TABLE_BYTES",
    "captions_of_wandb_media",
    "wandb_histogram",
    "wandb_media",
    "wandb_media_in_table",
    "wandb_table_artifact",
]

MOST_TABLE_BYTES = 1 << 26
"""The size of a table in which media are looked for, at most."""

_KINDS = {
    "image-file": MediaKind.IMAGE,
    "images/separated": MediaKind.IMAGE,
    "audio-file": MediaKind.AUDIO,
    "audio": MediaKind.AUDIO,
    "video-file": MediaKind.VIDEO,
    "videos": MediaKind.VIDEO,
    "html-file": MediaKind.HTML,
    "html": MediaKind.HTML,
    "table-file": MediaKind.TABLE,
    "plotly-file": MediaKind.FIGURE,
    "object3D-file": MediaKind.OBJECT3D,
    "object3D": MediaKind.OBJECT3D,
    "molecule-file": MediaKind.OBJECT3D,
}
_OVERLAYS = {"boxes": MediaKind.TEXT, "masks": MediaKind.IMAGE}
_ARTIFACT_SCHEME = "wandb-client-artifact://"
_ONE_BY_ONE = ("audio", "videos", "html", "object3D")
"""The types of lists that hold a value of its own for each medium."""


def wandb_media(name: str, value: Any, step: int, time: float) -> Iterator[tuple[str, ExternalMedium]]:
    """The files of a value of the history, with what each shows.

    Args:
        name: of the value.
        value: as W&B stored it.
        step: of its row.
        time: of its row, in seconds since 1970.

    Yields:
        the path below the run's folder ``files``, and the medium.
    """
    kind = _KINDS.get(value.get("_type", "")) if isinstance(value, dict) else None
    if kind is None:
        return
    listed = next((one for one in map(value.get, _ONE_BY_ONE) if isinstance(one, list)), None)
    if listed is not None:
        for one in listed:
            if isinstance(one, dict):
                yield from wandb_media(name, one, step, time)
        return
    several = value.get("filenames")
    paths = several if isinstance(several, list) else [value.get("path")]
    captions = captions_of_wandb_media(value)
    for number, path in enumerate(paths):
        if isinstance(path, str) and path:
            caption = captions[number] if number < len(captions) else ""
            yield path, ExternalMedium(name, kind, step, time, caption)
    if kind is MediaKind.IMAGE:
        yield from _media_value_overlays(name, value, step, time)


def _media_value_overlays(
    name: str, value: Mapping[str, Any], step: int, time: float
) -> Iterator[tuple[str, ExternalMedium]]:
    """The boxes and masks of a picture, or of several ones, whose captions say then of which."""
    for sort, kind in _OVERLAYS.items():
        several = value.get(f"all_{sort}")
        listed = several if isinstance(several, list) else [value.get(sort)]
        found = [(number, one) for number, one in enumerate(listed) if isinstance(one, dict)]
        for key in dict.fromkeys(key for _, one in found for key in one):
            for number, one in found:
                about = one.get(key)
                path = about.get("path") if isinstance(about, dict) else None
                if isinstance(path, str) and path:
                    caption = f"picture {number}" if listed is several else ""
                    yield path, ExternalMedium(f"{name}/{sort}/{key}", kind, step, time, caption)


def wandb_histogram(value: Any) -> bytes | None:
    """A histogram of the history as legm stores one; None for another value."""
    if not isinstance(value, dict) or value.get("_type") != "histogram":
        return None
    edges, packed = value.get("bins"), value.get("packedBins")
    counts = value.get("values")
    try:
        if isinstance(packed, dict):  # bins of one width
            first, width = float(packed["min"]), float(packed["size"])
            edges = [first + width * number for number in range(int(packed["count"]) + 1)]
        if not isinstance(edges, list) or not isinstance(counts, list):
            return None
        content = pending_histogram_counts(
            [float(one) for one in edges], [float(one) for one in counts]
        ).encode()
        histogram_counts(content)
    except (LegmError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return content


def wandb_table_artifact(value: Any) -> str | None:
    """The id by which W&B's log knows the artifact with the media of a table; None for another value."""
    path = value.get("artifact_path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not path.startswith(_ARTIFACT_SCHEME):
        return None
    return path.removeprefix(_ARTIFACT_SCHEME).partition("/")[0]


def wandb_media_in_table(content: bytes, table: ExternalMedium) -> Iterator[tuple[str, ExternalMedium]]:
    """The files of the media in the cells of a table, with what each shows.

    Args:
        content: of the table's file in its artifact.
        table: the table.

    Yields:
        the path in the artifact, and the medium; its caption begins with the number of the row.

    Raises:
        ValueError: it is not a table of W&B.
    """
    found = json.loads(content)
    columns, rows = (found.get(key) for key in ("columns", "data")) if isinstance(found, dict) else (0, 0)
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise ValueError("a table of W&B has columns and data")  # noqa: TRY004 - of a file's content
    for at, column in enumerate(columns):
        cells = [row[at] if isinstance(row, list) and at < len(row) else None for row in rows]
        yield from _media_in_cells(f"{table.name}/{column}", cells, table)


def _media_in_cells(
    name: str, cells: Sequence[Any], table: ExternalMedium
) -> Iterator[tuple[str, ExternalMedium]]:
    """The media of a column, those of one kind and name one after the other."""
    found: dict[tuple[str, MediaKind, int, float], list[tuple[str, ExternalMedium]]] = {}
    for row, cell in enumerate(cells):
        for path, one in wandb_media(name, cell, table.step, table.time):
            caption = f"row {row}: {one.caption}" if one.caption else f"row {row}"
            medium = ExternalMedium(one.name, one.kind, one.step, one.time, caption)
            found.setdefault(medium.key, []).append((path, medium))
    for group in found.values():
        yield from group


def captions_of_wandb_media(value: Any) -> list[str]:
    """The captions of a value, one for each of its files; "" for none."""
    several = value.get("captions")
    found = several if isinstance(several, list) else [value.get("caption")]
    return [one if isinstance(one, str) else "" if one in (None, False) else str(one) for one in found]
