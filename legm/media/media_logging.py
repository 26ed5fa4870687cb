"""The calls of a handler that log pictures, sounds, tables and the like."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from legm.errors import MediaError
from legm.media.pending_file import PendingFile, pending_copy, pending_files_with_captions, pending_text
from legm.records import MediaKind
from legm.runlog.recorded_values import to_recorded_step

__all__ = ["MediaLogging", "MediaTarget"]

_OBJECTS_3D = (".obj", ".gltf", ".glb", ".stl", ".ply", ".off", ".pdb", ".json")
_VIDEOS = (".mp4", ".webm", ".gif", ".mov", ".mkv", ".avi")


class MediaTarget(Protocol):
    """Takes the media of a run."""

    def add(self, name: str, kind: MediaKind, files: Iterable[PendingFile], step: int | None) -> None:
        """Add a medium; see :meth:`legm.media.media_writer.MediaWriter.add`."""


class MediaLogging:
    """The calls that log media; each is one record of the run, at a step, with a file that holds it whole.

    The caller's data is copied, and encoded and written on another thread. Where more than 64 MiB wait, a
    call takes as long as writing takes. ``step=None`` is the step after the last medium of this name.

    Every call raises a :class:`~legm.errors.MediaError` where a name, shape, type or range is wrong, and then
    logs nothing, and a :class:`~legm.errors.StateError` where there is no run.
    """

    __slots__ = ()

    def _media_of(self, call: str) -> MediaTarget:
        raise NotImplementedError

    def _add_media(
        self, call: str, name: str, kind: MediaKind, files: list[PendingFile], caption: Any, step: Any
    ) -> None:
        files = pending_files_with_captions(name, files, caption)
        at = None if step is None else to_recorded_step(name, step)
        self._media_of(call).add(name, kind, files, at)

    def log_image(
        self, name: str, image: Any, step: int | None = None, caption: str | Sequence[str] | None = None
    ) -> None:
        """Log a picture, or several as one record.

        Args:
            name: under which it is shown.
            image: an array of shape (height, width) or (height, width, channels), uint8, bool, or floats in
                [0, 1], with 1 to 4 channels; a PyTorch tensor of shape (height, width) or (channels, height,
                width); a Pillow image; a Matplotlib figure; the path of a file; or a list of these.
            step: a whole number.
            caption: a text; for a list one for each picture.

        Raises:
            MediaError: a shape, type or range is wrong.
            StateError: there is no run.
        """
        from legm.media.pictures import pending_pictures

        self._add_media("log_image()", name, MediaKind.IMAGE, pending_pictures(name, image), caption, step)

    def log_figure(self, name: str, figure: Any, step: int | None = None, caption: str | None = None) -> None:
        """Log a figure as it is now; it is drawn before the call returns.

        Args:
            name: under which it is shown.
            figure: a Matplotlib figure or axes, pyplot, or a Plotly figure.
            step: a whole number.
            caption: a text.

        Raises:
            MediaError: it is not a figure, or cannot be drawn.
            StateError: there is no run.
        """
        from legm.media.figures import pending_figure

        self._add_media("log_figure()", name, MediaKind.FIGURE, [pending_figure(name, figure)], caption, step)

    def log_audio(
        self,
        name: str,
        samples: Any,
        rate: int | None = None,
        step: int | None = None,
        caption: str | None = None,
    ) -> None:
        """Log a sound.

        Args:
            name: under which it is shown.
            samples: int16, or floats in [-1, 1], of shape (samples,) or (samples, channels); a PyTorch tensor
                of shape (samples,) or (channels, samples); or the path of a file.
            rate: samples per second (Hz); not needed for a file.
            step: a whole number.
            caption: a text.

        Raises:
            MediaError: a shape, type, range or the rate is wrong.
            StateError: there is no run.
        """
        from legm.media.sounds import pending_sound

        self._add_media(
            "log_audio()", name, MediaKind.AUDIO, [pending_sound(name, samples, rate)], caption, step
        )

    def log_video(
        self, name: str, path: str | os.PathLike[str], step: int | None = None, caption: str | None = None
    ) -> None:
        """Log a video, which is copied as it is.

        Args:
            name: under which it is shown.
            path: the file: .mp4, .webm, .gif, .mov, .mkv or .avi.
            step: a whole number.
            caption: a text.

        Raises:
            MediaError: it is not such a file, or cannot be read.
            StateError: there is no run.
        """
        pending = _pending_media_path(name, "a video", path, _VIDEOS)
        self._add_media("log_video()", name, MediaKind.VIDEO, [pending], caption, step)

    def log_object3d(
        self, name: str, path: str | os.PathLike[str], step: int | None = None, caption: str | None = None
    ) -> None:
        """Log a 3D object, which is copied as it is.

        Args:
            name: under which it is shown.
            path: the file: .obj, .gltf, .glb, .stl, .ply, .off, .pdb, or .json as W&B stores points.
            step: a whole number.
            caption: a text.

        Raises:
            MediaError: it is not such a file, or cannot be read.
            StateError: there is no run.
        """
        pending = _pending_media_path(name, "a 3D object", path, _OBJECTS_3D)
        self._add_media("log_object3d()", name, MediaKind.OBJECT3D, [pending], caption, step)

    def log_histogram(self, name: str, values: Any, step: int | None = None, *, bins: int = 64) -> None:
        """Log how numbers are distributed.

        Args:
            name: under which it is shown.
            values: an array, tensor or nested lists of any shape; NaN and infinite values are counted beside
                the bins.
            step: a whole number.
            bins: the number of bins of equal width, from the smallest finite value to the largest one.

        Raises:
            MediaError: these are no numbers, or there is none.
            StateError: there is no run.
        """
        from legm.media.histograms import pending_histogram

        self._add_media(
            "log_histogram()", name, MediaKind.HISTOGRAM, [pending_histogram(name, values, bins)], None, step
        )

    def log_text(self, name: str, text: str, step: int | None = None) -> None:
        """Log a text, which TensorBoard shows as Markdown.

        Args:
            name: under which it is shown.
            text: the text.
            step: a whole number.

        Raises:
            MediaError: it is not a text.
            StateError: there is no run.
        """
        self._add_media(
            "log_text()", name, MediaKind.TEXT, [pending_text(name, "a text", text, ".txt")], None, step
        )

    def log_table(self, name: str, table: Any, step: int | None = None) -> None:
        """Log a table.

        Args:
            name: under which it is shown.
            table: a mapping from column names to columns of equal length; a list of rows, each a mapping from
                column names to values; or a table of pandas, polars or Arrow. Values other than numbers,
                booleans, texts and None are kept as their text.
            step: a whole number.

        Raises:
            MediaError: it is not a table.
            StateError: there is no run.
        """
        from legm.media.tables import pending_table

        self._add_media("log_table()", name, MediaKind.TABLE, [pending_table(name, table)], None, step)

    def log_html(self, name: str, html: str | os.PathLike[str], step: int | None = None) -> None:
        """Log a page.

        Args:
            name: under which it is shown.
            html: the page as a text, or a file as a path object.
            step: a whole number.

        Raises:
            MediaError: it is neither, or the file cannot be read.
            StateError: there is no run.
        """
        if isinstance(html, os.PathLike):
            pending = pending_copy(name, Path(html), (".html", ".htm"))
        else:
            pending = pending_text(name, "a page as a text, or a path object", html, ".html")
        self._add_media("log_html()", name, MediaKind.HTML, [pending], None, step)


def _pending_media_path(name: str, what: str, path: object, extensions: tuple[str, ...]) -> PendingFile:
    """A copy of the file at a path.

    Raises:
        MediaError: it is not a path, or not of such a file, or cannot be read.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise MediaError(f"{name!r} must be the path of {what}, not {type(path).__qualname__}")
    return pending_copy(name, Path(path), extensions)
