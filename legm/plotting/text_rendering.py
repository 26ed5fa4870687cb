"""Text drawn literally, in fonts that have its characters, and its width."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

__all__ = ["render_annotation", "set_rendered_text", "text_measurer"]

FALLBACK_FONTS = (  # in this order, if installed, for characters that the style's own fonts lack
    *("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR"),
    *("Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "Droid Sans Fallback"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Segoe UI", "Segoe UI Symbol", "Nirmala UI"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Thai", "Noto Sans Symbols2", "Noto Sans"),
)
_HINTING = 1.05  # hinting moves letters to whole pixels, which makes text at most this much wider


def render_annotation(
    axes: Axes,
    text: str,
    font: FontProperties,
    at: tuple[float, float],
    away: tuple[float, float] = (0, 0),
    on: Any = None,
    **look: Any,
) -> Text:
    """Write a text next to a point of the axes.

    Args:
        axes: the axes.
        text: the text.
        font: the font.
        at: the point, as a fraction of the axes or in the coordinates ``on``.
        away: the offset from the point, in points.
        on: the coordinates of ``at``, as matplotlib's ``annotate`` accepts them.
        look: further properties of the text.
    """
    written = axes.annotate(
        "", at, away, on or "axes fraction", textcoords="offset points", annotation_clip=False
    )
    set_rendered_text(written, text, font, **look)
    return written


def set_rendered_text(drawn: Text, text: str, font: FontProperties, **look: Any) -> None:
    """Set the text of a matplotlib text literally, without mathematics in ``$``."""
    text, font = _text_with_available_glyphs(text, font)
    plain = {"parse_math": False, "usetex": False, "antialiased": True}
    drawn.set(text=text, fontproperties=font, **plain, **look)


def text_measurer(font: FontProperties) -> Callable[[str], float]:
    """A function that returns the width of a line of text in a font, in points, at any resolution.

    It adds the widths of the letters. Each is measured once, between two others so that spaces count.
    """

    @functools.cache
    def text_advance(letter: str) -> float:
        text, fonts = _text_with_available_glyphs(f"|{letter}|", font)
        between, alone = (
            text_to_path.get_text_width_height_descent(one, fonts, ismath=False)[0] for one in (text, "||")
        )
        return float(between - alone)

    def text_width(text: str) -> float:
        return _HINTING * sum(text_advance(" " if letter == "\n" else letter) for letter in text)

    return text_width


def _text_with_available_glyphs(text: str, font: FontProperties) -> tuple[str, FontProperties]:
    """The text with a box for characters that no font has, and the font with fallbacks for the others."""
    text = "".join(" " if unicodedata.category(c) == "Cc" and c != "\n" else c for c in text)
    families: Sequence[str] = font.get_family()
    used = list(families[:1])
    missing = _missing_text_glyphs(set(text) - {"\n"}, font, used[0])
    if missing:
        installed = {entry.name for entry in font_manager.fontManager.ttflist}
        for family in (*families[1:], *FALLBACK_FONTS):
            if family in installed and (left := _missing_text_glyphs(missing, font, family)) < missing:
                used.append(family)
                missing = left
    font = font.copy()
    font.set_family(used)
    return "".join("□" if c in missing else c for c in text), font


def _missing_text_glyphs(characters: set[str], font: FontProperties, family: str) -> set[str]:
    """The characters that an installed font does not have."""
    one = font.copy()
    one.set_family(family)
    face = font_manager.get_font(font_manager.findfont(one))
    return {c for c in characters if not face.get_char_index(ord(c))}
