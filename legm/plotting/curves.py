"""Curves with their spread, in one picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from legm.plotting.names import cut, labels_of, readable, width_of, with_unit
from legm.plotting.style import COLOURS, DASHES, FAINT, dress, make_figure
from legm.plotting.text import set_text, spread_name, write
from legm.plotting.thinning import Line, line
from legm.plotting.ticks import TickLabels, limits, step_labels, tick_labels
from legm.records import Curve

__all__ = ["plot_curves"]


def plot_curves(curves: Sequence[Curve], title: str, runs: int) -> Figure:
    """Draw the curves of one metric or of a group of metrics into one picture.

    Args:
        curves: what to draw, in the order of colours and of the legend.
        title: stands above the picture.
        runs: how many completed runs the curves are over; a single one has no spread.

    Returns:
        The figure, about 6 by 4 inches beside its legend, at 150 dots an inch.
    """
    names = [curve.metric for curve in curves]
    labels = labels_of(readable(names), 34)
    legend = len(curves) > 1
    room = 0.7 + 0.075 * max(map(width_of, labels)) if legend else 0
    figure = make_figure(6.4 + room, max(4.0, 0.9 + 0.21 * len(labels) * legend))
    axes = dress(figure.add_subplot(), "both")
    lines = [line(curve) for curve in curves]
    handles = []
    for i, drawn in enumerate(lines):
        look: dict[str, Any] = {"color": COLOURS[i % 8], "linestyle": DASHES[i // 8 % 4]}
        _draw_line(axes, drawn, look, band=runs > 1)
        handles.append(Line2D([], [], linewidth=1.6, **look))

    axes.set_xlim(*limits([x for one in lines for x in (*one.steps[:1], *one.steps[-1:])], 0.02, 1.0))
    ends = [np.concatenate((one.center, *((one.lower, one.upper) if runs > 1 else ()))) for one in lines]
    seen = np.concatenate([*ends, []])
    seen = seen[~np.isnan(seen)]
    axes.set_ylim(*limits([seen.min(), seen.max()] if len(seen) else [0.0, 1.0], 0.05, 0.1))
    if not len(seen):
        axes.set_yticks([])
        write(axes, "no finite values", (0.5, 0.5), (0, 0), ha="center", va="center", color=FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(TickLabels(step_labels))
    axes.yaxis.set_major_formatter(TickLabels(tick_labels))
    name = with_unit(names[0]) if len(set(names)) == 1 else "value"
    set_text(axes.set_xlabel(""), "step", fontsize=10)
    set_text(axes.set_ylabel(""), cut(name, 48), fontsize=10)
    caption = textwrap.wrap(_caption(curves, lines, runs), 88)
    write(axes, "\n".join(caption), (0, 1), (0, 6), fontsize=8, color=FAINT, linespacing=1.3)
    write(axes, cut(title, 62), (0, 1), (0, 9 + 11 * len(caption)), fontsize=11.5)
    if legend:
        drawn_legend = figure.legend(
            handles, ["?"] * len(labels), loc="outside right upper", frameon=False, handlelength=2.6
        )
        for text, label in zip(drawn_legend.get_texts(), labels, strict=True):
            set_text(text, label)
    return figure


def _draw_line(axes: Axes, drawn: Line, look: dict[str, Any], *, band: bool) -> None:
    """One center line with its spread; single points get a marker and an error bar."""
    there = np.pad(~np.isnan(drawn.center), 1)
    alone = there[1:-1] & ~there[:-2] & ~there[2:]
    few = len(drawn.steps) <= 30
    thick = 1.6 if len(drawn.steps) <= 2000 else 0.8
    axes.plot(drawn.steps, drawn.center, linewidth=thick, marker="o" if few else "", markersize=3.5, **look)
    if band:
        axes.fill_between(drawn.steps, drawn.lower, drawn.upper, color=look["color"], alpha=0.18, linewidth=0)
    if alone.any():
        centers = drawn.center[alone]
        ends = np.stack([centers - drawn.lower[alone], drawn.upper[alone] - centers])
        axes.errorbar(
            drawn.steps[alone],
            centers,
            yerr=np.maximum(ends, 0) if band else None,
            color=look["color"],
            linestyle="none",
            marker="o",
            markersize=5 if few else 2,
            elinewidth=1.2,
            capsize=3,
        )
    for marker, steps, edge in (("^", drawn.above, 1.0), ("v", drawn.below, 0.0)):
        if len(steps):
            axes.plot(
                steps,
                np.full(len(steps), edge),
                linestyle="none",
                marker=marker,
                markersize=5,
                color=look["color"],
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )


def _caption(curves: Sequence[Curve], lines: Sequence[Line], runs: int) -> str:
    """What the band is, over how many runs, and what is not where one would look for it."""
    count = f"{runs} run{'s' * (runs != 1)}" if runs else "no completed run"
    spreads = "; ".join(dict.fromkeys(spread_name(curve.method) for curve in curves))
    pieces = [f"{spreads} over {count}" if runs > 1 and curves else count]
    if any((curve.runs < runs).any() for curve in curves):
        pieces[0] += ", fewer at some steps" if runs > 1 else ", no value at some steps"
    if any(len(one.above) for one in lines):
        pieces.append("▲ is +∞")
    if any(len(one.below) for one in lines):
        pieces.append("▼ is \N{MINUS SIGN}∞")
    return "; ".join(pieces)
