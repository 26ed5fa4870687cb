"""Curves and rankings to matplotlib figures: what is drawn is computed first, then drawn.

Only matplotlib's objects are used, never pyplot, and its global settings are neither read for anything that
matters nor changed: figures may be made in threads, without a display, and look the same for everybody.
"""

from __future__ import annotations

import io
import itertools
import math
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import Formatter, MaxNLocator

from legm.aggregate import Kind, Method, interval
from legm.records import Aggregate, Curve, Ranked

if TYPE_CHECKING:
    from legm.records import FloatArray

_DPI = 150
_INK, _FAINT, _GRID = "#222222", "#666666", "#e4e4e4"
# The colours of M. Okabe and K. Ito, Color Universal Design, 2008, those with most contrast to white first.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_DASHES = ("-", "--", "-.", ":")
_FONT = "DejaVu Sans"  # comes with matplotlib
_OTHER_FONTS = (  # asked in this order, where they are installed, for what the first one lacks
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR"),
    *("Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "Droid Sans Fallback"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Segoe UI", "Segoe UI Symbol", "Nirmala UI"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Thai", "Noto Sans Symbols2", "Noto Sans"),
)
_MOST_BARS = 50
_LARGEST, _SMALLEST = 1e300, 1e-300  # beyond these, axes overflow: drawn as infinite and as zero


def png(figure: Figure) -> bytes:
    """The picture as a PNG file's content, at the figure's own resolution."""
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib gives print_png no types
    canvas.print_png(buffer)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Line:
    """What is drawn of a curve; every array but the last two has shape (n,), NaN is a gap.

    Args:
        steps: rising.
        center, lower, upper: as the curve's.
        above, below: shape (m,), the steps where the center is infinite.
    """

    steps: FloatArray
    center: FloatArray
    lower: FloatArray
    upper: FloatArray
    above: FloatArray
    below: FloatArray


def line(curve: Curve, buckets: int = 2000) -> Line:
    """Thin a curve to what can be seen of it, without losing an extreme.

    A curve of more than 4 points a bucket is cut into buckets of equal width. Of each, the first, smallest,
    largest and last center are kept (U. Jugel et al., M4: A Visualization-Oriented Time Series Data
    Aggregation, 2014), and the spread is that from the smallest lower to the largest upper end. A gap that
    is narrower than a bucket vanishes.

    Args:
        curve: the curve.
        buckets: how many buckets; about as many as the picture has pixels.

    Returns:
        At most ``4 * buckets`` points.
    """
    steps = curve.steps.astype(np.float64)
    center, lower, upper = (_drawable(v) for v in (curve.center, curve.lower, curve.upper))
    above, below = curve.center > _LARGEST, curve.center < -_LARGEST
    if len(steps) <= 4 * buckets:
        return Line(steps, center, lower, upper, steps[above], steps[below])
    edges = np.linspace(steps[0], steps[-1], buckets + 1)
    starts = np.unique(np.searchsorted(steps, edges[:-1]))
    bucket = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(steps))))

    def spread(reduce: Any, values: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore"):
            reduced: FloatArray = reduce.reduceat(values, starts)[bucket]  # NaN only where all are NaN
        return reduced

    def first(wanted: Any) -> Any:
        places = np.flatnonzero(wanted)
        return places[np.unique(bucket[places], return_index=True)[1]]

    there = ~np.isnan(center)
    smallest, largest = spread(np.fmin, center), spread(np.fmax, center)
    last = len(steps) - 1 - np.flatnonzero(there[::-1])
    last = last[np.unique(bucket[last], return_index=True)[1]]
    extremes = first(center == smallest), first(center == largest)
    kept = np.unique(np.concatenate((first(there), *extremes, last, first(np.isnan(smallest)))))
    lower, upper = spread(np.fmin, lower), spread(np.fmax, upper)
    return Line(steps[kept], center[kept], lower[kept], upper[kept], steps[first(above)], steps[first(below)])


def _drawable(values: FloatArray) -> FloatArray:
    """The values without those that no axis can show."""
    with np.errstate(invalid="ignore"):
        values = np.where(np.abs(values) <= _LARGEST, values, np.nan)
        result: FloatArray = np.where(np.abs(values) < _SMALLEST, 0.0, values)
    return result


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
    labels = _labels(_readable(names), 34)
    legend = len(curves) > 1
    room = 0.7 + 0.075 * max(map(_width, labels)) if legend else 0
    figure = _figure(6.4 + room, max(4.0, 0.9 + 0.21 * len(labels) * legend))
    axes = _axes(figure.add_subplot(), "both")
    lines = [line(curve) for curve in curves]
    handles = []
    for i, drawn in enumerate(lines):
        look: dict[str, Any] = {"color": _COLOURS[i % 8], "linestyle": _DASHES[i // 8 % 4]}
        _draw_line(axes, drawn, look, band=runs > 1)
        handles.append(Line2D([], [], linewidth=1.6, **look))

    axes.set_xlim(*_limits([x for one in lines for x in (*one.steps[:1], *one.steps[-1:])], 0.02, 1.0))
    ends = [np.concatenate((one.center, *((one.lower, one.upper) if runs > 1 else ()))) for one in lines]
    seen = np.concatenate([*ends, []])
    seen = seen[~np.isnan(seen)]
    axes.set_ylim(*_limits([seen.min(), seen.max()] if len(seen) else [0.0, 1.0], 0.05, 0.1))
    if not len(seen):
        axes.set_yticks([])
        _write(axes, "no finite values", (0.5, 0.5), (0, 0), ha="center", va="center", color=_FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(_Labels(step_labels))
    axes.yaxis.set_major_formatter(_Labels(tick_labels))
    name = _with_unit(names[0]) if len(set(names)) == 1 else "value"
    _set(axes.set_xlabel(""), "step", fontsize=10)
    _set(axes.set_ylabel(""), _cut(name, 48), fontsize=10)
    caption = textwrap.wrap(_caption(curves, lines, runs), 88)
    _write(axes, "\n".join(caption), (0, 1), (0, 6), fontsize=8, color=_FAINT, linespacing=1.3)
    _write(axes, _cut(title, 62), (0, 1), (0, 9 + 11 * len(caption)), fontsize=11.5)
    if legend:
        drawn_legend = figure.legend(
            handles, ["?"] * len(labels), loc="outside right upper", frameon=False, handlelength=2.6
        )
        for text, label in zip(drawn_legend.get_texts(), labels, strict=True):
            _set(text, label)
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
    spreads = "; ".join(dict.fromkeys(_spread_name(curve.method) for curve in curves))
    pieces = [f"{spreads} over {count}" if runs > 1 and curves else count]
    if any((curve.runs < runs).any() for curve in curves):
        pieces[0] += ", fewer at some steps" if runs > 1 else ", no value at some steps"
    if any(len(one.above) for one in lines):
        pieces.append("▲ is +∞")
    if any(len(one.below) for one in lines):
        pieces.append("▼ is \N{MINUS SIGN}∞")
    return "; ".join(pieces)


def _spread_name(method: str) -> str:
    """What a method's center and spread are, in words."""
    parsed = Method.parse(method)
    return {
        Kind.MEAN: "mean ± std",
        Kind.MEDIAN: "median and quartiles",
        Kind.OUTLIER_MEAN: "mean ± std without outliers",
        Kind.CONFIDENCE: f"mean with {100 * parsed.level:.6g} % confidence interval",
    }[parsed.kind]


def plot_bars(rankings: Mapping[str, Sequence[Ranked]], title: str) -> Figure:
    """Compare configurations by horizontal bars, one panel for each metric.

    Args:
        rankings: by a summary's key (``best_loss``), configurations with the best first; 50 are drawn.
        title: stands above the picture.

    Returns:
        The figure, some 9 inches wide and as high as its bars need, at 150 dots an inch.
    """
    heights = [0.95 + 0.27 * max(1, min(len(ranking), _MOST_BARS)) for ranking in rankings.values()]
    figure = _figure(9.0, 0.45 + sum(heights))
    _set(figure.suptitle("", x=0.01, ha="left"), _cut(title, 80), fontsize=11.5)
    if not rankings:
        return figure
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (key, ranking) in zip(panels, rankings.items(), strict=True):
        _draw_bars(_axes(axes, "x"), key, ranking)
    return figure


def _draw_bars(axes: Axes, key: str, ranking: Sequence[Ranked]) -> None:
    """One panel: names to the left of the bars, numbers to the right of the axes."""
    shown = ranking[:_MOST_BARS]
    places = np.arange(len(shown))
    centers, lower, upper = _drawable(np.array([interval(one.value) for one in shown]).reshape(-1, 3).T)
    axes.barh(
        places,
        np.nan_to_num(centers),
        height=0.64,
        color=[_COLOURS[0 if place == 0 else 5] for place in places],
    )
    ends = np.maximum([centers - lower, upper - centers], 0)
    axes.errorbar(
        centers, places, xerr=ends, linestyle="none", ecolor=_INK, elinewidth=1, capsize=2.5, capthick=1
    )
    seen = np.concatenate((centers, lower, upper))
    least, most = seen.min(initial=0.0, where=~np.isnan(seen)), seen.max(initial=0.0, where=~np.isnan(seen))
    low, high = _limits([least, most], 0.03, 1.0)
    axes.set_xlim(low if least < 0 else 0.0, high if most > 0 or least == 0 else 0.0)
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    names = _labels([_configuration_name(one) for one in shown], 44)
    axes.set_yticks(places, [""] * len(shown))
    axes.tick_params(axis="y", length=0)
    if least < 0:
        axes.axvline(0, color=_FAINT, linewidth=0.8)
    digits = _digits(upper - lower)
    for place, name, one in zip(range(len(shown)), names, shown, strict=True):
        _write(axes, name, (0, place), (-6, 0), on=axes.get_yaxis_transform(), ha="right", va="center")
        numbers, runs = value_text(one.value, digits), _runs_text(one)
        _write(axes, f"{numbers}   ({runs})", (1, place), (8, 0), on=axes.get_yaxis_transform(), va="center")
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(_Labels(tick_labels))
    _set(axes.set_xlabel(""), _cut(_with_unit(key), 60), fontsize=10)
    caption = "; ".join(dict.fromkeys(_spread_name(one.value.method) for one in shown if one.value.n))
    if len(ranking) > len(shown):
        caption += f"; the best {len(shown)} of {len(ranking)} configurations"
    _write(axes, caption or "no completed run has a value", (0, 1), (0, 4), fontsize=8, color=_FAINT)


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
    texts = [_sign(f"{number:{form}}") for number in (center, lower, upper, spread)]
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


def _sign(number: str) -> str:
    """A number with the signs that are used in print."""
    return number.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")


def _runs_text(one: Ranked) -> str:
    """How many runs stand behind a bar, and how many do not."""
    counts = {"failed": one.failed, "interrupted": one.interrupted, "NaN": one.value.nan}
    others = [f"{count} {kind}" for kind, count in counts.items() if count]
    return ", ".join([f"{one.completed} run{'s' * (one.completed != 1)}", *others])


# -- axes and their numbers --------------------------------------------------------------------------


def _figure(width: float, height: float) -> Figure:
    """An empty white figure; width and height in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)
    return Figure((width, height), dpi=_DPI, facecolor="white", edgecolor="white", layout=layout)


def _axes(axes: Axes, grid: Any) -> Axes:
    """Axes with a light grid and without a box around them."""
    axes.set_facecolor("white")
    axes.set_axisbelow(True)
    axes.grid(visible=False)
    axes.grid(visible=True, axis=grid, color=_GRID, linewidth=0.8, linestyle="-")
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set(visible=side in {"bottom", "left"}, color=_FAINT, linewidth=0.8)
    axes.tick_params(
        colors=_FAINT,
        labelcolor=_INK,
        labelsize=9,
        labelfontfamily=_FONT,
        direction="out",
        width=0.8,
        length=3.5,
        top=False,
        right=False,
    )
    return axes


def _limits(values: Sequence[float], margin: float, alone: float) -> tuple[float, float]:
    """The axis' ends: the values' with a margin, or around a single one; never too close for ticks."""
    low, high = (min(values), max(values)) if len(values) else (0.0, 1.0)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or high == low:
        extra = max(alone * size if alone < 1 else alone, 1e-9 * size) or alone
    else:
        extra = margin * (high - low)
    return low - extra, high + extra


class _Labels(Formatter):
    """Labels that are made for all ticks of an axis together."""

    def __init__(self, labels: Callable[[Sequence[float]], list[str]]) -> None:
        self.labels = labels

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002
        return self.labels([x])[0]

    def format_ticks(self, values: Any) -> list[str]:
        return self.labels([float(value) for value in values])


def step_labels(steps: Sequence[float]) -> list[str]:
    """Labels of steps: whole numbers, from 10,000 on with a unit (k, M, G, …)."""
    if max(map(abs, steps), default=0) < 10_000:
        return [_decimal(step, 1.0) for step in steps]
    labels = []
    for step in steps:
        power = min(int(math.log10(max(abs(step), 1)) + 1e-9) // 3, 6)
        labels.append(_decimal(step / 1000**power, 1 / 1000**power) + " kMGTPE"[power].strip())
    return labels


def tick_labels(values: Sequence[float]) -> list[str]:
    """Labels of numbers, each complete in itself, with as many digits as tell neighbours apart."""
    largest = max(map(abs, values), default=0)
    ordered = sorted(set(values))
    gap = min((b - a for a, b in itertools.pairwise(ordered)), default=largest)
    if not largest:
        return ["0"] * len(values)
    exponent = math.floor(math.log10(largest) + 1e-9)
    if exponent < -3 or exponent >= 15 or (exponent >= 5 and gap / 10**exponent > 1e-5):
        power = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        scale = 10.0**exponent
        digits = max(len(_decimal(v / scale, gap / scale).partition(".")[2]) for v in values)
        return [
            _sign(f"{v / scale:.{digits}f}\N{MULTIPLICATION SIGN}10{power}") if v else "0" for v in values
        ]
    digits = max(len(_decimal(value, gap).partition(".")[2]) for value in values)
    return [_sign(f"{value or 0.0:.{digits}f}") for value in values]


def _decimal(value: float, gap: float) -> str:
    """A number with as few decimals as show it to a thousandth of a gap."""
    for digits in range(16):
        text = f"{value:.{digits}f}"
        if abs(float(text) - value) <= gap / 1000:
            break
    return _sign(text) if float(text) else "0"


# -- text ----------------------------------------------------------------------------------------------


def _write(
    axes: Axes, text: str, at: tuple[float, float], away: tuple[float, float], on: Any = None, **look: Any
) -> None:
    """Put a text beside a point of the axes (as a fraction, or on a transform); away is in points."""
    written = axes.annotate(
        "", at, away, on or "axes fraction", textcoords="offset points", annotation_clip=False
    )
    _set(written, text, **look)


def _set(drawn: Text, text: str, **look: Any) -> None:
    """Make a text of matplotlib say something, in a certain look."""
    drawn.set(**{"fontsize": 9, "color": _INK, **_text(text), **look})


def _text(text: str) -> dict[str, Any]:
    """A text that can be drawn as it is: no mathematics in ``$``, no glyph that no font has.

    Returns:
        The arguments of a matplotlib text: itself, its fonts, and that it is no mathematics.
    """
    text = "".join(" " if unicodedata.category(c) == "Cc" and c != "\n" else c for c in text)
    fonts, missing = [_FONT], _missing(set(text) - {"\n"}, _FONT)
    if missing:
        installed = {entry.name for entry in font_manager.fontManager.ttflist}
        for font in _OTHER_FONTS:
            if font in installed and (left := _missing(missing, font)) < missing:
                fonts.append(font)
                missing = left
    text = "".join("□" if c in missing else c for c in text)
    return {"text": text, "fontfamily": fonts, "parse_math": False, "usetex": False}


def _missing(characters: set[str], font: str) -> set[str]:
    """Those of the characters that an installed font does not have."""
    path = font_manager.findfont(font_manager.FontProperties(family=font))
    face = font_manager.get_font(path)
    return {c for c in characters if not face.get_char_index(ord(c))}


def _readable(names: Sequence[str]) -> list[str]:
    """Names with spaces for underscores, but for those that this would make unclear or equal."""
    spaced = [
        name
        if name != name.strip("_") or "__" in name or set(name) & set("${}^\\")
        else name.replace("_", " ")
        for name in names
    ]
    return [
        name if spaced.count(new) > names.count(name) else new
        for name, new in zip(names, spaced, strict=True)
    ]


def _with_unit(name: str) -> str:
    """An axis' name: the readable one, with the unit where it is known."""
    base = name.removeprefix("best_").removeprefix("test_")
    return _readable([name])[0] + (" (s)" if base in {"time", "time_per_sample"} else "")


def _labels(names: Sequence[str], width: int) -> list[str]:
    """Names cut to a width; those that would then be equal lose what they share at both ends first."""
    cut = [_cut(name, width) for name in names]
    for label in {label for label in cut if cut.count(label) > 1}:
        same = [i for i, one in enumerate(cut) if one == label]
        start = _shared(names[i] for i in same)
        end = _shared(names[i][start:][::-1] for i in same)
        for i in same if len({names[i] for i in same}) > 1 else ():
            middle = names[i][max(start - 8, 0) : len(names[i]) - max(end - 8, 0)]
            cut[i] = _cut(f"…{middle}…", width)
    return cut


def _shared(names: Iterable[str]) -> int:
    """How many characters several names have in common at their start."""
    first, *_, last = sorted(names)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _width(text: str) -> int:
    """How wide a text is, in Latin letters."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _cut(text: str, width: int) -> str:
    """A text with "…" for its middle where it is too wide; its ends tell most names apart."""
    text = " ".join(text.split())
    if _width(text) <= width:
        return text
    return f"{_fill(text, width // 2)}…{_fill(text[::-1], (width - 1) // 2)[::-1]}"


def _fill(text: Iterable[str], width: int) -> str:
    """As much of a text's start as is not wider than asked."""
    kept: list[str] = []
    for c in text:
        width -= _width(c)
        if width < 0:
            break
        kept.append(c)
    return "".join(kept)
