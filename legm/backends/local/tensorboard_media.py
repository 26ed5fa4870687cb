"""Media as TensorBoard's plugins show them.

Each is a ``Summary.Value`` with the tensor that the plugin's own ``summary_v2.py`` documents: ``images`` a
vector of width, height and the encoded pictures as texts; ``audio`` rows of an encoded sound and its label;
``histograms`` rows of a bin's left edge, right edge and count; ``text`` a text.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from legm.media.histograms import histogram_counts
from legm.media.tables import media_table_columns, table_cell_text
from legm.records import Media, MediaKind

__all__ = ["tensorboard_media_value"]

log = logging.getLogger(__name__)

_PICTURES = (".png", ".gif", ".jpg", ".jpeg", ".bmp")  # what a browser shows, of what the plugin takes
_MOST_ROWS = 50  # of a table


def tensorboard_media_value(medium: Media) -> dict[str, Any] | None:
    """The fields of the ``Summary.Value`` that shows a medium, except its tag.

    Args:
        medium: the medium.

    Returns:
        None for a kind or format that TensorBoard has no view for, and for a damaged or missing file.

    Raises:
        OSError: a file cannot be read.
    """
    paths = [Path(one.path) for one in medium.files]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        log.warning("%s no longer exists, and is not shown at step %d", missing[0], medium.step)
        return None
    captions = "\n\n".join(filter(None, (one.caption for one in medium.files)))
    contents = [path.read_bytes() for path in paths]
    suffixes = {path.suffix for path in paths}
    value: dict[str, Any] | None = None
    if medium.kind in (MediaKind.IMAGE, MediaKind.FIGURE, MediaKind.VIDEO):
        value = _tensorboard_pictures(contents) if suffixes <= set(_PICTURES) else None
    elif medium.kind is MediaKind.AUDIO and suffixes == {".wav"}:
        value = _tensorboard_sounds(contents, [one.caption for one in medium.files])
    elif medium.kind is MediaKind.HISTOGRAM:
        value = _tensorboard_histogram(contents[0])
    elif medium.kind is MediaKind.TEXT:
        value = _tensorboard_text(contents[0])
    elif medium.kind is MediaKind.TABLE:
        value = _tensorboard_table(contents[0])
    if value is not None and captions:
        value["metadata"]["summary_description"] = captions.encode("utf-8", "replace").decode()
    return value


def _tensorboard_plugin_value(plugin: str, tensor: Mapping[str, Any], content: bytes = b"") -> dict[str, Any]:
    return {"metadata": {"plugin_data": {"plugin_name": plugin, "content": content}}, "tensor": tensor}


def _tensorboard_texts(values: Sequence[bytes], *shape: int) -> dict[str, Any]:
    dimensions = {"dim": [{"size": size} for size in shape]}
    return {"dtype": "DT_STRING", "string_val": list(values), "tensor_shape": dimensions}


def _tensorboard_pictures(contents: Sequence[bytes]) -> dict[str, Any] | None:
    from PIL import Image
    from tensorboard.plugins.image.plugin_data_pb2 import ImagePluginData

    try:
        with Image.open(io.BytesIO(contents[0])) as first:
            width, height = first.size
    except Exception:  # noqa: BLE001 - Pillow raises many kinds of errors for damaged files
        return None
    head = [str(width).encode(), str(height).encode()]
    data = ImagePluginData(version=0).SerializeToString()
    return _tensorboard_plugin_value(
        "images", _tensorboard_texts([*head, *contents], 2 + len(contents)), data
    )


def _tensorboard_sounds(contents: Sequence[bytes], captions: Sequence[str]) -> dict[str, Any]:
    from tensorboard.plugins.audio.plugin_data_pb2 import AudioPluginData

    labels = [caption.encode("utf-8", "replace") for caption in captions]
    rows = [text for pair in zip(contents, labels, strict=True) for text in pair]
    data = AudioPluginData(encoding=AudioPluginData.WAV).SerializeToString()
    return _tensorboard_plugin_value("audio", _tensorboard_texts(rows, len(contents), 2), data)


def _tensorboard_histogram(content: bytes) -> dict[str, Any] | None:
    try:
        edges, counts = histogram_counts(content)
    except ValueError:
        return None
    if not counts:
        return None
    rows = zip(edges[:-1], edges[1:], counts, strict=True)
    tensor = {
        "dtype": "DT_DOUBLE",
        "double_val": [float(number) for row in rows for number in row],
        "tensor_shape": {"dim": [{"size": len(counts)}, {"size": 3}]},
    }
    return _tensorboard_plugin_value("histograms", tensor)


def _tensorboard_text(content: bytes) -> dict[str, Any]:
    return _tensorboard_plugin_value("text", _tensorboard_texts([content]))


def _tensorboard_table(content: bytes) -> dict[str, Any] | None:
    try:
        columns = media_table_columns(content)
    except ValueError:
        return None
    return _tensorboard_text(_tensorboard_markdown(columns).encode("utf-8", "replace"))


def _tensorboard_markdown(columns: Mapping[str, Sequence[Any]]) -> str:
    """A table in Markdown, with its first rows and how many there are."""
    rows = list(zip(*columns.values(), strict=True))
    lines = [_tensorboard_markdown_row(columns), _tensorboard_markdown_row("---" for _ in columns)]
    lines += [_tensorboard_markdown_row(map(table_cell_text, row)) for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines.append(f"\nThe first {_MOST_ROWS} of {len(rows)} rows.")
    return "\n".join(lines)


def _tensorboard_markdown_row(cells: Any) -> str:
    return "| " + " | ".join(str(one).replace("|", "\\|").replace("\n", " ") for one in cells) + " |"
