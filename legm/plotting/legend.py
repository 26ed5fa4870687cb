"""The legend: beside the axes, or where that leaves them too little, below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from legm.plotting.names import truncate_distinct
from legm.plotting.style import Style
from legm.plotting.text import set_text, text_measurer

__all__ = ["add_legend"]

_MAX_LABEL_WIDTH = 19  # so wide is a label at most in legm's own size, in font sizes
_MAX_BESIDE_SHARE = 0.25  # this share of a given width may be the legend's,
_MIN_AXES_WIDTH = 30  # while so much is left, in font sizes
_MAX_INSIDE_SHARE = 0.6  # this share of width and height may be covered by a legend inside of the axes
_MIN_REST_SHARE = 0.85  # this share of a given height stays for the rest above a legend


def add_legend(axes: Axes, handles: Sequence[Line2D], names: Sequence[str], style: Style) -> None:
    """Add a legend; the figure grows for it, where the style fixes its size only as high as it must.

    Args:
        axes: what it belongs to, alone in its figure.
        handles, names: a line for each name.
        style: with ``legend.loc`` in it the legend is inside of the axes, while it fits there.
    """
    figure: Any = axes.figure
    font = style.font("legend.fontsize")
    em, width_of = font.get_size_in_points(), text_measurer(font)
    width, height = (float(inches) * 72 for inches in figure.get_size_inches())

    def made(room: float, **where: Any) -> tuple[Legend, float, float]:
        legend = _make_legend(axes, handles, style, **where)
        for text, label in zip(legend.get_texts(), truncate_distinct(names, room, width_of), strict=True):
            set_text(text, label, font)
        extent = legend.get_window_extent()
        return legend, extent.width * 72 / figure.dpi, extent.height * 72 / figure.dpi

    if "legend.loc" in style.given:
        legend, wide, high = made(_MAX_LABEL_WIDTH * em, loc=style.rc["legend.loc"], inside=True)
        if wide <= _MAX_INSIDE_SHARE * width and high <= _MAX_INSIDE_SHARE * height:
            return
        legend.remove()
    legend, wide, high = made(_MAX_LABEL_WIDTH * em, loc="outside right upper")
    if "figure.figsize" not in style.given:
        figure.set_size_inches((width + wide) / 72, max(height, high + 2 * em) / 72)
        return
    if wide <= min(_MAX_BESIDE_SHARE * width, width - _MIN_AXES_WIDTH * em) and high <= height - 2 * em:
        return
    legend.remove()
    gap, border = (style.rc[f"legend.{name}"] * em for name in ("columnspacing", "borderpad"))
    handle = (style.rc["legend.handlelength"] + style.rc["legend.handletextpad"]) * em
    room = width - 2 * em - 2 * border - handle
    widest = max(width_of(label) for label in truncate_distinct(names, room, width_of)) + handle
    columns = max(1, math.floor((width - 2 * em - 2 * border + gap) / (widest + gap)))
    rows = math.ceil(len(names) / columns)
    _, _, high = made(room, loc="outside lower center", ncols=math.ceil(len(names) / rows))
    figure.set_size_inches(width / 72, max(height, high + _MIN_REST_SHARE * height) / 72)


def _make_legend(
    axes: Axes, handles: Sequence[Line2D], style: Style, *, inside: bool = False, **where: Any
) -> Legend:
    """A legend whose labels are still to be set."""
    of = style.rc
    spaces = ("borderpad", "labelspacing", "handlelength", "handleheight", "handletextpad", "borderaxespad")
    looks = ("columnspacing", "numpoints", "markerscale", "frameon", "fancybox", "shadow", "framealpha")
    figure: Figure | Any = axes.figure
    legend: Legend = (axes if inside else figure).legend(
        handles,
        ["?"] * len(handles),
        facecolor=style.color("legend.facecolor", "axes.facecolor"),
        edgecolor=style.color("legend.edgecolor", "axes.edgecolor"),
        labelcolor=style.color("legend.labelcolor", "text.color"),
        prop=style.font("legend.fontsize"),
        **{name: of[f"legend.{name}"] for name in (*spaces, *looks)},
        **where,
    )
    legend.get_frame().set_linewidth(of["patch.linewidth"])
    return legend
