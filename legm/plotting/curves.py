"""Figures of curves with their spread, of a configuration's metrics or of several configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from legm.core.texts import counted
from legm.plotting.axes import (
    axes_line_properties,
    axes_size,
    axes_tick_font,
    finalize_axes_layout,
    label_axis,
    lock_axes_layout,
    make_figure_for_axes,
    style_axes,
    write_axes_heading,
)
from legm.plotting.legend import add_legend
from legm.plotting.readable_names import axis_name_with_unit, readable_names
from legm.plotting.style import Style, StyleSheets
from legm.plotting.text_rendering import render_annotation
from legm.plotting.ticks import FittingTickLocator, TickLabelFormatter, step_labels, tick_labels, tick_limits
from legm.records import Curve
from legm.stats.downsampling import Line, line
from legm.stats.number_formatting import spread_description

__all__ = ["UnfinishedCurve", "plot_configurations", "plot_curves"]

_MIN_AXES_SIZE = 6  # width and height, in font sizes


@dataclass(frozen=True, slots=True)
class UnfinishedCurve:
    """The curve of one run that is not completed; it is drawn separately, and never part of an average.

    Args:
        name: what the legend calls it: the run, with its status.
        like: the metric, or the configuration, whose colour it has.
        curve: of this run alone.
    """

    name: str
    like: str
    curve: Curve


@dataclass(frozen=True, slots=True)
class _NamedCurve:
    """A curve, its name in the legend, and the number of its runs.

    Args:
        name: in the legend.
        curve: the curve.
        runs: over how many runs it is; 0 where no run has a number.
        like: the name whose colour it has; its own, unless it is an unfinished run's.
        is_unfinished: whether it is the curve of an unfinished run.
    """

    name: str
    curve: Curve
    runs: int
    like: str
    is_unfinished: bool = False


def plot_curves(
    curves: Sequence[Curve],
    title: str,
    runs: int,
    style: Style | StyleSheets = None,
    unfinished: Sequence[UnfinishedCurve] = (),
    note: str = "",
) -> Figure:
    """Draw the curves of one or several metrics of a configuration.

    Args:
        curves: the curves, in the order of colours and of the legend.
        title: the title above the figure; "" for none.
        runs: the number of completed runs of the curves; a single run has no spread.
        style: see :meth:`legm.plotting.Style.of`.
        unfinished: curves of runs that are not completed, each like one of the metrics.
        note: the end of the caption; "" for none.

    Returns:
        the figure, by default about 6 by 4 inches plus its legend.
    """
    names = [curve.metric for curve in curves]
    entries = [
        _NamedCurve(name, one, runs, one.metric)
        for name, one in zip(readable_names(names), curves, strict=True)
    ]
    entries += [_NamedCurve(one.name, one.curve, 0, one.like, is_unfinished=True) for one in unfinished]
    metrics = {entry.curve.metric for entry in entries}
    (label,) = [axis_name_with_unit(one, one) for one in metrics] if len(metrics) == 1 else ["value"]
    return _draw_curves(entries, title, label, runs, Style.of(style), legend=len(entries) > 1, note=note)


def plot_configurations(
    curves: Mapping[str, Curve] | Sequence[tuple[str, Curve]],
    title: str,
    style: Style | StyleSheets = None,
    unfinished: Sequence[UnfinishedCurve] = (),
    note: str = "",
    averaged: str = "run",
) -> Figure:
    """Draw the curves of one metric of several configurations.

    Args:
        curves: by the configuration's name, in the order of colours and of the legend; up to about 20 are
            readable.
        title: the title above the figure; "" for none.
        style: see :meth:`legm.plotting.Style.of`.
        unfinished: curves of runs that are not completed, each like one of the configurations.
        note: the end of the caption: how the configurations were selected; "" for none.
        averaged: what each curve is over, in the singular: "configuration" for curves of groups.

    Returns:
        the figure, by default about 6 by 4 inches plus its legend.
    """
    pairs = list(curves.items()) if isinstance(curves, Mapping) else list(curves)
    entries = [_NamedCurve(name, one, int(one.runs.max(initial=0)), name) for name, one in pairs]
    entries += [_NamedCurve(one.name, one.curve, 0, one.like, is_unfinished=True) for one in unfinished]
    metrics = {entry.curve.metric for entry in entries}
    (label,) = [axis_name_with_unit(one, one) for one in metrics] if len(metrics) == 1 else ["value"]
    runs = max((entry.runs for entry in entries), default=0)
    return _draw_curves(
        entries, title, label, runs, Style.of(style), legend=True, note=note, averaged=averaged
    )


def _draw_curves(
    entries: Sequence[_NamedCurve],
    title: str,
    label: str,
    runs: int,
    style: Style,
    *,
    legend: bool,
    note: str = "",
    averaged: str = "run",
) -> Figure:
    """Draw curves; texts are truncated to the size of the axes."""
    width, height = style.rc["figure.figsize"]
    em = style.size("font.size")
    figure = make_figure_for_axes(max(width, 14 * em / 72), max(height, 12 * em / 72), style)
    axes = figure.add_subplot()
    style_axes(axes, style, "both")
    lines = [line(entry.curve) for entry in entries]
    looks = _curve_line_styles(style, entries)
    for entry, drawn, look in zip(entries, lines, looks, strict=True):
        _draw_curve(axes, drawn, look, style, band=entry.runs > 1)
    _set_curve_limits(axes, entries, lines, style)
    for axis, name, most, labels in (
        (axes.xaxis, "x", 6, step_labels),
        (axes.yaxis, "y", 9, tick_labels),
    ):
        font = axes_tick_font(style, name)
        axis.set_major_locator(FittingTickLocator(most, labels, font, integer=name == "x"))
        axis.set_major_formatter(TickLabelFormatter(labels))
    label_axis(axes.xaxis, "step", style, width * 72)
    label_axis(axes.yaxis, "x", style, height * 72)
    if legend and entries:
        thick = style.rc["lines.linewidth"]
        handles = [
            Line2D([], [], **{"linewidth": thick, **axes_line_properties(style), **look}) for look in looks
        ]
        add_legend(axes, handles, [entry.name for entry in entries], style)
    wide, high = axes_size(axes)
    missing = np.maximum([_MIN_AXES_SIZE * em - wide, (_MIN_AXES_SIZE + 4) * em - high], 0)
    if missing.any():
        figure.set_size_inches(*(figure.get_size_inches() + missing / 72))
        axes_size(axes)
    wide, high = finalize_axes_layout([axes])
    label_axis(axes.yaxis, label, style, high - (3 * em if title else 0))
    write_axes_heading(axes, title, _curves_caption(entries, lines, runs, note, averaged), style, wide)
    return lock_axes_layout(figure)


def _curve_line_styles(style: Style, entries: Sequence[_NamedCurve]) -> list[dict[str, Any]]:
    """The line properties of curves: the style's cycle, with dashes when it repeats.

    The curve of an unfinished run is thin and dotted, in the colour of what it is like.
    """
    cycle = list(style.rc["axes.prop_cycle"])
    dashes = [(0, style.rc[f"lines.{name}_pattern"]) for name in ("dashed", "dashdot", "dotted")]
    strokes = ["-", *dashes]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(entry.like for entry in entries))}
    thin = {"linestyle": strokes[-1], "linewidth": 0.6 * style.rc["lines.linewidth"]}
    looks = []
    for entry in entries:
        i = numbers[entry.like]
        stroke = strokes[i // len(cycle) % len(strokes)]
        look = {"color": style.rc["lines.color"], "linestyle": stroke, **cycle[i % len(cycle)]}
        looks.append({**look, **thin} if entry.is_unfinished else look)
    return looks


def _set_curve_limits(
    axes: Axes, entries: Sequence[_NamedCurve], lines: Sequence[Line], style: Style
) -> None:
    """Set the limits of the axes so that every point and its spread is inside."""
    axes.set_xlim(*tick_limits([x for one in lines for x in (*one.steps[:1], *one.steps[-1:])], 0.02, 1.0))
    ends = [
        end
        for entry, one in zip(entries, lines, strict=True)
        for end in (one.center, *((one.lower, one.upper) if entry.runs > 1 else ()))
    ]
    seen = np.concatenate([*ends, []])
    seen = seen[~np.isnan(seen)]
    axes.set_ylim(*tick_limits([seen.min(), seen.max()] if len(seen) else [0.0, 1.0], 0.05, 0.1))
    if not len(seen):
        axes.yaxis.set_visible(False)
        font = style.font("font.size")
        render_annotation(
            axes, "no finite values", font, (0.5, 0.5), ha="center", va="center", color=style.faint
        )


def _draw_curve(axes: Axes, drawn: Line, look: dict[str, Any], style: Style, *, band: bool) -> None:
    """One center line with its spread; single points get a marker and an error bar."""
    there = np.pad(~np.isnan(drawn.center), 1)
    alone = there[1:-1] & ~there[:-2] & ~there[2:]
    few = len(drawn.steps) <= 30
    thick = style.rc["lines.linewidth"]
    dots = style.rc["lines.markersize"]
    common = axes_line_properties(style)
    shown = {
        "linewidth": thick if len(drawn.steps) <= 2000 else thick / 2,
        "marker": style.rc["lines.marker"] if "lines.marker" in style.given else "o" if few else "",
        "markersize": dots,
        **common,
        **look,
    }
    axes.plot(drawn.steps, drawn.center, **shown)
    color = look["color"]
    if band:
        axes.fill_between(
            drawn.steps, drawn.lower, drawn.upper, color=color, alpha=0.18, linewidth=0, antialiased=True
        )
    single = {**common, "color": color, "linestyle": "none"}
    if alone.any():
        centers = drawn.center[alone]
        ends = np.stack([centers - drawn.lower[alone], drawn.upper[alone] - centers])
        axes.errorbar(
            drawn.steps[alone],
            centers,
            yerr=np.maximum(ends, 0) if band else None,
            marker="o",
            markersize=1.4 * dots if few else 0.6 * dots,
            elinewidth=0.75 * thick,
            capsize=style.rc["errorbar.capsize"],
            **single,
        )
    for marker, steps, edge in (("^", drawn.above, 1.0), ("v", drawn.below, 0.0)):
        if len(steps):
            axes.plot(
                steps,
                np.full(len(steps), edge),
                marker=marker,
                markersize=1.4 * dots,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                **single,
            )


def _curves_caption(
    entries: Sequence[_NamedCurve], lines: Sequence[Line], runs: int, note: str, averaged: str
) -> str:
    """What the band is, over how many runs, and what is not where one would look for it."""
    unfinished = sum(entry.is_unfinished for entry in entries)
    entries = [entry for entry in entries if not entry.is_unfinished]
    counts = {entry.runs for entry in entries} or {runs}
    least = min(counts)
    count = counted(runs, averaged) if runs else "no completed run"
    if least < runs:
        count = f"{least} to {count}"
    spreads = "; ".join(dict.fromkeys(spread_description(entry.curve.method) for entry in entries))
    pieces = [f"{spreads} over {count}" if runs > 1 and entries else count]
    fewer = np.concatenate([entry.curve.runs < entry.runs for entry in entries] or [np.zeros(1, bool)])
    if fewer.any():
        where = "all" if fewer.all() else "most" if fewer.mean() > 0.5 else "some"
        pieces[0] += f", fewer at {where} steps" if runs > 1 else f", no value at {where} steps"
    if unfinished:
        pieces.append("dotted: a run that is not completed, not averaged")
    if any(len(one.above) for one in lines):
        pieces.append("▲ is +∞")
    if any(len(one.below) for one in lines):
        pieces.append("▼ is \N{MINUS SIGN}∞")
    if note:
        pieces.append(note)
    return "; ".join(pieces)
