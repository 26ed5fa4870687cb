"""Rankings as horizontal bars with their spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from legm.aggregate import Kind, Method, interval
from legm.plotting.names import cut, labels_of, with_unit
from legm.plotting.style import COLOURS, FAINT, INK, dress, make_figure
from legm.plotting.text import set_text, spread_name, write
from legm.plotting.thinning import drawable
from legm.plotting.ticks import TickLabels, limits, sign, tick_labels
from legm.records import Aggregate, Ranked

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["plot_bars", "value_text"]

_MOST_BARS = 50


def plot_bars(rankings: Mapping[str, Sequence[Ranked]], title: str) -> Figure:
    """Compare configurations by horizontal bars, one panel for each metric.

    Args:
        rankings: by a summary's key (``best_loss``), configurations with the best first; 50 are drawn.
        title: stands above the picture.

    Returns:
        The figure, some 9 inches wide and as high as its bars need, at 150 dots an inch.
    """
    heights = [0.95 + 0.27 * max(1, min(len(ranking), _MOST_BARS)) for ranking in rankings.values()]
    figure = make_figure(9.0, 0.45 + sum(heights))
    set_text(figure.suptitle("", x=0.01, ha="left"), cut(title, 80), fontsize=11.5)
    if not rankings:
        return figure
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (key, ranking) in zip(panels, rankings.items(), strict=True):
        _draw_bars(dress(axes, "x"), key, ranking)
    return figure


def _draw_bars(axes: Axes, key: str, ranking: Sequence[Ranked]) -> None:
    """One panel: names to the left of the bars, numbers to the right of the axes."""
    shown = ranking[:_MOST_BARS]
    places = np.arange(len(shown))
    centers, lower, upper = drawable(np.array([interval(one.value) for one in shown]).reshape(-1, 3).T)
    axes.barh(
        places,
        np.nan_to_num(centers),
        height=0.64,
        color=[COLOURS[0 if place == 0 else 5] for place in places],
    )
    ends = np.maximum([centers - lower, upper - centers], 0)
    axes.errorbar(
        centers, places, xerr=ends, linestyle="none", ecolor=INK, elinewidth=1, capsize=2.5, capthick=1
    )
    seen = np.concatenate((centers, lower, upper))
    least, most = seen.min(initial=0.0, where=~np.isnan(seen)), seen.max(initial=0.0, where=~np.isnan(seen))
    low, high = limits([least, most], 0.03, 1.0)
    axes.set_xlim(low if least < 0 else 0.0, high if most > 0 or least == 0 else 0.0)
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    names = labels_of([_configuration_name(one) for one in shown], 44)
    axes.set_yticks(places, [""] * len(shown))
    axes.tick_params(axis="y", length=0)
    if least < 0:
        axes.axvline(0, color=FAINT, linewidth=0.8)
    digits = _digits(upper - lower)
    for place, name, one in zip(range(len(shown)), names, shown, strict=True):
        write(axes, name, (0, place), (-6, 0), on=axes.get_yaxis_transform(), ha="right", va="center")
        numbers, runs = value_text(one.value, digits), _runs_text(one)
        write(axes, f"{numbers}   ({runs})", (1, place), (8, 0), on=axes.get_yaxis_transform(), va="center")
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(TickLabels(tick_labels))
    set_text(axes.set_xlabel(""), cut(with_unit(key), 60), fontsize=10)
    caption = "; ".join(dict.fromkeys(spread_name(one.value.method) for one in shown if one.value.n))
    if len(ranking) > len(shown):
        caption += f"; the best {len(shown)} of {len(ranking)} configurations"
    write(axes, caption or "no completed run has a value", (0, 1), (0, 4), fontsize=8, color=FAINT)


def _configuration_name(ranked: Ranked) -> str:
    """A configuration's folder, whose number tells apart equal names, or else its name."""
    name = PurePath(ranked.folder).name if ranked.folder else ranked.configuration.name
    return name or ranked.configuration.fingerprint[:12]


def value_text(value: Aggregate, digits: int) -> str:
    """An aggregate's center and spread: with so many decimals, or four digits where these do not suit."""
    center, lower, upper = interval(value)
    if math.isnan(center):
        return "no value"
    spread = (upper - lower) / 2
    size = max(abs(center), 0 if math.isnan(spread) else spread)
    form = f".{digits}f" if 10.0**-digits <= size < 1e6 or not size else ".4g"
    texts = [sign(f"{number:{form}}") for number in (center, lower, upper, spread)]
    if math.isnan(spread):
        return texts[0]
    if Method.parse(value.method).kind in {Kind.MEDIAN, Kind.CONFIDENCE}:
        return f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return f"{texts[0]} ± {texts[3]}"


def _digits(widths: FloatArray) -> int:
    """How many decimals a column of numbers gets: such that most spreads have two digits that count."""
    spreads = np.sort(widths[widths > 0]) / 2
    if not len(spreads):
        return 4
    return min(max(1 - math.floor(math.log10(spreads[len(spreads) // 2])), 0), 7)


def _runs_text(one: Ranked) -> str:
    """How many runs stand behind a bar, and how many do not."""
    counts = {"failed": one.failed, "interrupted": one.interrupted, "NaN": one.value.nan}
    others = [f"{count} {kind}" for kind, count in counts.items() if count]
    return ", ".join([f"{one.completed} run{'s' * (one.completed != 1)}", *others])
