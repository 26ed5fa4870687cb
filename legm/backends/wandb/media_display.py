"""Media as W&B shows them, and the index by which they are read back.

Each medium is a row of the history with W&B's own type: ``Image``, ``Audio``, ``Video``, ``Histogram``,
``Table``, ``Html``, ``Plotly``. W&B has no type for a plain text, which is shown as a page. Beside it the run
has each file as it was logged, since W&B changes some and cuts others.
"""

from __future__ import annotations

import html
import importlib
import itertools
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import wandb

from legm.backends import portable
from legm.backends.portable_media import (
    BLOCK,
    MediaEntry,
    StoredMedia,
    content_of_portable_media,
    counting_media,
    read_media_entries,
    written_media_blocks,
)
from legm.backends.wandb import names
from legm.backends.wandb.history_upload import send_history_rows
from legm.backends.wandb.run_finder import FoundRun
from legm.media.histograms import histogram_counts
from legm.media.tables import media_table_columns
from legm.records import Media, MediaFile, MediaKind, Rewind

__all__ = ["WandbMedia", "read_wandb_media", "read_wandb_media_file", "send_rows_and_media"]

log = logging.getLogger(__name__)

_MOST_ROWS = 10_000  # of a table, as W&B shows
_MOST_BINS = 512  # of a histogram, which W&B accepts
_TEXT_PAGE = '<pre style="white-space: pre-wrap">{}</pre>'


class WandbMedia:
    """The media of a run, from its beginning: W&B gets all of a run again where it continues.

    Args:
        save: stores a file in the W&B run by its name.
    """

    def __init__(self, save: Callable[[str, bytes], object]) -> None:
        self._save = save
        self._entries: list[MediaEntry] = []
        self._stored = 0

    def add(self, medium: Media) -> None:
        """Store the files of a medium; equal ones once."""
        files = []
        for file in medium.files:
            content = content_of_portable_media(medium, file)
            name = names.wandb_media_file(file)
            if content is not None:
                self._save(name, content)
            files.append(replace(file, path=name))
        self._entries.append(StoredMedia(replace(medium, files=tuple(files))))

    def rewind(self, rewind: Rewind) -> None:
        """Note that media at a later step are void."""
        if self._entries:
            self._entries.append(rewind)

    def store_index(self) -> None:
        """Store what was added in the index."""
        if self._stored < len(self._entries):
            first = self._stored // BLOCK * BLOCK
            for name, data in written_media_blocks(self._entries[first:], first):
                self._save(name, data)
            self._stored = len(self._entries)


def read_wandb_media(found: FoundRun) -> list[Media]:
    """The media of a run that count.

    Raises:
        ValueError: the index is damaged.
    """
    with portable.checked_files(found.run.run_id):
        return counting_media(read_media_entries(found.read))


def read_wandb_media_file(found: FoundRun, file: MediaFile) -> bytes:
    """A file of a medium as it was logged.

    Raises:
        FileNotFoundError: the run does not have it.
    """
    data = found.read(file.path)
    if data is None:
        raise FileNotFoundError(f"the run {found.run.run_id} has no file {file.path}")
    return data


def send_rows_and_media(handle: Any, rows: Iterable[dict[str, Any] | Media]) -> None:
    """Log rows in order; a medium is one row, so that the number of rows does not depend on its files.

    Args:
        handle: the W&B run.
        rows: as of :func:`legm.backends.wandb.history_upload.send_history_rows`, and media.
    """
    for is_media, group in itertools.groupby(rows, lambda row: isinstance(row, Media)):
        if is_media:
            for medium in group:
                _log_wandb_medium(handle, medium)  # type: ignore[arg-type]
        else:
            send_history_rows(handle, group)  # type: ignore[arg-type]


def _log_wandb_medium(handle: Any, medium: Media) -> None:
    row = {names.STEP_KEY: medium.step, "_timestamp": medium.time}
    try:
        value = _wandb_media_value(medium)
        if value is not None:
            handle.log({names.wandb_media_key(medium.name): value, **row})
            return
    except Exception as error:  # noqa: BLE001 - W&B and Pillow raise many kinds of errors for damaged files
        log.warning("W&B does not show %r at step %d: %s", medium.name, medium.step, error)
    handle.log(row)


def _wandb_media_value(medium: Media) -> Any:
    """A medium as a value of W&B; None for one that W&B has no type for, or whose file is missing.

    Raises:
        Exception: it is damaged, or of a format that W&B does not accept.
    """
    files = [file for file in medium.files if Path(file.path).is_file()]
    if len(files) < len(medium.files):
        return None
    has_captions = any(file.caption for file in files)  # W&B shows those of a list if the first one has one
    values = [
        _wandb_media_file_value(medium.kind, file, file.caption if has_captions else None) for file in files
    ]
    if any(value is None for value in values):  # W&B's values cannot be compared with None
        return None
    return values[0] if len(values) == 1 else values


def _wandb_media_file_value(kind: MediaKind, file: MediaFile, caption: str | None) -> Any:
    path = Path(file.path)
    if kind is MediaKind.FIGURE and path.name.endswith(".plotly.json"):
        return _wandb_plotly_value(path.read_bytes())
    if kind in (MediaKind.IMAGE, MediaKind.FIGURE):
        return wandb.Image(str(path), caption=caption)
    if kind is MediaKind.AUDIO:
        rate = file.details.get("rate")
        return wandb.Audio(str(path), sample_rate=rate if isinstance(rate, int) else None, caption=caption)
    if kind is MediaKind.VIDEO:
        return wandb.Video(str(path), caption=caption)
    if kind is MediaKind.HISTOGRAM:
        return _wandb_histogram_value(path.read_bytes())
    if kind is MediaKind.TABLE:
        return _wandb_table_value(path.read_bytes())
    if kind is MediaKind.OBJECT3D:
        return wandb.Object3D(str(path))
    text = path.read_bytes().decode("utf-8", "replace")
    page = text if kind is MediaKind.HTML else _TEXT_PAGE.format(html.escape(text))
    return wandb.Html(page, inject=False, data_is_not_path=True)


def _wandb_plotly_value(content: bytes) -> Any:
    """A Plotly figure; None without the package plotly, which W&B needs."""
    try:
        graph_objects = importlib.import_module("plotly.graph_objects")
    except ImportError:
        return None
    return wandb.Plotly(graph_objects.Figure(json.loads(content), skip_invalid=True))


def _wandb_histogram_value(content: bytes) -> Any:
    """A histogram; neighbouring bins are joined where W&B accepts fewer."""
    edges, counts = histogram_counts(content)
    if not counts:
        return None
    import numpy as np

    width = -(-len(counts) // _MOST_BINS)
    joined = np.array([sum(counts[at : at + width]) for at in range(0, len(counts), width)])
    return wandb.Histogram(np_histogram=(joined, np.array([*edges[:-1:width], edges[-1]])))


def _wandb_table_value(content: bytes) -> Any:
    columns = media_table_columns(content)
    rows = itertools.islice(zip(*columns.values(), strict=True), _MOST_ROWS)
    return wandb.Table(columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)
