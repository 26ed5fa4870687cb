"""``legm tensorboard``: starts TensorBoard on the runs."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from urllib.parse import quote

import click

from legm.cli.options import json_option, path_argument
from legm.cli.printing import say
from legm.cli.serving import port_or_free_one, serve_until_ended

__all__ = ["tensorboard_command"]

_DRAWN_RUNS = {"SCALARS": 40, "TIME SERIES": 500}
"""By tab of TensorBoard's page, up to how many runs it draws all."""
_SELECTED_RUNS = 10  # of the address that is printed where there are more


@click.command("tensorboard")
@path_argument("root", default=Path())
@click.option("--port", default=6006, show_default=True, help="The port on 127.0.0.1; 0 for any free one.")
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
@json_option
def tensorboard_command(root: Path, *, port: int, only_print: bool, as_json: bool) -> None:
    """Start TensorBoard on the runs.

    ROOT is a root directory, an experiment or a configuration; runs appear while they train.
    """
    from legm.cli.locations import named_folder, require_location_folder

    root = named_folder(root)
    require_location_folder(root)
    port = port_or_free_one(port)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(root)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    if not only_print and not as_json:
        _say_how_to_see_many_runs_in_tensorboard(root, port)
    serve_until_ended("TensorBoard", command, port, only_print=only_print, as_json=as_json)


def _say_how_to_see_many_runs_in_tensorboard(root: Path, port: int) -> None:
    """TensorBoard draws no run by itself where there are more than fit on the page, and does not say so."""
    from legm.runlog.configuration_folders import configuration_folders, subfolders
    from legm.runlog.file_names import TENSORBOARD

    event_folders = (folder / TENSORBOARD for folder in configuration_folders(root))
    runs = [folder / name for folder in event_folders if folder.is_dir() for name in subfolders(folder)]
    tabs = [tab for tab, most in _DRAWN_RUNS.items() if len(runs) > most]
    if not tabs:
        return
    newest = sorted(runs, key=lambda run: run.name)[-_SELECTED_RUNS:]  # a run's id begins with its time
    selection = json.dumps({run.relative_to(root).as_posix(): True for run in newest})
    state = quote(base64.b64encode(selection.encode()).decode(), safe="")
    say(
        f"{len(runs)} runs: TensorBoard draws none of them under {' and '.join(tabs)} until you tick some. "
        f"The newest {len(newest)} are ticked under SCALARS at\n"
        f"http://127.0.0.1:{port}/#scalars&runSelectionState={state}\n"
        "Name an experiment or a configuration to see fewer."
    )
