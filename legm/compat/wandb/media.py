"""Objects that are logged as media: images, sounds, histograms, tables, HTML pages, charts."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from legm.compat.null_objects import NullObject
from legm.compat.script_session import SESSION
from legm.compat.wandb.errors import UsageError
from legm.core.plain_form import to_plain
from legm.core.texts import counted
from legm.errors import UnstableValue
from legm.media.histograms import pending_histogram_counts
from legm.media.pending_file import PendingFile, pending_copy
from legm.media.sounds import pending_sound
from legm.media.tables import pending_table
from legm.records import MediaKind

__all__ = [
    "Audio",
    "Chart",
    "Histogram",
    "Html",
    "Image",
    "Media",
    "Object3D",
    "Plotly",
    "Table",
    "Video",
    "captioned_media",
    "to_media",
]


def _media_array(values: Any) -> Any:
    """A NumPy array, also from a tensor that is on a device or in a graph."""
    import numpy as np

    for step in ("detach", "cpu"):
        if hasattr(values, step):
            values = getattr(values, step)()
    return np.asarray(values)


def _media_table_cell(value: Any) -> Any:
    if isinstance(value, Media):  # as W&B has it in a table, whose media are beside it
        return type(value).__name__
    try:
        return to_plain("a cell", value)
    except UnstableValue:
        return str(value)


_OF_THE_LIBRARY = frozenset({
    "MAX_DIMENSION", "MAX_ITEMS", "MAX_LENGTH", "EXTS", "SUPPORTED_POINT_CLOUD_TYPES", "SUPPORTED_TYPES",
    "all_boxes", "all_captions", "all_masks", "bind_to_run", "captions", "durations", "encode", "file_is_set",
    "from_json", "get_media_subdir", "guess_mode", "has_been_logged", "init_from_json", "inject_head",
    "is_bound", "make_plot_media", "path_is_reference", "resolve_ref", "sample_rates", "seq_to_json",
    "to_data_array", "to_json", "type_mapping", "with_suffix",
})  # fmt: skip
"""What wandb itself does with its media. No other name is answered: names distinguish kinds of values."""


class Media:
    """An object that is stored as a file, and logged as a medium of a kind; without one it is only a file."""

    media_kind: MediaKind | None = None
    extension = "json"
    caption: str | None = None

    def __getattr__(self, name: str) -> Any:
        if name not in _OF_THE_LIBRARY:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return NullObject(f"wandb.{type(self).__name__}.{name}", SESSION.notices)

    def content(self) -> bytes:
        """The content of the file."""
        raise NotImplementedError

    def pending(self, name: str) -> PendingFile:
        """The file of the medium that is logged under a name."""
        content = self.content()
        return PendingFile(lambda: content, f".{self.extension}", len(content), str(self.caption or ""))

    def inner(self) -> Iterator[tuple[str, list[Media]]]:
        """The media that belong to this one, such as masks over a picture, by what is added to its name."""
        yield from ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Image(Media):
    """An image: an array, a Matplotlib figure, a Pillow image, or an image file.

    Args:
        data_or_path: the image; an array is (height, width) or (height, width, 1, 3 or 4), and a tensor may
            have the channels first. If no number exceeds 1 the range is 0 to 1, else 0 to 255.
        mode: Pillow's mode.
        caption: a caption.
        boxes: boxes over the image, by key, as W&B takes them.
        masks: masks over the image, by key, each with ``mask_data`` or a ``path``.
    """

    media_kind = MediaKind.IMAGE
    extension = "png"

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        *,
        boxes: Mapping[str, Any] | None = None,
        masks: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self.caption = caption
        self._png = _png_media(data_or_path, mode)
        self._boxes = {key: _compact_media_json(one) for key, one in (boxes or {}).items()}
        self._masks = {key: _media_mask(one) for key, one in (masks or {}).items()}

    @property
    def image(self) -> Any:
        """The picture as Pillow has it."""
        from PIL import Image as Pillow

        return Pillow.open(io.BytesIO(self._png))

    def content(self) -> bytes:
        """The image as PNG."""
        return self._png

    def inner(self) -> Iterator[tuple[str, list[Media]]]:
        """Its boxes, as JSON, and its masks, as pictures."""
        for key, text in self._boxes.items():
            yield f"boxes/{key}", [_JsonMedia(text, MediaKind.TEXT, "boxes2d.json")]
        for key, mask in self._masks.items():
            yield f"masks/{key}", [mask]


class _Figure(Image):
    """A figure of Matplotlib, as it is now."""

    media_kind = MediaKind.FIGURE


def _compact_media_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=_media_table_cell)


def _media_mask(mask: Mapping[str, Any]) -> Image:
    import numpy as np

    if "path" in mask:
        return Image(mask["path"])
    return Image(_media_array(mask["mask_data"]).astype(np.uint8))


def _png_media(data: Any, mode: str | None) -> bytes:
    from PIL import Image as Pillow

    if isinstance(data, Image):
        return data.content()
    file = io.BytesIO()
    if isinstance(data, (str, Path)):
        with Pillow.open(data) as picture:
            picture.save(file, "PNG")
    elif hasattr(data, "savefig"):
        data.savefig(file, format="png")
    elif hasattr(data, "gcf"):
        data.gcf().savefig(file, format="png")
    elif isinstance(data, Pillow.Image):
        data.save(file, "PNG")
    else:
        Pillow.fromarray(_media_image_pixels(data), mode).save(file, "PNG")
    return file.getvalue()


def _media_image_pixels(data: Any) -> Any:
    import numpy as np

    tensor = hasattr(data, "detach")
    array = _media_array(data)
    if array.ndim == 3 and tensor and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3):
        raise UsageError(f"an image must have 2 or 3 dimensions, not {array.ndim}")
    if array.dtype == np.uint8:
        return array
    array = np.nan_to_num(array.astype(float))
    if array.size and array.min() < 0 and array.min() >= -1 and array.max() <= 1:
        array = (array + 1) / 2
    if array.size and array.max() <= 1:
        array = array * 255
    return np.clip(array, 0, 255).astype(np.uint8)


class Histogram(Media):
    """A histogram.

    Args:
        sequence: the values.
        np_histogram: the result of ``numpy.histogram``, instead of the values.
        num_bins: the number of bins.
    """

    media_kind = MediaKind.HISTOGRAM

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        import numpy as np

        if np_histogram is not None:
            counts, edges = np_histogram
        else:
            values = _media_array(sequence).ravel()
            counts, edges = np.histogram(values[np.isfinite(values)], bins=num_bins)
        self.histogram = np.asarray(counts).tolist()
        self.bins = np.asarray(edges).tolist()

    def content(self) -> bytes:
        """Counts and edges as JSON."""
        return json.dumps({"values": self.histogram, "bins": self.bins}).encode()

    def pending(self, name: str) -> PendingFile:
        """Counts and edges as legm stores them."""
        return pending_histogram_counts(self.bins, self.histogram)


class _TableIndex(int):
    """The number of a row, by which another table refers to it."""

    table: Table

    @classmethod
    def of(cls, table: Table, number: int) -> _TableIndex:
        found = cls(number)
        found.table = table
        return found

    def get_row(self) -> dict[Any, Any]:
        """The row's values by column."""
        return dict(zip(self.table.columns, self.table.data[self], strict=True))


class Table(Media):
    """A table.

    Args:
        columns: the names of the columns.
        data: the rows.
        rows: the same, by wandb's older name.
        dataframe: a pandas data frame instead.
    """

    media_kind = MediaKind.TABLE
    MAX_ROWS = 10_000
    MAX_ARTIFACT_ROWS = 200_000

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        **_: Any,
    ) -> None:
        given = data if data is not None else rows
        frame = dataframe if dataframe is not None else given if hasattr(given, "itertuples") else None
        if frame is not None:
            self.columns = list(columns or frame.columns)
            self.data = [list(row) for row in frame.itertuples(index=False, name=None)]
            return
        self.data = [list(row) for row in (given if given is not None else [])]
        if columns is None:
            columns = ["Input", "Output", "Expected"] if not self.data else range(len(self.data[0]))
        self.columns = list(columns)

    def add_data(self, *data: Any) -> None:
        """Add a row."""
        if len(data) != len(self.columns):
            columns = counted(len(self.columns), "column")
            raise ValueError(f"the table has {columns}, but the row has {counted(len(data), 'value')}")
        self.data.append(list(data))

    add_row = add_data

    def add_column(self, name: str, data: Sequence[Any]) -> None:
        """Add a column."""
        values = list(data)
        if self.data and len(values) != len(self.data):
            rows = counted(len(self.data), "row")
            raise ValueError(f"the table has {rows}, but the column has {counted(len(values), 'value')}")
        if not self.data:
            self.data, self.columns = [[] for _ in values], []
        self.columns.append(name)
        for row, value in zip(self.data, values, strict=True):
            row.append(value)

    def get_column(self, name: str, convert_to: str | None = None) -> Any:
        """The values of a column."""
        at = self.columns.index(name)
        values = [row[at] for row in self.data]
        return _media_array(values) if convert_to == "numpy" else values

    def get_dataframe(self) -> Any:
        """The table as a pandas data frame."""
        import pandas as pd

        return pd.DataFrame(self.data, columns=self.columns)

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """Each row with its number."""
        return iter(zip(self.get_index(), self.data, strict=True))

    def get_index(self) -> list[int]:
        """The numbers of all rows, by which other tables refer to them."""
        return [self.index_ref(number) for number in range(len(self.data))]

    def index_ref(self, index: int) -> int:
        """The number of a row."""
        return _TableIndex.of(self, index)

    def add_computed_columns(self, fn: Callable[[int, dict[Any, Any]], Mapping[Any, Any]]) -> None:
        """Add columns of what a function makes of each row.

        Args:
            fn: given a row's number and its values by column, the new values by column.
        """
        found = [fn(index, _TableIndex.of(self, index).get_row()) for index in range(len(self.data))]
        for name in dict.fromkeys(name for row in found for name in row):
            self.add_column(name, [row[name] for row in found])

    def cast(self, col_name: str, dtype: Any, optional: bool = False) -> Any:
        """Nothing: of which type the values of a column are is seen from them."""
        return dtype

    def set_pk(self, col_name: str) -> None:
        """Nothing: the column stays as it is."""

    def set_fk(self, col_name: str, table: Table, table_col: str) -> None:
        """Nothing: the column has the other table's values already."""

    def content(self) -> bytes:
        """Columns and rows as JSON."""
        rows = [[_media_table_cell(cell) for cell in row] for row in self.data]
        return json.dumps({"columns": self.columns, "data": rows}).encode()

    def pending(self, name: str) -> PendingFile:
        """The table as legm stores it; W&B's may have several columns of one name."""
        names = [str(column) for column in self.columns]
        if len(set(names)) < len(names) or not names:
            return super().pending(name)
        rows = [[_media_table_cell(cell) for cell in row] for row in self.data]
        return pending_table(name, {column: [row[at] for row in rows] for at, column in enumerate(names)})

    def inner(self) -> Iterator[tuple[str, list[Media]]]:
        """The media in its columns; the caption of each begins with the number of its row."""
        for at, column in enumerate(self.columns):
            cells = [(row, cells[at]) for row, cells in enumerate(self.data) if at < len(cells)]
            media = [captioned_media(f"row {row}", cell) for row, cell in cells if isinstance(cell, Media)]
            if media:
                yield str(column), media


def captioned_media(before: str, medium: Media) -> Media:
    """A medium with another caption, which begins with a text."""
    found = copy(medium)
    found.caption = f"{before}: {medium.caption}" if medium.caption else before
    return found


class Html(Media):
    """An HTML page: its text, an open file, or with ``data_is_not_path=False`` its path."""

    media_kind = MediaKind.HTML
    extension = "html"

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        if hasattr(data, "read"):
            data = data.read()
        elif not data_is_not_path and "<" not in str(data) and Path(str(data)).is_file():
            data = Path(str(data)).read_text(encoding="utf-8")
        self.html = str(data)

    def content(self) -> bytes:
        """The page."""
        return self.html.encode()


class Audio(Media):
    """A sound.

    Args:
        data_or_path: samples, of shape (samples,) or (samples, channels), or the path of a file.
        sample_rate: samples per second (Hz); not needed for a file.
        caption: a caption.
    """

    media_kind = MediaKind.AUDIO

    def __init__(
        self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None, **_: Any
    ) -> None:
        self.caption = caption
        if not isinstance(data_or_path, (str, Path)):
            data_or_path = _media_audio_samples(data_or_path)
        self._sound = pending_sound("wandb.Audio", data_or_path, sample_rate)
        self.extension = self._sound.extension.lstrip(".")

    def content(self) -> bytes:
        """The sound."""
        return self._sound.encode()

    def pending(self, name: str) -> PendingFile:
        """The sound, which is encoded later."""
        return replace(self._sound, caption=str(self.caption or ""))


def _media_audio_samples(data: Any) -> Any:
    """Samples as W&B writes them, which cuts what is too loud."""
    import numpy as np

    samples = _media_array(data)
    return np.nan_to_num(samples).clip(-1, 1) if samples.dtype.kind == "f" else samples


class _FileMedia(Media):
    """A file of the user's, as it is now.

    Args:
        data_or_path: its path.
        caption: a caption.
    """

    def __init__(self, data_or_path: Any, *_: Any, caption: str | None = None, **__: Any) -> None:
        self.caption = caption
        self._content: bytes
        if not isinstance(data_or_path, (str, os.PathLike)):
            kind = type(self).__name__
            SESSION.notices.report_unsupported(f"wandb.{kind} of a {type(data_or_path).__qualname__}")
            self.media_kind, self.extension, self._content = None, "txt", repr(data_or_path).encode()
            return
        file = pending_copy(f"wandb.{type(self).__name__}", Path(data_or_path))
        self.extension, self._content = file.extension.lstrip("."), file.encode()

    def content(self) -> bytes:
        """The file."""
        return self._content


class Video(_FileMedia):
    """A video file."""

    media_kind = MediaKind.VIDEO


class Object3D(_FileMedia):
    """A scene or points: a file, an array of shape (points, 3 to 6), or W&B's dictionary of a scene."""

    media_kind = MediaKind.OBJECT3D

    def __init__(self, data_or_path: Any, *_: Any, caption: str | None = None, **others: Any) -> None:
        if isinstance(data_or_path, (str, os.PathLike)):
            super().__init__(data_or_path, caption=caption, **others)
            return
        self.caption, self.extension = caption, "pts.json"
        is_scene = isinstance(data_or_path, Mapping)
        scene = dict(data_or_path) if is_scene else _media_array(data_or_path).tolist()
        self._content = _compact_media_json(scene).encode()

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: str | None = None) -> Object3D:
        """A scene in a file."""
        return cls(data_or_path, file_type=file_type)

    @classmethod
    def from_numpy(cls, data: Any) -> Object3D:
        """Points."""
        return cls(data)

    @classmethod
    def from_point_cloud(
        cls, points: Any, boxes: Any, vectors: Any = None, point_cloud_type: str = "lidar/beta"
    ) -> Object3D:
        """Points with boxes around some of them."""
        return cls({"type": point_cloud_type, "points": points, "boxes": boxes, "vectors": vectors or []})


class Chart(Media):
    """A table, and how to draw it."""

    def __init__(self, kind: str, table: Table, title: str | None = None, **fields: Any) -> None:
        self.kind = kind
        self.table = table
        self.title = title
        self.fields = fields

    def content(self) -> bytes:
        """The table and how to draw it, as JSON."""
        head = {"chart": self.kind, "title": self.title, **self.fields}
        return json.dumps({**head, **json.loads(self.table.content())}).encode()


class _JsonMedia(Media):
    def __init__(self, text: str, kind: MediaKind | None = None, extension: str = "json") -> None:
        self.media_kind, self.extension = kind, extension
        self._text = text

    def content(self) -> bytes:
        return self._text.encode()


class Plotly(_JsonMedia):
    """A figure of Plotly.

    Args:
        figure: the figure.
    """

    def __init__(self, figure: Any) -> None:
        super().__init__(figure.to_json(), MediaKind.FIGURE, "plotly.json")


def to_media(value: Any) -> Media | None:
    """The file for a value that is not a number; None if the kind of value is unknown."""
    if isinstance(value, Media):
        return value
    if hasattr(value, "savefig") or (hasattr(value, "gcf") and hasattr(value, "figure")):
        return _Figure(value)
    if hasattr(value, "to_plotly_json"):
        return Plotly(value)
    if type(value).__module__.partition(".")[0] == "PIL":
        return Image(value)
    if hasattr(value, "itertuples"):
        return Table(dataframe=value)
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return _JsonMedia(
            json.dumps(_media_table_cell(_media_array(value) if hasattr(value, "detach") else value))
        )
    return None
