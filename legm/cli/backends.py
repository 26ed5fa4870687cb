"""``legm backends``: which backends are installed, and their capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option
from legm.cli.printing import say

if TYPE_CHECKING:
    from legm.delivery.registry import InstalledBackend

__all__ = ["backends_command"]


@click.command("backends")
@json_option
def backends_command(*, as_json: bool) -> None:
    """List the installed backends and their capabilities.

    If a backend cannot be used, the reason is shown instead.
    """
    from dataclasses import asdict

    from legm.delivery.registry import installed_backends

    found = installed_backends()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        say(f"{one.name} ({one.package}): {one.problem or ', '.join(_capability_texts(one))}")


def _capability_texts(backend: InstalledBackend) -> list[str]:
    """The capabilities of a backend; with the kinds of media where it does not have all."""
    from legm.records import MediaKind

    is_part = len(backend.media_kinds) < len(MediaKind)
    media = f"media ({', '.join(backend.media_kinds)})" if is_part else "media"
    return [media if one == "media" else one for one in backend.capabilities]
