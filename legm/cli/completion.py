"""``legm completion``: the script that lets a shell complete the commands."""

from __future__ import annotations

import click

from legm.cli.output import say

__all__ = ["completion_command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    r"""Print the script that completes legm's commands in a shell.

    It completes commands and options, experiments and configurations, metrics, parameters and their values.

    \b
    bash: put  eval "$(legm completion bash)"        into ~/.bashrc
    zsh:  put  eval "$(legm completion zsh)"         into ~/.zshrc, after compinit
    fish: put  legm completion fish | source         into ~/.config/fish/config.fish
    """
    from legm.cli.completion_scripts import completion_script

    say(completion_script(shell, ctx.find_root().command).rstrip())
