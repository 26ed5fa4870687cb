"""``legm completion``: the script that lets a shell complete the commands."""

from __future__ import annotations

import click

from legm.cli.json_output import print_json
from legm.cli.options import json_option
from legm.cli.printing import say

__all__ = ["completion_command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion_command(shell: str, *, as_json: bool) -> None:
    r"""Print the script that completes legm's commands in a shell.

    It completes commands and options, experiments and configurations, metrics, parameters and their values.

    \b
    bash: put  eval "$(legm completion bash)"        into ~/.bashrc
    zsh:  put  eval "$(legm completion zsh)"         into ~/.zshrc, after compinit
    fish: put  legm completion fish | source         into ~/.config/fish/config.fish
    """
    from legm.cli.completion_scripts import completion_script

    script = completion_script(shell).rstrip()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        say(script)
