"""Curves and rankings to matplotlib figures: what is drawn is computed first, then drawn.

Only matplotlib's objects are used, never pyplot, and its global settings are neither read for anything that
matters nor changed: figures may be made in threads, without a display, and look the same for everybody.
How they look is a :class:`Style`: legm's own style sheet, and what the user puts over it.
"""

from __future__ import annotations

from legm.plotting.bars import plot_bars
from legm.plotting.curves import plot_configurations, plot_curves
from legm.plotting.downsampling import Line, line
from legm.plotting.files import FORMATS, checked_formats, render
from legm.plotting.style import Style, StyleSheets
from legm.plotting.ticks import step_labels, tick_labels
from legm.stats.formatting import value_text

__all__ = [
    "FORMATS",
    "Line",
    "Style",
    "StyleSheets",
    "checked_formats",
    "line",
    "plot_bars",
    "plot_configurations",
    "plot_curves",
    "render",
    "step_labels",
    "tick_labels",
    "value_text",
]
