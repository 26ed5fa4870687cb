"""The look of figures: legm's own style sheet, overridden by the user's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from matplotlib import colors, font_manager, rcParamsDefault
from matplotlib.font_manager import FontProperties

from legm.errors import LegmError, closest

__all__ = ["Style", "StyleSheet", "StyleSheets"]

StyleSheet: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]
StyleSheets: TypeAlias = StyleSheet | Sequence[StyleSheet] | None

OWN_STYLE_SHEET = Path(__file__).with_name("legm.mplstyle")
_GENERIC_FAMILIES = frozenset(
    {"serif", "sans-serif", "sans serif", "sans", "cursive", "fantasy", "monospace"}
)
_DEFERRED_COLORS = frozenset({"auto", "inherit", "None"})  # values that defer to another setting
_ENTRY = re.compile(r'(?:"[^"]*"|[^"#])*')  # the part of a line before its comment


@dataclass(frozen=True, slots=True)
class Style:
    """The look of figures, independent of matplotlib's global settings.

    Args:
        rc: every setting, by its name in matplotlib.
        given: the names of the settings from the user, which legm must not override.
        families: installed font families, in the order in which they are searched for a character.
    """

    rc: Mapping[str, Any]
    given: frozenset[str]
    families: tuple[str, ...]

    @classmethod
    def of(cls, style: Style | StyleSheets) -> Style:
        """The look of legm, overridden by style sheets.

        Args:
            style: a style sheet: its path, the name of one of matplotlib's, or a mapping of settings; or
                several, where later ones take precedence. None is legm's own look.

        Returns:
            the style; the same one if it is a Style already.

        Raises:
            LegmError: a style sheet or setting does not exist, or a value is invalid.
        """
        if isinstance(style, Style):
            return style
        rc: Any = rcParamsDefault.copy()
        _apply_style_sheet(rc, OWN_STYLE_SHEET)
        several = style if isinstance(style, Sequence) and not isinstance(style, str) else [style]
        given: set[str] = set()
        for sheet in several:
            if sheet is not None:
                given |= _apply_style_sheet(rc, sheet)
        return cls(rc, frozenset(given), tuple(_installed_style_fonts(rc)))

    def size(self, name: str) -> float:
        """A font size in points.

        Args:
            name: a setting, or a size such as "small", relative to the base size.

        Returns:
            the size in points.
        """
        base, size = self.rc["font.size"], self.rc.get(name, name)
        if size is None:
            return float(base)
        return float(base * font_manager.font_scalings[size] if isinstance(size, str) else size)

    def font(self, size: str, weight: str = "font.weight") -> FontProperties:
        """The font of a kind of text.

        Args:
            size: the setting of its size, or a size such as "small".
            weight: the setting of its weight.

        Returns:
            matplotlib's properties of the font.
        """
        of = self.rc
        return FontProperties(
            family=self.families,
            style=of["font.style"],
            variant=of["font.variant"],
            weight=of[weight],
            stretch=of["font.stretch"],
            size=self.size(size),
        )

    def color(self, *names: str) -> Any:
        """The colour of the first of these settings that does not defer to another one.

        Args:
            names: the settings' names, the most specific first.

        Returns:
            a color in any of matplotlib's forms.
        """
        found = [self.rc[name] for name in names]
        return next(c for c in found if c is not None and not (isinstance(c, str) and c in _DEFERRED_COLORS))

    @property
    def background(self) -> Any:
        """The colour of the figure behind its axes."""
        if self.rc["savefig.transparent"]:
            return "none"
        return self.color("savefig.facecolor", "figure.facecolor")

    def towards_background(self, color: Any, share: float) -> tuple[float, float, float]:
        """A colour mixed with a share of the background colour.

        Args:
            color: the colour.
            share: the background's share, in [0, 1].

        Returns:
            red, green and blue, each in [0, 1].
        """
        seen = colors.to_rgba(self.background)
        behind = seen[:3] if seen[3] else (1.0, 1.0, 1.0)
        mixed = [(1 - share) * a + share * b for a, b in zip(colors.to_rgb(color), behind, strict=True)]
        return mixed[0], mixed[1], mixed[2]

    @property
    def faint(self) -> tuple[float, float, float]:
        """The colour of captions and other secondary text."""
        return self.towards_background(self.rc["text.color"], 0.3)


def _apply_style_sheet(rc: Any, sheet: StyleSheet) -> set[str]:
    """Apply a style sheet; returns the names of the settings in it."""
    if isinstance(sheet, Mapping):
        for name, value in sheet.items():
            _set_style_value(rc, str(name), value, "the style")
        return {str(name) for name in sheet}
    if isinstance(sheet, str) and (known := _matplotlib_style(sheet)) is not None:
        dict.update(rc, known)
        return set(known)
    if not isinstance(sheet, str | os.PathLike):
        raise LegmError(f"a style is a path, the name of a style of matplotlib or a mapping, not {sheet!r}")
    path = Path(sheet)
    if not path.is_file():
        raise LegmError(
            f"{str(sheet)!r} is neither a file nor a style of matplotlib; {_closest_style(str(sheet))}"
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise LegmError(f"the style sheet {path} cannot be read: {cause}") from cause
    given = set()
    for number, line in enumerate(lines, 1):
        entry = _ENTRY.match(line)
        text = entry[0].strip() if entry else ""
        if not text:
            continue
        name, colon, value = (part.strip() for part in text.partition(":"))
        where = f"the style sheet {path}, line {number}"
        if not colon:
            raise LegmError(f"{where}: {text!r} is not a setting; write it as name: value")
        _set_style_value(rc, name, value.removeprefix('"').removesuffix('"'), where)
        given.add(name)
    return given


def _set_style_value(rc: Any, name: str, value: Any, where: str) -> None:
    """Set one setting, whose value matplotlib checks."""
    if name not in rc:
        raise LegmError(f"{where}: matplotlib has no setting {name!r}; {closest(name, rc)}")
    try:
        rc[name] = value
    except (ValueError, TypeError) as cause:
        raise LegmError(f"{where}: {name!r} cannot be {value!r}: {cause}") from cause


def _matplotlib_style(name: str) -> Mapping[str, Any] | None:
    """A style of matplotlib, or one in its style library; None if it does not exist."""
    from matplotlib import style

    found: Any = rcParamsDefault if name == "default" else style.library.get(name)
    return found  # type: ignore[no-any-return]


def _closest_style(name: str) -> str:
    from matplotlib import style

    return closest(name, style.available)


def _installed_style_fonts(rc: Mapping[str, Any]) -> list[str]:
    """The installed font families among those in the settings; at least DejaVu Sans."""
    there = {entry.name for entry in font_manager.fontManager.ttflist}
    wanted = [
        one
        for family in rc["font.family"]
        for one in (rc[f"font.{family.replace(' ', '-')}"] if family in _GENERIC_FAMILIES else [family])
    ]
    return [name for name in dict.fromkeys(wanted) if name in there] or ["DejaVu Sans"]
