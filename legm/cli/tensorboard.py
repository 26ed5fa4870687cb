"""``legm tensorboard``: starts TensorBoard on the runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from legm.cli.options import json_option, path_argument
from legm.cli.printing import say
from legm.cli.serving import serve_until_ended

__all__ = ["tensorboard_command"]

_DRAWN_RUNS = {"SCALARS": 40, "TIME SERIES": 500}
"""By tab of TensorBoard's page, up to how many runs it draws all."""


@click.command("tensorboard")
@path_argument("root", default=Path())
@click.option("--port", default=6006, show_default=True, help="The port on 127.0.0.1.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
@json_option
def tensorboard_command(root: Path, *, port: int, only_print: bool, as_json: bool) -> None:
    """Start TensorBoard on the runs.

    ROOT is a root directory, an experiment or a configuration; runs appear while they train.
    """
    from legm.cli.locations import require_location_folder

    require_location_folder(root)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(root)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    if not only_print and not as_json:
        _warn_of_runs_unticked_in_tensorboard(root)
    serve_until_ended("TensorBoard", command, port, only_print=only_print, as_json=as_json)


def _warn_of_runs_unticked_in_tensorboard(root: Path) -> None:
    """TensorBoard draws no run by itself where there are more than fit on the page, and does not say so."""
    from legm.runlog.configuration_folders import configuration_folders, subfolders
    from legm.runlog.file_names import TENSORBOARD

    event_folders = (folder / TENSORBOARD for folder in configuration_folders(root))
    runs = sum(len(subfolders(one)) for one in event_folders if one.is_dir())
    tabs = [tab for tab, most in _DRAWN_RUNS.items() if runs > most]
    if tabs:
        say(
            f"{runs} runs: until you tick some, TensorBoard draws none of them under {' and '.join(tabs)}. "
            "Name an experiment or a configuration to see fewer."
        )
