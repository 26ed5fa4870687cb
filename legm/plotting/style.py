"""How legm's pictures look."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from legm.plotting.text import FONT, INK

__all__ = ["COLOURS", "DASHES", "FAINT", "INK", "dress", "make_figure"]

_DPI = 150
FAINT, _GRID = "#666666", "#e4e4e4"
# The colours of M. Okabe and K. Ito, Color Universal Design, 2008, those with most contrast to white first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DASHES = ("-", "--", "-.", ":")


def make_figure(width: float, height: float) -> Figure:
    """An empty white figure; width and height in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)
    return Figure((width, height), dpi=_DPI, facecolor="white", edgecolor="white", layout=layout)


def dress(axes: Axes, grid: Any) -> Axes:
    """Axes with a light grid and without a box around them."""
    axes.set_facecolor("white")
    axes.set_axisbelow(True)
    axes.grid(visible=False)
    axes.grid(visible=True, axis=grid, color=_GRID, linewidth=0.8, linestyle="-")
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set(visible=side in {"bottom", "left"}, color=FAINT, linewidth=0.8)
    axes.tick_params(
        colors=FAINT,
        labelcolor=INK,
        labelsize=9,
        labelfontfamily=FONT,
        direction="out",
        width=0.8,
        length=3.5,
        top=False,
        right=False,
    )
    return axes
