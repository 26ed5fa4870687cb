"""``legm tensorboard``: starts TensorBoard on the runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from legm.cli.options import path_argument
from legm.cli.serving import serve_until_ended

__all__ = ["tensorboard_command"]


@click.command("tensorboard")
@path_argument("root", default=Path())
@click.option("--port", default=6006, show_default=True, help="The port on 127.0.0.1.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
def tensorboard_command(root: Path, *, port: int, only_print: bool) -> None:
    """Start TensorBoard on the runs.

    ROOT is a root directory, an experiment or a configuration; runs appear while they train.
    """
    from legm.cli.locations import require_location_folder

    require_location_folder(root)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(root)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    serve_until_ended("TensorBoard", command, port, only_print=only_print)
