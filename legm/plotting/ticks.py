"""The limits of axes, and their ticks and tick labels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import Formatter, MaxNLocator

from legm.plotting.text_rendering import text_measurer
from legm.stats.number_formatting import typographic_number

__all__ = ["FittingTickLocator", "TickLabelFormatter", "step_labels", "tick_labels", "tick_limits"]


def tick_limits(values: Sequence[float], margin: float, alone: float) -> tuple[float, float]:
    """The limits of an axis, never too close together for ticks.

    Args:
        values: the values on the axis.
        margin: the margin, as a fraction of the values' range.
        alone: the margin around a single value, relative to it if less than 1.
    """
    low, high = (min(values), max(values)) if len(values) else (0.0, 1.0)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or high == low:
        extra = max(alone * size if alone < 1 else alone, 1e-9 * size) or alone
    else:
        extra = margin * (high - low)
    return low - extra, high + extra


class TickLabelFormatter(Formatter):
    """Formats the labels of all ticks of an axis together."""

    def __init__(self, labels: Callable[[Sequence[float]], list[str]]) -> None:
        self.labels = labels

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002
        """The label of a single tick."""
        return self.labels([x])[0]

    def format_ticks(self, values: Any) -> list[str]:
        """The labels of all ticks."""
        return self.labels([float(value) for value in values])


class FittingTickLocator(MaxNLocator):
    """Places ticks at round numbers, as many as fit without their labels touching.

    Args:
        most: the maximal number of intervals.
        labels: returns the labels of ticks.
        font: the font of the labels.
        integer: whether ticks must be whole numbers.
    """

    def __init__(
        self,
        most: int,
        labels: Callable[[Sequence[float]], list[str]],
        font: FontProperties,
        *,
        integer: bool = False,
    ) -> None:
        super().__init__(most, integer=integer, steps=[1, 2, 2.5, 5, 10])
        self._most, self._labels = most, labels
        self._size, self._width = font.get_size_in_points(), text_measurer(font)
        self._chosen: list[float] = []

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """The ticks between the limits of the axis, for its current length."""
        low, high = sorted((vmin, vmax))
        for most in range(self._most, -1, -1):
            self.set_params(nbins=max(most, 1))
            inside = [float(tick) for tick in super().tick_values(low, high) if low <= tick <= high]
            self._chosen = inside if most else inside[:1]
            if self.fits():
                break
        return np.array(self._chosen)

    def fits(self) -> bool:
        """Whether the labels of the last chosen ticks have space between them now."""
        axis: Any = self.axis
        box, (low, high) = axis.axes.bbox, sorted(axis.get_view_interval())
        along_x = axis.axis_name == "x"
        points = (box.width if along_x else box.height) * 72 / axis.axes.figure.dpi
        if along_x:
            sizes = [self._width(label) + self._size for label in self._labels(self._chosen)]
        else:
            sizes = [1.6 * self._size] * len(self._chosen)
        positions = [(tick - low) / (high - low) * points for tick in self._chosen]
        pairs = zip(itertools.pairwise(positions), itertools.pairwise(sizes), strict=True)
        return all(b - a >= (one + other) / 2 for (a, b), (one, other) in pairs)

    def use_fewer(self) -> None:
        """From now on, choose fewer ticks than the last time."""
        self._most = max(min(self._most, len(self._chosen)) - 1, 0)


def step_labels(steps: Sequence[float]) -> list[str]:
    """The labels of steps: numbers, from 10,000 on with a prefix (k, M, G, …).

    Args:
        steps: the steps.

    Returns:
        a label for each step.
    """
    if max(map(abs, steps), default=0) < 10_000:
        return [_decimal_tick_label(step, 1.0) for step in steps]
    labels = []
    for step in steps:
        power = min(int(math.log10(max(abs(step), 1)) + 1e-9) // 3, 6)
        labels.append(_decimal_tick_label(step / 1000**power, 1 / 1000**power) + " kMGTPE"[power].strip())
    return labels


def tick_labels(values: Sequence[float]) -> list[str]:
    """The labels of numbers, without a common offset, with enough digits to distinguish neighbours.

    Args:
        values: the numbers.

    Returns:
        a label for each number.
    """
    largest = max(map(abs, values), default=0)
    ordered = sorted(set(values))
    gap = min((b - a for a, b in itertools.pairwise(ordered)), default=largest)
    if not largest:
        return ["0"] * len(values)
    exponent = math.floor(math.log10(largest) + 1e-9)
    if exponent < -3 or exponent >= 15 or (exponent >= 5 and gap / 10**exponent > 1e-5):
        power = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        scale = 10.0**exponent
        digits = max(len(_decimal_tick_label(v / scale, gap / scale).partition(".")[2]) for v in values)
        return [
            typographic_number(f"{v / scale:.{digits}f}\N{MULTIPLICATION SIGN}10{power}") if v else "0"
            for v in values
        ]
    digits = max(len(_decimal_tick_label(value, gap).partition(".")[2]) for value in values)
    return [typographic_number(f"{value or 0.0:.{digits}f}") for value in values]


def _decimal_tick_label(value: float, gap: float) -> str:
    """A number with the fewest decimals that represent it to a thousandth of a gap."""
    for digits in range(16):
        text = f"{value:.{digits}f}"
        if abs(float(text) - value) <= gap / 1000:
            break
    return typographic_number(text) if float(text) else "0"
