"""Curves and rankings as matplotlib figures.

Only matplotlib's objects are used, never pyplot, and its global settings have no influence and are not
changed: figures can be made in threads and without a display, and look the same for every user. Their look is
a :class:`Style`: legm's own style sheet, overridden by the user's.
"""

from __future__ import annotations

from legm.plotting.bars import plot_bars
from legm.plotting.curves import UnfinishedCurve, plot_configurations, plot_curves
from legm.plotting.image_files import FORMATS, checked_formats, render
from legm.plotting.style import Style, StyleSheets
from legm.plotting.ticks import step_labels, tick_labels
from legm.stats.downsampling import Line, line
from legm.stats.number_formatting import value_text

__all__ = [
    "FORMATS",
    "Line",
    "Style",
    "StyleSheets",
    "UnfinishedCurve",
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
