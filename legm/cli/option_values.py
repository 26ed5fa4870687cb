"""The values of options and parameters as a user types them: ``NAME=VALUE``."""

from __future__ import annotations

from typing import Any

import click

from legm.core.value_texts import parse_value_text

__all__ = ["backend_option_values", "name_value_pairs"]


def backend_option_values(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, Any]:
    """A callback: the options of a backend, ``NAME=VALUE`` each, by name."""
    return {name: parse_value_text(text) for name, text in name_value_pairs(texts)}


def name_value_pairs(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """``("a=1",)`` as ``(("a", "1"),)``; the first = separates name and value."""
    for text in texts:
        if not text.partition("=")[0] or "=" not in text:
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    pairs = tuple((name, value) for name, _, value in (text.partition("=") for text in texts))
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"{name!r} was given twice")
    return pairs
