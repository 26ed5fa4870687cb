"""The media among the values of a W&B run's history: which of its files shows what, and when.

W&B stores a value such as ``{"_type": "image-file", "path": "media/images/a_3_0f.png", "caption": "…"}``, and
for several pictures ``{"_type": "images/separated", "filenames": [...], "captions": [...]}``. The paths are
below the folder ``files`` of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from legm.importers.external_run import ExternalMedium
from legm.records import MediaKind

__all__ = ["captions_of_wandb_media", "wandb_media"]

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


def captions_of_wandb_media(value: Any) -> list[str]:
    """The captions of a value, one for each of its files; "" for none."""
    several = value.get("captions")
    found = several if isinstance(several, list) else [value.get("caption")]
    return [one if isinstance(one, str) else "" if one in (None, False) else str(one) for one in found]
