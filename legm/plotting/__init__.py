"""Curves and rankings to matplotlib figures: what is drawn is computed first, then drawn.

Only matplotlib's objects are used, never pyplot, and its global settings are neither read for anything that
matters nor changed: figures may be made in threads, without a display, and look the same for everybody.
"""

from __future__ import annotations

from legm.plotting.bars import plot_bars, value_text
from legm.plotting.curves import plot_curves
from legm.plotting.files import png
from legm.plotting.thinning import Line, line
from legm.plotting.ticks import step_labels, tick_labels

__all__ = ["Line", "line", "plot_bars", "plot_curves", "png", "step_labels", "tick_labels", "value_text"]
