"""Figures and axes in a style."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal, cast

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import AutoMinorLocator, FixedLocator, NullLocator

from legm.core.display_names import truncate_display_name
from legm.plotting.readable_names import wrap_name
from legm.plotting.style import Style
from legm.plotting.text_rendering import render_annotation, set_rendered_text, text_measurer

__all__ = [
    "axes_line_properties",
    "axes_size",
    "axes_tick_font",
    "finalize_axes_layout",
    "label_axis",
    "lock_axes_layout",
    "make_figure_for_axes",
    "style_axes",
    "write_axes_heading",
]

_MAX_TICKS = 12  # more than any locator here chooses


class NotebookFigure(Figure):
    """A figure that a notebook shows as the last value of a cell, though pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        buffer, agg = io.BytesIO(), cast("Any", FigureCanvasAgg(self))  # its calls have no types
        agg.print_png(buffer)
        return buffer.getvalue()


def make_figure_for_axes(
    width: float, height: float, style: Style, sides: tuple[float, float] = (0.0, 0.0)
) -> Figure:
    """An empty figure with a constrained layout.

    Args:
        width, height: in inches.
        style: the style.
        sides: the space to the left and right that the layout leaves free, in inches.
    """
    of = style.rc
    pads = {name: of[f"figure.constrained_layout.{name}"] for name in ("w_pad", "h_pad")}
    dpi = of["figure.dpi"] if of["savefig.dpi"] == "figure" else of["savefig.dpi"]
    rect = (sides[0] / width, 0, 1 - sum(sides) / width, 1)
    figure = NotebookFigure(
        (width, height),
        dpi=dpi,
        facecolor=style.background,
        edgecolor="none",
        linewidth=0,
        frameon=True,
        layout=ConstrainedLayoutEngine(**pads, hspace=0.02, wspace=0.02, rect=rect),
    )
    names = ("left", "right", "bottom", "top", "wspace", "hspace")
    figure.subplotpars.update(**{name: of[f"figure.subplot.{name}"] for name in names})
    return figure


def style_axes(axes: Axes, style: Style, grid: Literal["both", "x"]) -> None:
    """Apply a style to axes.

    Args:
        axes: the axes.
        style: the style.
        grid: which axis gets a grid, unless the user's style sets it.
    """
    of = style.rc
    axes.set_facecolor("none" if of["savefig.transparent"] else of["axes.facecolor"])
    axes.set_axisbelow(of["axes.axisbelow"])
    for side, spine in axes.spines.items():
        spine.set(
            visible=of[f"axes.spines.{side}"], color=of["axes.edgecolor"], linewidth=of["axes.linewidth"]
        )
    wanted = of["axes.grid.axis"] if "axes.grid.axis" in style.given else grid
    for axis, name in ((axes.xaxis, "x"), (axes.yaxis, "y")):
        gridded = of["axes.grid"] and wanted in {name, "both"}
        _style_axes_ticks(axis, name, style, gridded=gridded)


def _style_axes_ticks(axis: Any, name: str, style: Style, *, gridded: bool) -> None:
    """Style the ticks of one axis, which are all created here so that their labels get the font."""
    of, tick = style.rc, f"{name}tick"
    font = axes_tick_font(style, name)
    for which in ("major", "minor"):
        sides = ("bottom", "top") if name == "x" else ("left", "right")
        marks = {side: of[f"{tick}.{side}"] and of[f"{tick}.{which}.{side}"] for side in sides}
        labels = {f"label{side}": which == "major" and of[f"{tick}.label{side}"] for side in sides}
        axis.axes.tick_params(
            axis=name,
            which=which,
            reset=True,
            length=of[f"{tick}.{which}.size"],
            width=of[f"{tick}.{which}.width"],
            pad=of[f"{tick}.{which}.pad"],
            direction=of[f"{tick}.direction"],
            color=of[f"{tick}.color"],
            labelcolor=style.color(f"{tick}.labelcolor", f"{tick}.color"),
            labelsize=font.get_size_in_points(),
            labelfontfamily=font.get_family(),
            **marks,
            **labels,
        )
        axis.grid(visible=False, which=which)
        if gridded and of["axes.grid.which"] in {which, "both"}:
            lines = {look: of[f"grid.{look}"] for look in ("color", "linestyle", "linewidth", "alpha")}
            axis.grid(visible=True, which=which, **lines)
    minor = AutoMinorLocator(of[f"{tick}.minor.ndivs"]) if of[f"{tick}.minor.visible"] else NullLocator()
    axis.set_minor_locator(minor)
    side = {("ha" if name == "x" else "va"): of[f"{tick}.alignment"]}
    for one in axis.get_major_ticks(_MAX_TICKS):
        one.gridline.set(antialiased=True, solid_capstyle=of["lines.solid_capstyle"])
        for label in (one.label1, one.label2):
            label.set(fontproperties=font, antialiased=True, parse_math=False, usetex=False, **side)


def axes_tick_font(style: Style, name: str) -> FontProperties:
    """The font of an axis' tick labels, with DejaVu Sans as fallback for signs."""
    font = style.font(f"{name}tick.labelsize")
    font.set_family([*style.families, "DejaVu Sans"])
    return font


def label_axis(axis: Axis, text: str, style: Style, max_width: float) -> None:
    """Set the label of an axis, truncated to a width in points."""
    font = style.font("axes.labelsize", "axes.labelweight")
    axis.labelpad = style.rc["axes.labelpad"]
    set_rendered_text(
        axis.label,
        truncate_display_name(text, max_width, text_measurer(font)),
        font,
        color=style.rc["axes.labelcolor"],
    )


def axes_size(axes: Axes) -> tuple[float, float]:
    """The width and height of axes, in points, after laying out their figure."""
    figure: Any = axes.figure
    figure.get_layout_engine().execute(figure)
    scale = 72 / figure.dpi
    return axes.bbox.width * scale, axes.bbox.height * scale


def finalize_axes_layout(every: Sequence[Axes]) -> tuple[float, float]:
    """Fix the ticks of x, since new ticks in the next layout would need other margins.

    Args:
        every: all axes of a figure that was laid out, with :class:`FittingTickLocator` locators.

    Returns:
        the width and height of the first axes, in points.
    """
    locators: list[Any] = [axes.xaxis.get_major_locator() for axes in every]
    while True:
        for axes, locator in zip(every, locators, strict=True):
            axes.xaxis.set_major_locator(FixedLocator(locator()))
        size = axes_size(every[0])
        crowded = [locator for locator in locators if not locator.fits()]
        if not crowded:
            return size
        for locator in crowded:
            locator.use_fewer()


def lock_axes_layout(figure: Figure) -> Figure:
    """Lay out a figure a last time, so that every file format has the same layout."""
    engine: Any = figure.get_layout_engine()
    engine.execute(figure)
    figure.set_layout_engine("none")
    return figure


def write_axes_heading(axes: Axes, title: str, caption: str, style: Style, max_width: float) -> None:
    """Write a title above axes, and a smaller caption below it.

    They are titles for matplotlib, whose layout reserves space for their height but not for their width.

    Args:
        axes: the axes.
        title: the title; "" for none.
        caption: the caption, which is wrapped.
        style: the style.
        max_width: the available width, in points.
    """
    of = style.rc
    location = of["axes.titlelocation"]
    at = ({"left": 0.0, "center": 0.5, "right": 1.0}[location], 1.0)
    small = style.font("small")
    lines = wrap_name(caption, max_width, text_measurer(small))
    text, faint = "\n".join(lines), {"color": style.faint, "linespacing": 1.3, "va": "bottom"}
    pad = of["axes.titlepad"]
    if not title:
        set_rendered_text(axes.set_title("", loc=location, pad=pad, y=1.0), text, small, **faint)
        return
    render_annotation(axes, text, small, at, (0, pad), ha=location, ma=location, in_layout=False, **faint)
    font = style.font("axes.titlesize", "axes.titleweight")
    above = axes.set_title(
        "", loc=location, pad=pad + 1.3 * small.get_size_in_points() * len(lines) + 3, y=1.0
    )
    color = style.color("axes.titlecolor", "text.color")
    set_rendered_text(
        above, truncate_display_name(title, max_width, text_measurer(font)), font, color=color, va="bottom"
    )


def axes_line_properties(style: Style) -> dict[str, Any]:
    """The properties of a line that matplotlib would otherwise read from its global settings."""
    of = style.rc
    names = ("markeredgewidth", "markerfacecolor", "markeredgecolor", "antialiased", "solid_capstyle")
    return {
        name: of[f"lines.{name}"] for name in (*names, "solid_joinstyle", "dash_capstyle", "dash_joinstyle")
    }
