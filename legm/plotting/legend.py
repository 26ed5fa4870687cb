"""The legend: next to the axes, or below them if they would be too narrow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from legm.core.display_names import truncate_display_names
from legm.plotting.style import Style
from legm.plotting.text_rendering import set_rendered_text, text_measurer

__all__ = ["add_legend"]

_MAX_LABEL_WIDTH = 19  # in font sizes, unless the style sets a figure size
_MAX_SIDE_SHARE = 0.25  # of a given figure width, for a legend next to the axes
_MIN_AXES_WIDTH = 30  # in font sizes, with a legend next to the axes
_MAX_INSIDE_SHARE = 0.6  # of the figure's width and height, for a legend inside the axes
_MIN_REST_SHARE = 0.85  # of a given figure height, above a legend below the axes


def add_legend(axes: Axes, handles: Sequence[Line2D], names: Sequence[str], style: Style) -> None:
    """Add a legend, for which the figure grows; if the style sets the figure size, only in height.

    Args:
        axes: the only axes of their figure.
        handles, names: a line for each name.
        style: the style; with ``legend.loc`` the legend is inside the axes if it fits there.
    """
    figure: Any = axes.figure
    font = style.font("legend.fontsize")
    em, width_of = font.get_size_in_points(), text_measurer(font)
    width, height = (float(inches) * 72 for inches in figure.get_size_inches())

    def made(max_width: float, **where: Any) -> tuple[Legend, float, float]:
        legend = _make_legend(axes, handles, style, **where)
        for text, label in zip(
            legend.get_texts(), truncate_display_names(names, max_width, width_of), strict=True
        ):
            set_rendered_text(text, label, font)
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
    if wide <= min(_MAX_SIDE_SHARE * width, width - _MIN_AXES_WIDTH * em) and high <= height - 2 * em:
        return
    legend.remove()
    gap, border = (style.rc[f"legend.{name}"] * em for name in ("columnspacing", "borderpad"))
    handle = (style.rc["legend.handlelength"] + style.rc["legend.handletextpad"]) * em
    max_width = width - 2 * em - 2 * border - handle
    widest = max(width_of(label) for label in truncate_display_names(names, max_width, width_of)) + handle
    columns = max(1, math.floor((width - 2 * em - 2 * border + gap) / (widest + gap)))
    rows = math.ceil(len(names) / columns)
    _, _, high = made(max_width, loc="outside lower center", ncols=math.ceil(len(names) / rows))
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
