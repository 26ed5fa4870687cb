"""A figure as a file's content."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["png"]


def png(figure: Figure) -> bytes:
    """The picture as a PNG file's content, at the figure's own resolution."""
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib gives print_png no types
    canvas.print_png(buffer)
    return buffer.getvalue()
