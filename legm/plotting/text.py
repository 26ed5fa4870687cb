"""Text that is drawn as it is, in fonts that have its characters."""

from __future__ import annotations

import unicodedata
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.text import Text

from legm.aggregate import Kind, Method

__all__ = ["FONT", "INK", "set_text", "spread_name", "write"]

INK = "#222222"
FONT = "DejaVu Sans"  # comes with matplotlib
OTHER_FONTS = (  # asked in this order, where they are installed, for what the first one lacks
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR"),
    *("Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "Droid Sans Fallback"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Segoe UI", "Segoe UI Symbol", "Nirmala UI"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Thai", "Noto Sans Symbols2", "Noto Sans"),
)


def write(
    axes: Axes, text: str, at: tuple[float, float], away: tuple[float, float], on: Any = None, **look: Any
) -> None:
    """Put a text beside a point of the axes (as a fraction, or on a transform); away is in points."""
    written = axes.annotate(
        "", at, away, on or "axes fraction", textcoords="offset points", annotation_clip=False
    )
    set_text(written, text, **look)


def set_text(drawn: Text, text: str, **look: Any) -> None:
    """Make a text of matplotlib say something, in a certain look."""
    drawn.set(**{"fontsize": 9, "color": INK, **text_arguments(text), **look})


def text_arguments(text: str) -> dict[str, Any]:
    """A text that can be drawn as it is: no mathematics in ``$``, no glyph that no font has.

    Returns:
        The arguments of a matplotlib text: itself, its fonts, and that it is no mathematics.
    """
    text = "".join(" " if unicodedata.category(c) == "Cc" and c != "\n" else c for c in text)
    fonts, missing = [FONT], _missing(set(text) - {"\n"}, FONT)
    if missing:
        installed = {entry.name for entry in font_manager.fontManager.ttflist}
        for font in OTHER_FONTS:
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


def spread_name(method: str) -> str:
    """What a method's center and spread are, in words."""
    parsed = Method.parse(method)
    return {
        Kind.MEAN: "mean ± std",
        Kind.MEDIAN: "median and quartiles",
        Kind.OUTLIER_MEAN: "mean ± std without outliers",
        Kind.CONFIDENCE: f"mean with {100 * parsed.level:.6g} % confidence interval",
    }[parsed.kind]
