"""``legm backends``, ``legm completion``: what is installed, and what a shell needs."""

from __future__ import annotations

import click

from legm.cli.options import json_option
from legm.cli.output import print_json, say

__all__ = ["backends_command", "completion_command"]


@click.command("backends")
@json_option
def backends_command(*, as_json: bool) -> None:
    """List the backends that can be named, and what each can do.

    Where one cannot be used it says why.
    """
    from dataclasses import asdict

    from legm.registry import installed

    found = installed()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        say(f"{one.name} ({one.package}): {one.problem or ', '.join(one.capabilities)}")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    r"""Print what lets a shell complete legm's commands.

    It completes commands and options, experiments and configurations, metrics, parameters and their values.

    \b
    bash: put  eval "$(legm completion bash)"        into ~/.bashrc
    zsh:  put  eval "$(legm completion zsh)"         into ~/.zshrc, after compinit
    fish: put  legm completion fish | source         into ~/.config/fish/config.fish
    """
    from legm.cli.shells import script

    say(script(shell).rstrip())
