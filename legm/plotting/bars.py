"""Rankings as horizontal bars with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from legm.core.code_versions import different_code_note
from legm.core.direction import merge_direction_rules
from legm.core.display_names import display_names, group_display_names, truncate_display_names
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
from legm.plotting.readable_names import axis_name_with_unit
from legm.plotting.style import Style, StyleSheets
from legm.plotting.text_rendering import render_annotation, text_measurer
from legm.plotting.ticks import FittingTickLocator, TickLabelFormatter, tick_labels, tick_limits
from legm.records import Ranked, RankedGroup
from legm.stats.aggregate import aggregate_interval
from legm.stats.downsampling import clip_downsampled
from legm.stats.number_formatting import (
    number_decimals_for,
    spread_description,
    typographic_number,
    value_text,
)
from legm.stats.run_counts import split_summary_key
from legm.stats.value_choice import choice_note, value_title

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["plot_bars"]

_MAX_BARS = 50
_DEFAULT_WIDTH = 9.0  # in inches, unless the style sets it
_MAX_NAME_WIDTH = 26  # in font sizes
_MIN_BAR_SHARE = 0.3  # of the width, for the bars; with less, names and numbers are written above them
_TEXT_OFFSET = 7  # in points, between bars and their names or numbers


@dataclass(frozen=True, slots=True)
class _BarPanel:
    """What is written around the bars of one metric."""

    title: str
    shown: Sequence[Ranked] | Sequence[RankedGroup]
    names: list[str]
    numbers: list[str]
    caption: str


@dataclass(frozen=True, slots=True)
class _BarLayout:
    """The positions of names and numbers; all but the last in points.

    Args:
        width: the picture's.
        numbers: the width of the widest number.
        max_width: the available width for a name next to the bars.
        left, right: the space reserved there for names and numbers.
        above: whether names and numbers are above their bars.
    """

    width: float
    numbers: float
    max_width: float
    left: float
    right: float
    above: bool


def plot_bars(
    rankings: Mapping[str, Sequence[Ranked] | Sequence[RankedGroup]],
    title: str,
    style: Style | StyleSheets = None,
    note: str = "",
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Draw rankings as horizontal bars, with a panel for each metric.

    Args:
        rankings: by summary key (``best_loss``), the configurations or groups of them, best first; at most 50
            are drawn.
        title: the title above the figure; "" for none.
        style: see :meth:`legm.plotting.Style.of`.
        note: the end of the first panel's caption, such as what is averaged; "" for none.
        labels: by fingerprint, what configurations are called in paths; by default by the ranking's folders.

    Returns:
        the figure, 9 inches wide unless the style sets the width, and as high as its bars need.
    """
    style = Style.of(style)
    found = [one for ranking in rankings.values() for one in _bar_members(ranking[:_MAX_BARS])]
    titles = display_names([one.configuration for one in found], _bar_labels(found) | dict(labels or {}))
    panels = [_make_bar_panel(key, ranking, titles) for key, ranking in rankings.items()]
    every_shown = {
        one.configuration.fingerprint: one for panel in panels for one in _bar_members(panel.shown)
    }
    for text in (note, *different_code_note(one.code for one in every_shown.values())):
        if text and panels:
            panels[0] = replace(panels[0], caption=f"{panels[0].caption}; {text}")
    plan = _plan_bar_layout(panels, style)
    line, base = style.size("ytick.labelsize"), style.size("font.size")
    pitch = (3.2 if plan.above else 2.2) * line
    heights = [6 * base + pitch * max(1, len(panel.shown)) for panel in panels]
    above = 1.5 * style.size("axes.titlesize") * bool(title)
    sides = plan.left / 72, plan.right / 72
    figure = make_figure_for_axes(plan.width / 72, (above + sum(heights) or 6 * base) / 72, style, sides)
    if not panels:
        return figure
    ratios = [heights[0] + above, *heights[1:]]
    every = list(figure.subplots(len(panels), 1, squeeze=False, height_ratios=ratios)[:, 0])
    for axes, panel in zip(every, panels, strict=True):
        style_axes(axes, style, "x")
        _draw_bars(axes, panel, plan, style)
    axes_size(every[0])
    wide, _ = finalize_axes_layout(every)
    for axes, panel in zip(every, panels, strict=True):
        max_width = wide - plan.numbers - line if plan.above else plan.max_width
        _write_bar_names(axes, panel, max_width, style, above=plan.above)
        heading = title if axes is every[0] else ""
        write_axes_heading(axes, heading, panel.caption, style, wide + plan.right)
    return lock_axes_layout(figure)


def _bar_members(shown: Sequence[Ranked] | Sequence[RankedGroup]) -> list[Ranked]:
    """The configurations, and those in groups."""
    return [each for one in shown for each in (one.members if isinstance(one, RankedGroup) else (one,))]


def _make_bar_panel(
    key: str, ranking: Sequence[Ranked] | Sequence[RankedGroup], titles: Mapping[str, str]
) -> _BarPanel:
    shown = ranking[:_MAX_BARS]
    kind = "groups" if any(isinstance(one, RankedGroup) for one in shown) else "configurations"
    digits = number_decimals_for([one.value for one in shown])
    runs = [_bar_runs_text(one) for one in shown]
    same = len(set(runs)) == 1 and "," not in runs[0]
    numbers = [typographic_number(value_text(one.value, digits)) for one in shown]
    known = [one for one in shown if one.value.n]
    caption = "; ".join(
        dict.fromkeys(spread_description(one.value.method) for one in known if one.value.n > 1)
    )
    if known and same:
        caption = f"{caption} over {runs[0]}" if caption else runs[0]
    if not same:
        numbers = [f"{number}   ({count})" for number, count in zip(numbers, runs, strict=True)]
    if len(ranking) > len(shown):
        caption += f"; the best {len(shown)} of {len(ranking)} {kind}"
    rules = merge_direction_rules(one.rules for one in shown)
    pieces = [caption] if caption else []
    if known:
        pieces += filter(None, [str(shown[0].direction), choice_note(key, rules)])
    names = _bar_names(shown, titles)
    title = axis_name_with_unit(value_title(key, rules), split_summary_key(key)[0])
    return _BarPanel(title, shown, names, numbers, "; ".join(pieces) or "no completed run has a value")


def _plan_bar_layout(panels: Sequence[_BarPanel], style: Style) -> _BarLayout:
    """Place names left of the bars and numbers right of them, or both above if bars would be too short."""
    font = axes_tick_font(style, "y")
    em, width_of = font.get_size_in_points(), text_measurer(font)
    width = 72 * (style.rc["figure.figsize"][0] if "figure.figsize" in style.given else _DEFAULT_WIDTH)
    numbers = max((width_of(text) for panel in panels for text in panel.numbers), default=0.0)
    names = max((width_of(name[:200]) for panel in panels for name in panel.names), default=0.0)
    edges = 2 * (_TEXT_OFFSET + 72 * style.rc["figure.constrained_layout.w_pad"])
    max_width = width - numbers - edges - _MIN_BAR_SHARE * width
    if max_width >= min(names, 10 * em):
        max_width = min(max_width, _MAX_NAME_WIDTH * em)
        names = max(
            (width_of(n) for p in panels for n in truncate_display_names(p.names, max_width, width_of)),
            default=0.0,
        )
        return _BarLayout(
            width, numbers, max_width, names + _TEXT_OFFSET, numbers + _TEXT_OFFSET, above=False
        )
    return _BarLayout(max(width, numbers + edges + 16 * em), numbers, 0.0, 0.0, 0.0, above=True)


def _draw_bars(axes: Axes, panel: _BarPanel, plan: _BarLayout, style: Style) -> None:
    """Draw the bars of a panel."""
    shown, of = panel.shown, style.rc
    positions = np.arange(len(shown)) + (0.2 if plan.above else 0)
    centers, lower, upper = _bar_intervals(shown)
    best = next(iter(of["axes.prop_cycle"])).get("color", of["lines.color"])
    axes.barh(
        positions,
        np.nan_to_num(centers),
        height=0.4 if plan.above else 0.64,
        color=[best if not i else style.towards_background(best, 0.45) for i in range(len(shown))],
        edgecolor=of["patch.edgecolor"] if of["patch.force_edgecolor"] else "none",
        linewidth=of["patch.linewidth"],
        antialiased=True,
    )
    axes.errorbar(
        centers,
        positions,
        xerr=np.maximum([centers - lower, upper - centers], 0),  # NaN, and so not drawn, of a single run
        linestyle="none",
        color=of["text.color"],
        elinewidth=0.6 * of["lines.linewidth"],
        capthick=0.6 * of["lines.linewidth"],
        capsize=of["errorbar.capsize"],
        **{name: value for name, value in axes_line_properties(style).items() if name != "markeredgewidth"},
    )
    _set_bar_limits(axes, np.concatenate((centers, lower, upper)), len(shown), style)
    axes.yaxis.set_major_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FittingTickLocator(6, tick_labels, axes_tick_font(style, "x")))
    axes.xaxis.set_major_formatter(TickLabelFormatter(tick_labels))
    label_axis(axes.xaxis, panel.title, style, plan.width / 2)


def _write_bar_names(axes: Axes, panel: _BarPanel, max_width: float, style: Style, *, above: bool) -> None:
    """Write the name and number of each bar, next to it or above it."""
    font = axes_tick_font(style, "y")
    names = truncate_display_names(panel.names, max_width, text_measurer(font))
    look = {
        "on": axes.get_yaxis_transform(),
        "va": "bottom" if above else "center",
        "color": style.color("ytick.labelcolor", "ytick.color"),
        "in_layout": False,  # space is reserved for them
    }
    inwards, outwards = ("left", "right") if above else ("right", "left")
    name_away, number_away = ((3, 2), (0, 2)) if above else ((-_TEXT_OFFSET, 0), (_TEXT_OFFSET, 0))
    for row, (name, number) in enumerate(zip(names, panel.numbers, strict=True)):
        render_annotation(axes, name, font, (0, row), name_away, ha=inwards, **look)
        render_annotation(axes, number, font, (1, row), number_away, ha=outwards, **look)


def _set_bar_limits(axes: Axes, seen: FloatArray, bars: int, style: Style) -> None:
    """Set the limits of the axes so that zero, every bar and its spread are inside."""
    least, most = seen.min(initial=0.0, where=~np.isnan(seen)), seen.max(initial=0.0, where=~np.isnan(seen))
    low, high = tick_limits([least, most], 0.03, 1.0)
    axes.set_xlim(low if least < 0 else 0.0, high if most > 0 or least == 0 else 0.0)
    axes.set_ylim(max(bars, 1) - 0.4, -0.6)
    if least < 0:
        axes.axvline(
            0,
            color=style.faint,
            linewidth=style.rc["axes.linewidth"],
            linestyle="-",
            **axes_line_properties(style),
        )


def _bar_intervals(shown: Sequence[Ranked] | Sequence[RankedGroup]) -> FloatArray:
    """The centers and the ends of the spreads, shape (3, n)."""
    return clip_downsampled(np.array([aggregate_interval(one.value) for one in shown]).reshape(-1, 3).T)


def _bar_labels(found: Sequence[Ranked]) -> dict[str, str]:
    """By fingerprint, the names of folders, whose numbers distinguish equal names; without one, the name."""
    return {
        one.configuration.fingerprint: PurePath(one.folder).name if one.folder else one.configuration.name
        for one in found
    }


def _bar_names(shown: Sequence[Ranked] | Sequence[RankedGroup], titles: Mapping[str, str]) -> list[str]:
    groups = [one for one in shown if isinstance(one, RankedGroup)]
    if groups:
        return group_display_names(groups)
    return [titles[one.configuration.fingerprint] for one in _bar_members(shown)]


def _bar_runs_text(one: Ranked | RankedGroup) -> str:
    """The number of runs of a bar, and of those that are not in it, or repeat a seed."""
    if isinstance(one, RankedGroup):
        return f"{counted(len(one.members), 'configuration')}, {counted(one.runs, 'run')}"
    counts = {
        **one.left_out,
        "NaN": one.value.nan,
        "without the metric": one.missing,
        "with a repeated seed": one.repeated,
    }
    others = [f"{count} {kind}" for kind, count in counts.items() if count]
    return ", ".join([counted(one.runs, "run"), *others])
