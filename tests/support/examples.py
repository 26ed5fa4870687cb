"""How many examples of a property are tried, where that is not Hypothesis' usual number."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["examples"]

_USUAL = 50


def examples(number: int) -> settings:
    """Try so many; at most as many as the profile says where that is to be quick, as ``-m core`` is."""
    most = settings.default.max_examples
    return settings(max_examples=number if most == _USUAL else min(number, most))
