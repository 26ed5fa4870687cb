"""Small curves as SVG in the text colour of the page, light or dark. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from legm.core.html_markup import Markup, escaped_html
from legm.core.texts import number_text
from legm.records import Curve
from legm.stats.curve_scale import CurveScale, curve_values_at, share_of_scale
from legm.stats.downsampling import line

__all__ = ["curve_svg"]

_WIDTH, _HEIGHT = 120, 24  # px
_EDGE = 2  # px that are left free, for the width of the line


def curve_svg(curve: Curve | None, scale: CurveScale | None) -> Markup | str:
    """A curve as a small picture; a gap is where it has no value.

    Args:
        curve: the curve; None for none.
        scale: that of all curves beside it; None for none.

    Returns:
        "" where there is nothing to draw.
    """
    if curve is None or scale is None or bool(np.isnan(curve.center).all()):
        return ""
    shown = line(curve, _WIDTH)
    x = _EDGE + share_of_scale(shown.steps, scale.first, scale.last) * (_WIDTH - 2 * _EDGE)
    y = (
        _HEIGHT
        - _EDGE
        - share_of_scale(curve_values_at(curve, shown), scale.low, scale.high) * (_HEIGHT - 2 * _EDGE)
    )
    points = [None if np.isnan(b) else (float(a), float(b)) for a, b in zip(x, y, strict=True)]
    pieces = [
        list(group) for is_there, group in itertools.groupby(points, lambda one: one is not None) if is_there
    ]
    there = np.flatnonzero(~np.isnan(curve.center))
    ends = [
        f"{number_text(float(curve.center[at]))} at step {int(curve.steps[at]):,}"
        for at in (there[0], there[-1])
    ]
    about = escaped_html(f"{curve.metric}: {' to '.join(dict.fromkeys(ends))}")
    drawn = "".join(_svg_piece([one for one in piece if one is not None]) for piece in pieces)
    return Markup(
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{about}" style="max-width:none"><title>{about}</title>{drawn}</svg>'
    )


def _svg_piece(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        ((x, y),) = points
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.5" fill="currentColor"/>'
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{text}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
