"""``legm backends``, ``legm completion``: what is installed, and what a shell needs."""

from __future__ import annotations

import click

from legm.cli.options import json_option
from legm.cli.output import print_json, say

__all__ = ["backends_command", "completion_command"]


@click.command("backends")
@json_option
def backends_command(*, as_json: bool) -> None:
    """List the backends that can be named, what each can do, and what keeps one from being used."""
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
    r"""Print what lets SHELL complete legm's commands, paths, metrics and parameters.

    \b
    bash: put  eval "$(legm completion bash)"        into ~/.bashrc
    zsh:  put  eval "$(legm completion zsh)"         into ~/.zshrc, after compinit
    fish: put  legm completion fish | source         into ~/.config/fish/config.fish
    """
    from legm.cli.shells import script

    say(script(shell).rstrip())
