"""Figures and axes that look as a style says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import AutoMinorLocator, FixedLocator, NullLocator

from legm.plotting.names import truncate_middle, wrap_text
from legm.plotting.style import Style
from legm.plotting.text import annotate_text, set_text, text_measurer

__all__ = [
    "axes_size",
    "finalize_layout",
    "label_axis",
    "line_properties",
    "lock_layout",
    "make_figure",
    "style_axes",
    "tick_font",
    "write_heading",
]

_MAX_TICKS = 12  # more than a locator here ever asks for


def make_figure(width: float, height: float, style: Style, sides: tuple[float, float] = (0.0, 0.0)) -> Figure:
    """An empty figure.

    Args:
        width, height: in inches.
        style: its look.
        sides: how much is kept free to the left and to the right of what is laid out, in inches.
    """
    of = style.rc
    pads = {name: of[f"figure.constrained_layout.{name}"] for name in ("w_pad", "h_pad")}
    dpi = of["figure.dpi"] if of["savefig.dpi"] == "figure" else of["savefig.dpi"]
    rect = (sides[0] / width, 0, 1 - sum(sides) / width, 1)
    figure = Figure(
        (width, height),
        dpi=dpi,
        facecolor=style.background,
        edgecolor="none",
        linewidth=0,
        frameon=True,
        layout=ConstrainedLayoutEngine(**pads, hspace=0.02, wspace=0.02, rect=rect),
    )
    places = ("left", "right", "bottom", "top", "wspace", "hspace")
    figure.subplotpars.update(**{place: of[f"figure.subplot.{place}"] for place in places})
    return figure


def style_axes(axes: Axes, style: Style, grid: Literal["both", "x"]) -> None:
    """Give axes their look; the grid is legm's choice where the user's style says nothing of it."""
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
        _style_ticks(axis, name, style, gridded=gridded)


def _style_ticks(axis: Any, name: str, style: Style, *, gridded: bool) -> None:
    """The ticks of one axis; their labels' font is set on the ticks, which are all made here."""
    of, tick = style.rc, f"{name}tick"
    font = tick_font(style, name)
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


def tick_font(style: Style, name: str) -> FontProperties:
    """The font of an axis' tick labels, which may need signs that only matplotlib's own font has."""
    font = style.font(f"{name}tick.labelsize")
    font.set_family([*style.families, "DejaVu Sans"])
    return font


def label_axis(axis: Axis, text: str, style: Style, room: float) -> None:
    """Name an axis, cut to a room in points."""
    font = style.font("axes.labelsize", "axes.labelweight")
    axis.labelpad = style.rc["axes.labelpad"]
    set_text(
        axis.label, truncate_middle(text, room, text_measurer(font)), font, color=style.rc["axes.labelcolor"]
    )


def axes_size(axes: Axes) -> tuple[float, float]:
    """How wide and high axes are in points, once everything around them has its place."""
    figure: Any = axes.figure
    figure.get_layout_engine().execute(figure)
    scale = 72 / figure.dpi
    return axes.bbox.width * scale, axes.bbox.height * scale


def finalize_layout(every: Sequence[Axes]) -> tuple[float, float]:
    """Keep the ticks of x that suit the layout: at the next one, other ticks would need other margins.

    Args:
        every: the axes of a figure that is laid out; their locators are :class:`Ticks`.

    Returns:
        As :func:`axes_size`, of the first axes.
    """
    locators: list[Any] = [axes.xaxis.get_major_locator() for axes in every]
    while True:
        for axes, locator in zip(every, locators, strict=True):
            axes.xaxis.set_major_locator(FixedLocator(locator()))
        room = axes_size(every[0])
        crowded = [locator for locator in locators if not locator.fits()]
        if not crowded:
            return room
        for locator in crowded:
            locator.use_fewer()


def lock_layout(figure: Figure) -> Figure:
    """Lay a figure out for the last time, so that every format has the same layout."""
    engine: Any = figure.get_layout_engine()
    engine.execute(figure)
    figure.set_layout_engine("none")
    return figure


def write_heading(axes: Axes, title: str, caption: str, style: Style, room: float) -> None:
    """Put a title above axes, and a caption in smaller letters under it, both no wider than the room.

    They are titles to matplotlib, whose layout makes room for their height and not for their width.
    """
    of = style.rc
    place = of["axes.titlelocation"]
    at = ({"left": 0.0, "center": 0.5, "right": 1.0}[place], 1.0)
    small = style.font("small")
    lines = wrap_text(caption, room, text_measurer(small))
    told, faint = "\n".join(lines), {"color": style.faint, "linespacing": 1.3, "va": "bottom"}
    pad = of["axes.titlepad"]
    if not title:
        set_text(axes.set_title("", loc=place, pad=pad, y=1.0), told, small, **faint)
        return
    annotate_text(axes, told, small, at, (0, pad), ha=place, ma=place, in_layout=False, **faint)
    font = style.font("axes.titlesize", "axes.titleweight")
    above = axes.set_title("", loc=place, pad=pad + 1.3 * small.get_size_in_points() * len(lines) + 3, y=1.0)
    color = style.color("axes.titlecolor", "text.color")
    set_text(above, truncate_middle(title, room, text_measurer(font)), font, color=color, va="bottom")


def line_properties(style: Style) -> dict[str, Any]:
    """What matplotlib would else take from its global settings when it makes a line."""
    of = style.rc
    names = ("markeredgewidth", "markerfacecolor", "markeredgecolor", "antialiased", "solid_capstyle")
    return {
        name: of[f"lines.{name}"] for name in (*names, "solid_joinstyle", "dash_capstyle", "dash_joinstyle")
    }
