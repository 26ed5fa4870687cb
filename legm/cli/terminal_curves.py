"""Small curves in a table's cells: a line of braille, or of digits if the output has no braille."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.cli.printing import can_print, printing_width
from legm.cli.terminal_tables import Column
from legm.core.texts import number_text
from legm.stats.curve_scale import CurveScale, curve_scale, curve_values_at, share_of_scale
from legm.stats.downsampling import line

if TYPE_CHECKING:
    from legm.records import Curve, Direction, FloatArray

__all__ = ["CurveColumn", "drawn_curve", "json_curve"]

_BRAILLE = "\N{BRAILLE PATTERN DOTS-12345678}"
_WIDTH, _NARROW = 24, 14  # characters of a curve, and on a terminal that is narrower than
_WIDE = 120

_DOTS = (2, 4)  # of a character: side by side, and one above the other


class CurveColumn:
    """The curves of one metric in tables that are shown together, on one scale.

    Args:
        metric: its name.
        method: how the runs of a row are aggregated; "" where each row is one run.
        curves: by row's key, what is drawn; None for a row without a curve.
        of_runs: the same for rows that are single runs, beside aggregated ones.
    """

    def __init__(
        self,
        metric: str,
        method: str,
        curves: Mapping[str, Curve | None],
        of_runs: Mapping[str, Curve | None] | None = None,
    ) -> None:
        self.metric = metric
        self._method = method
        self._averaged = [one for one in curves.values() if one is not None]
        self._curves = {**curves, **(of_runs or {})}
        self._scale = curve_scale(one for one in self._curves.values() if one is not None)
        self._braille = can_print(_BRAILLE)
        width = printing_width()
        self._width = _WIDTH if width is None or width >= _WIDE else _NARROW

    def column(self, *, is_run: bool = False) -> Column:
        """The column of a table.

        Args:
            is_run: whether each row of this table is one run.
        """
        name = " ".join(filter(None, ("" if is_run else self._method, self.metric)))
        return Column(f"{name} by step")

    def cells(self, keys: Iterable[str]) -> list[str]:
        """The cells of the rows with these keys."""
        return [
            drawn_curve(self._curves.get(key), self._scale, self._width, braille=self._braille)
            for key in keys
        ]

    def curve(self, key: str) -> Curve | None:
        """That of the row with this key."""
        return self._curves.get(key)

    def notes(self, averaged: str, direction: Direction | None) -> list[str]:
        """What a user should know about the curves.

        Args:
            averaged: over what a curve averages, if it does: "run" or "configuration".
            direction: which values are better; None where it is said elsewhere.
        """
        if self._scale is None:
            return [f"curves: no finite value of {self.metric}"]
        facts = [_terminal_curve_scale(self._scale, braille=self._braille)]
        if self._method and self._averaged:
            facts.insert(
                0,
                f"{self._method} {self.metric} over the {_terminal_curve_numbers(self._averaged, averaged)}",
            )
        if any(one is not None and np.isnan(one.center).any() for one in self._curves.values()):
            facts.append("a gap is where all values are NaN")
        facts += [str(direction)] if direction is not None else []
        return [f"curves: {'; '.join(facts)}"]


def _terminal_curve_scale(scale: CurveScale, *, braille: bool) -> str:
    edges = ("at the bottom", "at the top") if braille else ("as the digit 0", "as 9")
    ends = f"{number_text(scale.low)} {edges[0]} to {number_text(scale.high)} {edges[1]}"
    beyond = ", where values beyond are drawn too" if scale.has_beyond else ""
    return f"all on one scale: steps {scale.first:,.0f} to {scale.last:,.0f}, and {ends}{beyond}"


def _terminal_curve_numbers(curves: Sequence[Curve], averaged: str) -> str:
    """Over how many runs, or configurations, curves are at their steps."""
    counts = np.concatenate([one.runs for one in curves])
    low, high = int(counts[counts > 0].min(initial=counts.max())), int(counts.max())
    kind = f"completed {averaged}" if averaged == "run" else averaged
    number = f"{low} to {high}" if low < high else f"{high}"
    return f"{number} {kind}{'s that have' if high != 1 else ' that has'} a value at a step"


def drawn_curve(curve: Curve | None, scale: CurveScale | None, width: int, *, braille: bool) -> str:
    """A curve as a line of characters; a gap is where it has no value.

    Args:
        curve: the curve; None for none.
        scale: that of all curves; None for none.
        width: the number of characters.
        braille: whether braille may be used; else each character is a digit, 0 at the bottom and 9 at the
            top.

    Returns:
        the characters; "" where there is nothing to draw.
    """
    if curve is None or scale is None or bool(np.isnan(curve.center).all()):
        return ""
    columns, rows = (width * _DOTS[0], _DOTS[1]) if braille else (width, 10)
    shown = line(curve, columns)
    x = _terminal_curve_indices(share_of_scale(shown.steps, scale.first, scale.last), columns)
    y = _terminal_curve_indices(share_of_scale(curve_values_at(curve, shown), scale.low, scale.high), rows)
    return _braille_curve(x, y, width) if braille else _terminal_curve_digits(x, y, width)


def _terminal_curve_indices(shares: FloatArray, count: int) -> list[int | None]:
    """Which of so many positions shares from 0 to 1 are; None for NaN."""
    return [None if np.isnan(one) else int(one) for one in np.rint(shares * (count - 1))]


def _braille_curve(x: Sequence[int | None], y: Sequence[int | None], width: int) -> str:
    import plotille

    canvas = plotille.Canvas(width, 1, 0, 0, width * _DOTS[0], _DOTS[1])
    before: tuple[int, int] | None = None
    for column, row in zip(x, y, strict=True):
        if column is None or row is None:
            before = None
            continue
        canvas.line(*(before or (column, row)), column, row)
        before = column, row
    text: str = canvas.plot()
    return text


def _terminal_curve_digits(x: Sequence[int | None], y: Sequence[int | None], width: int) -> str:
    cells = [" "] * width
    before: tuple[int, int] | None = None
    for column, row in zip(x, y, strict=True):
        if column is None or row is None:
            before = None
            continue
        from_column, from_row = before or (column, row)
        between = np.linspace(from_row, row, column - from_column + 1)
        cells[from_column + 1 : column] = [str(round(one)) for one in between[1:-1]]
        cells[column] = str(row)
        before = column, row
    return "".join(cells).rstrip()


def json_curve(curve: Curve | None) -> Mapping[str, Any] | None:
    """A curve for JSON, with all its steps."""
    if curve is None:
        return None
    return {
        "metric": curve.metric,
        "method": curve.method,
        "steps": curve.steps.tolist(),
        "values": curve.center.tolist(),
        "runs": curve.runs.tolist(),
    }
