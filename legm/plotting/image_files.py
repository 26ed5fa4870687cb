"""Figures as the content of image files."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from legm.errors import LegmError, closest
from legm.plotting.style import Style

__all__ = ["FORMATS", "checked_formats", "render"]

FORMATS = ("png", "pdf", "svg")
_RC_LOCK = threading.Lock()


def checked_formats(formats: str | Sequence[str]) -> list[str]:
    """The image formats that a user asked for, each once.

    Args:
        formats: one or several of ``FORMATS``.

    Returns:
        the formats, in the order given.

    Raises:
        LegmError: a format does not exist, or there is none.
    """
    asked = [formats] if isinstance(formats, str) else list(formats)
    for one in asked:
        if one not in FORMATS:
            named = f"in the format {one!r}" if one else "under a name that does not end in a format"
            raise LegmError(f"figures cannot be saved {named}; {closest(str(one), FORMATS)}")
    if not asked:
        raise LegmError(f"formats= names no format; known: {', '.join(FORMATS)}")
    return list(dict.fromkeys(asked))


def render(figure: Figure, format: str, style: Style) -> bytes:
    """The content of an image file; it contains no date, so that equal figures give equal files.

    Args:
        figure: the figure.
        format: one of ``FORMATS``; PNG has the figure's resolution, the others are vector graphics.
        style: the style that the figure was drawn with.

    Returns:
        the content of the file.
    """
    buffer = io.BytesIO()
    dpi = figure.dpi
    if format == "png":
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        agg: Any = FigureCanvasAgg(figure)  # these calls have no types
        agg.print_png(buffer)
        return buffer.getvalue()
    with _image_writer_settings(style):
        try:
            if format == "pdf":
                from matplotlib.backends.backend_pdf import FigureCanvasPdf

                pdf: Any = FigureCanvasPdf(figure)
                pdf.print_pdf(buffer, metadata={"CreationDate": None})
            else:
                from matplotlib.backends.backend_svg import FigureCanvasSVG

                svg: Any = FigureCanvasSVG(figure)
                svg.print_svg(buffer, metadata={"Date": None})
        finally:
            figure.dpi = dpi  # these canvases change it to that of their format
    return buffer.getvalue()


@contextmanager
def _image_writer_settings(style: Style) -> Iterator[None]:
    """Set what the PDF and SVG writers only read from global settings, such as how fonts are embedded."""
    settings: Any = mpl.rcParams
    names = [name for name in style.rc if name.startswith(("pdf.", "svg."))]
    with _RC_LOCK:
        before = {name: settings[name] for name in names}
        settings.update({name: style.rc[name] for name in names})
        try:
            yield
        finally:
            settings.update(before)
