"""Figures of Matplotlib and Plotly."""

from __future__ import annotations

import io
from typing import Any

from legm.errors import MediaError
from legm.media.pending_file import PendingFile

__all__ = ["drawn_figure", "is_figure", "pending_figure"]


def is_figure(value: Any) -> bool:
    """Whether a value is a Matplotlib figure, what belongs to one, or pyplot, which has a current one."""
    return not isinstance(value, type) and (
        (hasattr(value, "savefig") and (hasattr(value, "get_axes") or hasattr(value, "gcf")))
        or hasattr(value, "get_figure")
    )


def pending_figure(name: str, figure: Any) -> PendingFile:
    """A figure as it is now.

    Args:
        name: under which it is shown, for errors.
        figure: a Matplotlib figure or axes, pyplot, or a Plotly figure.

    Raises:
        MediaError: it is none of these, or cannot be drawn.
    """
    if is_figure(figure):
        return drawn_figure(name, figure)
    if not isinstance(figure, type) and hasattr(figure, "to_plotly_json") and hasattr(figure, "to_json"):
        content = str(figure.to_json()).encode()
        return PendingFile(lambda: content, ".plotly.json", len(content))
    raise MediaError(f"{name!r} must be a Matplotlib or Plotly figure, not {type(figure).__qualname__}")


def drawn_figure(name: str, figure: Any) -> PendingFile:
    """A Matplotlib figure, drawn now: it may change, or be closed, as soon as the call returns.

    Args:
        name: under which it is shown, for errors.
        figure: a figure, axes, or pyplot.

    Raises:
        MediaError: it cannot be drawn.
    """
    whole = figure.gcf() if hasattr(figure, "gcf") else figure
    whole = whole.get_figure() if hasattr(whole, "get_figure") and not hasattr(whole, "savefig") else whole
    buffer = io.BytesIO()
    try:
        # Compressing little is quick, and drawing takes most of the time.
        whole.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
    except Exception as cause:
        raise MediaError(f"{name!r}: the figure cannot be drawn: {cause}") from cause
    content = buffer.getvalue()
    return PendingFile(lambda: content, ".png", len(content))
